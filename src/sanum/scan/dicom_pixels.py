"""The pixels of single-slice DICOM files: decoded, rescaled, stacked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom.encaps import get_frame
from pydicom.uid import RLELossless

from .dicom_file import DAMAGED, codestream_size, open_dicom
from .errors import ScanError
from .itk import itk_reader, quiet_natives
from .names import printable

_UNREADABLE = (
    "{name} is compressed as {syntax}, which cannot be read or is damaged: export the series uncompressed"
)


def read_pixels(paths: Sequence[Path], size: tuple[int, int, int]) -> npt.NDArray[Any]:
    """Stack the slices of a series.

    Parameters
    ----------
    paths : sequence of Path
        One file a slice, in order.
    size : (3,) int
        Columns, rows, slices, as the headers say.

    Returns
    -------
    (columns, rows, slices) array
        The stored integers where no file has a rescale slope or intercept, float32 with both applied
        otherwise.

    Raises
    ------
    ScanError
        Damaged or missing pixels; a compression that neither pydicom nor GDCM reads; another size.
    """
    voxels: npt.NDArray[Any] | None = None
    for k, path in enumerate(paths):
        pixels = _pixels(path, (size[1], size[0]))
        if voxels is None:
            voxels = np.empty(size, pixels.dtype, order="F")
        elif pixels.dtype != voxels.dtype:  # slices rescaled one by one, or of differing bit depth
            voxels = voxels.astype(np.float32)
        voxels[:, :, k] = pixels.T
    assert voxels is not None
    return voxels


def _pixels(path: Path, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Rescaled pixels (rows, columns) of one file."""
    name = printable(path.name)
    try:
        dataset = open_dicom(path, pixels=True)
        syntax = dataset.file_meta.TransferSyntaxUID
        of_jpeg = syntax.is_encapsulated and syntax != RLELossless
        if of_jpeg:
            _check_codestream(dataset.PixelData, shape, name, syntax.name)
        slope = float(dataset.get("RescaleSlope") or 1.0)
        intercept = float(dataset.get("RescaleIntercept") or 0.0)
        try:
            pixels = dataset.pixel_array
        except (RuntimeError, NotImplementedError):
            if (
                not of_jpeg
            ):  # damaged, for pydicom needs no plugin; GDCM divides by the segments of an RLE frame
                raise
            return _pixels_by_gdcm(path, shape, syntax.name)
    except ScanError:
        raise
    except DAMAGED as error:
        raise ScanError(f"{name} has damaged or missing pixels: copy the series again") from error
    if pixels.shape != shape:
        raise ScanError(f"{name} has pixels {pixels.shape} where its header says {shape}: export it again")
    if (slope, intercept) == (1.0, 0.0):
        return pixels
    return (pixels * slope + intercept).astype(np.float32)


def _check_codestream(pixel_data: bytes, shape: tuple[int, int], name: str, syntax: str) -> None:
    """Refuse a packed image of another size than the tags say, before its decoder makes room for it."""
    found = codestream_size(get_frame(pixel_data, 0, number_of_frames=1))
    if found is None:
        raise ScanError(_UNREADABLE.format(name=name, syntax=printable(syntax)))
    if found != shape:
        raise ScanError(f"{name} has pixels {found} where its header says {shape}: export it again")


def _pixels_by_gdcm(path: Path, shape: tuple[int, int], syntax: str) -> npt.NDArray[Any]:
    """Pixels in the JPEG family, which pydicom leaves to plugins and GDCM decodes and rescales."""
    reader = itk_reader(path, "GDCMImageIO")
    try:
        with quiet_natives():
            pixels = sitk.GetArrayFromImage(reader.Execute()).reshape(shape)
    except (RuntimeError, ValueError) as error:
        raise ScanError(_UNREADABLE.format(name=printable(path.name), syntax=printable(syntax))) from error
    return pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels
