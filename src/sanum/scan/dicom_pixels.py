"""The pixels of a DICOM series: decoded, rescaled, stacked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_color_lut

from .dicom_file import DAMAGED, DamagedFile, number_of, open_dicom
from .dicom_jpeg import check_codestream, decoded, decoded_frames, is_of_jpeg
from .dicom_stack import Slice
from .errors import ScanError
from .names import printable

_NO_PIXELS = "has no pixel data: copy the series again, or export it with its images"


def read_pixels(
    slices: Sequence[Slice], size: tuple[int, int, int], *, skip_damaged: bool = False
) -> tuple[npt.NDArray[Any], list[int]]:
    """Stack the slices of a series.

    Parameters
    ----------
    slices : sequence of Slice
        In order.
    size : (3,) int
        Columns, rows, slices, as the headers say.
    skip_damaged : bool
        Whether slices that cannot be decoded are left out.

    Returns
    -------
    voxels : (columns, rows, S) array
        The stored integers where no file has a rescale slope or intercept, float32 with both applied
        otherwise. Padding that is brighter than everything else is as dark as the darkest voxel.
    kept : list of int
        Which slices these are.

    Raises
    ------
    DamagedFile
        Damaged or missing pixels; a compression that neither pydicom nor GDCM reads; another size.
    ScanError
        The same of a frame of a multi-frame file.
    """
    if slices[0].frame is not None:
        return _frames(slices, size), list(range(len(slices)))
    voxels: npt.NDArray[Any] | None = None
    kept: list[int] = []
    padding: float | None = None
    for k, one in enumerate(slices):
        try:
            pixels, padded = _pixels(one.path, (size[1], size[0]))
        except DamagedFile:
            if not skip_damaged or (not kept and k == len(slices) - 1):
                raise
            continue
        if voxels is None:
            voxels = np.empty(size, pixels.dtype, order="F")
        elif pixels.dtype != voxels.dtype:  # slices rescaled one by one, or of differing bit depth
            voxels = voxels.astype(np.float32)
        voxels[:, :, len(kept)] = pixels.T
        padding = padded if padding is None else padding
        kept.append(k)
    assert voxels is not None
    voxels = voxels[..., : len(kept)]
    if padding is not None:
        _darken(voxels, padding)
    return voxels, kept


def stored_values(dataset: FileDataset) -> npt.NDArray[Any]:
    """Pixels without what else is in their unused bits: graphic overlays, or no sign (PS3.5, 8.1.1).

    Parameters
    ----------
    dataset : FileDataset
        With its pixels, not in the JPEG family. Afterwards it says that all bits are used, for pydicom
        believes that the unused ones are always the upper ones.
    """
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    high = int(dataset.get("HighBit", stored - 1))
    dataset.BitsStored, dataset.HighBit = allocated, allocated - 1
    pixels: npt.NDArray[Any] = dataset.pixel_array
    if pixels.dtype.kind not in "iu" or not 0 < stored < allocated or not stored - 1 <= high < allocated:
        return pixels
    above = pixels.dtype.type(allocated - 1 - high)
    used: npt.NDArray[Any] = (pixels << above) >> pixels.dtype.type(allocated - stored)
    return used  # of signed integers with their sign


def rescaled_pixels(path: Path, *, colour: bool = False) -> tuple[npt.NDArray[Any], float | None]:
    """Rescaled pixels of one file by itself, and the value of its padding.

    Parameters
    ----------
    path : Path
        A file of one frame or of several.
    colour : bool
        Its pixels have three values.

    Returns
    -------
    pixels : (rows, columns) array
        With an axis of frames before it where there are several, and one of colours behind it.
    padding : float or None
        Of what is outside the field of view.

    Raises
    ------
    DamagedFile, ScanError
        As `read_pixels`.
    """
    header = open_dicom(path, pixels=False)
    frames, size = int(header.get("NumberOfFrames") or 1), (int(header.Rows), int(header.Columns))
    if frames == 1 and not colour:
        return _pixels(path, size)
    dataset = open_dicom(path, pixels=True)
    syntax = dataset.file_meta.TransferSyntaxUID
    shape = (*([frames] if frames > 1 else []), *size, *([3] if colour else []))
    if is_of_jpeg(syntax):
        if frames > 1:
            raise ScanError(
                f"{printable(path.name)} is a multi-frame file compressed as {printable(syntax.name)}: "
                "export it uncompressed, or unpack it with gdcmconv --raw of the package libgdcm-tools"
            )
        check_codestream(dataset.PixelData, size, printable(path.name), syntax)
        return decoded(path, shape, syntax)[0], None
    if colour:
        pixels: npt.NDArray[Any] = dataset.pixel_array  # YBR is RGB here
        if pixels.ndim == len(shape) - 1:
            pixels = apply_color_lut(pixels, dataset)[..., :3]
        return pixels, None
    slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    stored = stored_values(dataset)
    padding = _padding(dataset, slope, intercept)
    same = (slope, intercept) == (1.0, 0.0)
    return (stored if same else (stored * slope + intercept).astype(np.float32)), padding


def _pixels(path: Path, shape: tuple[int, int]) -> tuple[npt.NDArray[Any], float | None]:
    """Rescaled pixels (rows, columns) of one file, and the value of its padding."""
    name = printable(path.name)
    try:
        dataset = open_dicom(path, pixels=True)
        if not dataset.get("PixelData"):
            raise DamagedFile(f"{name} {_NO_PIXELS}")
        syntax = dataset.file_meta.TransferSyntaxUID
        if is_of_jpeg(syntax):
            check_codestream(dataset.PixelData, shape, name, syntax)
        slope = float(dataset.get("RescaleSlope") or 1.0)
        intercept = float(dataset.get("RescaleIntercept") or 0.0)
        if is_of_jpeg(syntax):
            pixels, rescaled = decoded(path, shape, syntax)
            if rescaled:
                return pixels, _padding(dataset, slope, intercept)
        else:  # for which pydicom needs nothing native
            pixels = stored_values(dataset)
    except ScanError:
        raise
    except DAMAGED as error:
        raise DamagedFile(f"{name} has damaged or missing pixels: copy the series again") from error
    if pixels.shape != shape:
        raise DamagedFile(f"{name} has pixels {pixels.shape} where its header says {shape}: export it again")
    padding = _padding(dataset, slope, intercept)
    if (slope, intercept) == (1.0, 0.0):
        return pixels, padding
    return (pixels * slope + intercept).astype(np.float32), padding


def _padding(header: FileDataset, slope: float, intercept: float) -> float | None:
    """The value, rescaled, of what is outside the field of view."""
    padding = number_of(header, "PixelPaddingValue")
    if padding is None:
        return None
    if padding < 0 and not header.get("PixelRepresentation"):  # a sign that the pixels do not have
        padding += 2.0 ** int(header.BitsAllocated)
    return padding * slope + intercept


def _darken(voxels: npt.NDArray[Any], padding: float) -> None:
    """Set padding above all other voxels, such as -2000 without its sign, to the lowest of them."""
    if voxels.max() != np.float32(padding):
        return
    outside = voxels == voxels.max()
    if not outside.all():
        voxels[outside] = voxels.min()


def _frames(slices: Sequence[Slice], size: tuple[int, int, int]) -> npt.NDArray[Any]:
    """The frames of one multi-frame file, each with its own rescaling."""
    path = slices[0].path
    name = printable(path.name)
    try:
        dataset = open_dicom(path, pixels=True)
        if not dataset.get("PixelData"):
            raise ScanError(f"{name} {_NO_PIXELS}")
        syntax = dataset.file_meta.TransferSyntaxUID
        frames = decoded_frames(dataset, name) if is_of_jpeg(syntax) else stored_values(dataset)
        voxels: npt.NDArray[Any] = np.stack([frames[one.frame].T for one in slices], axis=-1)
    except ScanError:
        raise
    except DAMAGED as error:
        raise ScanError(f"{name} has damaged or missing pixels: copy it again") from error
    if voxels.shape != size:
        raise ScanError(f"{name} has pixels {voxels.shape} where its header says {size}: export it again")
    rescale = [one.rescale or (1.0, 0.0) for one in slices]
    if set(rescale) == {(1.0, 0.0)}:
        return voxels
    slope, intercept = np.array(rescale, np.float64).T
    scaled: npt.NDArray[np.float32] = (voxels * slope + intercept).astype(np.float32)
    return scaled
