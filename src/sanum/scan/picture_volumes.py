"""Pictures of medical files: the slices of a volume, and the frames of one DICOM file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.errors import InvalidDicomError

from ..types import FloatArray
from .dicom_file import DAMAGED, open_dicom, text_of
from .dicom_pixels import rescaled_pixels
from .errors import ScanError
from .names import printable
from .picture import Picture, picture_of
from .scan import Scan

_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")


def slices_of(
    scan: Scan,
    path: Path,
    axis: int,
    slices: tuple[int, int] | None = None,
    window: tuple[float, float] | None = None,
    *,
    every: int = 1,
    least: float = 0.0,
) -> list[Picture]:
    """Slices of a volume along an axis of its voxels; the head's front or top is up where the header says.

    Parameters
    ----------
    scan : Scan
        The volume.
    path : Path
        Where it was read from.
    axis : int
        0, 1 or 2, of the volume turned to R-A-S.
    slices : (int, int), optional
        First slice, and the first that is left out; default all.
    window : (float, float), optional
        Intensities shown as black and white.
    every : int
        Of these slices every so manieth, from the first.
    least : float
        Of these those in which so large a share of the pixels, and some, is above the volume's lowest value.

    Raises
    ------
    ScanError
        It has no such slices.
    """
    import nibabel as nib

    to_ras = nib.orientations.io_orientation(scan.affine)
    voxels = nib.orientations.apply_orientation(np.asarray(scan.voxels), to_ras)
    spacing = np.empty(3)
    spacing[to_ras[:, 0].astype(int)] = scan.grid.spacing_mm
    first, end = slices or (0, voxels.shape[axis])
    if not 0 <= first < end <= voxels.shape[axis]:
        raise ScanError(
            f"{printable(path.name)} has {voxels.shape[axis]} slices along axis {axis}: expected slices of "
            f"these, got {first} to {end}"
        )
    across, up = (float(s) for s in np.delete(spacing, axis))
    numbers = list(range(first, end, every))
    if least:
        shown = (voxels > _lowest(voxels)).mean(axis=tuple(a for a in range(3) if a != axis))
        numbers = [n for n in numbers if shown[n] >= least]
    return [
        picture_of(
            np.ascontiguousarray(voxels.take(n, axis).T[None, ::-1]),
            path=path,
            frame=n,
            window=window,
            spacing_mm=(up, across),
        )
        for n in numbers
    ]


def range_of(scan: Scan, white: float) -> tuple[float, float] | None:
    """A volume's lowest value, and a percentile of what is above it; None where nothing is.

    Parameters
    ----------
    scan : Scan
        Best without its skull, and 0 around the brain.
    white : float
        The percentile, in (0, 100].
    """
    voxels = np.asarray(scan.voxels)
    low = _lowest(voxels)
    above = voxels[np.isfinite(voxels) & (voxels > low)]
    return (float(low), float(np.percentile(above, white))) if above.size else None


def _lowest(voxels: npt.NDArray[Any]) -> float:
    finite = voxels[np.isfinite(voxels)]
    return float(finite.min()) if finite.size else 0.0


def volume_of(maps: Mapping[int, FloatArray], scan: Scan, axis: int) -> Scan:
    """Maps of slices as a volume on the grid of the volume that they are of; 0 in the slices without one.

    Parameters
    ----------
    maps : mapping of (H, W) array
        By the number of the slice, as `slices_of` turned it.
    scan : Scan
        The volume.
    axis : int
        As of `slices_of`.
    """
    import nibabel as nib

    to_ras = nib.orientations.io_orientation(scan.affine)
    shape = np.empty(3, int)
    shape[to_ras[:, 0].astype(int)] = scan.voxels.shape
    turned = np.zeros(shape, np.float32)
    for n, values in maps.items():
        turned[(slice(None),) * axis + (n,)] = values[::-1].T
    back = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.io_orientation(scan.affine)
    )
    voxels = nib.orientations.apply_orientation(turned, back)
    return Scan(np.ascontiguousarray(voxels), scan.affine, forms=scan.forms)


def read_dicom_picture(path: Path, window: tuple[float, float] | None = None) -> list[Picture]:
    """Pictures of one DICOM file, one for each frame; values rescaled, Hounsfield units of a CT.

    Where the lowest value is white (MONOCHROME1), values and window are turned over, for the file as a whole.

    Parameters
    ----------
    path : Path
        A DICOM file, whatever its name.
    window : (float, float), optional
        Intensities shown as black and white; without it the whole range.

    Raises
    ------
    ScanError
        Damaged; a compression that is not read.
    """
    what = printable(path.name)
    try:
        header = open_dicom(path, pixels=False)
        colour = text_of(header, "PhotometricInterpretation") in _COLOURS
        frames = int(header.get("NumberOfFrames") or 1)
        pixels, padding = rescaled_pixels(path, colour=colour)
        spacing = _spacing(header)
    except ScanError:
        raise
    except (*DAMAGED, InvalidDicomError) as error:
        raise ScanError(f"{what} has damaged or missing pixels: copy or export it again") from error
    stack = pixels if frames > 1 else pixels[None]
    found = []
    turned = text_of(header, "PhotometricInterpretation") == "MONOCHROME1"
    total = np.float32(stack.max()) + np.float32(stack.min()) if turned else np.float32(0)
    if window is not None and turned:
        window = (float(total) - window[1], float(total) - window[0])
    for n, frame in enumerate(stack):
        channels = np.moveaxis(frame, -1, 0) if colour else frame[None]
        outside = None if padding is None else channels[0] == np.float32(padding)
        if turned:
            channels = total - channels.astype(np.float32)
        found.append(
            picture_of(
                channels,
                valid=None if outside is None or outside.all() else ~outside,
                path=path,
                frame=n if frames > 1 else None,
                window=window,
                spacing_mm=spacing,
            )
        )
    return found


def _spacing(header: Any) -> tuple[float, float] | None:
    for tag in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        values: npt.NDArray[np.float64] | None = None
        try:
            values = np.array([float(x) for x in header.get(tag) or ()])
        except DAMAGED:
            continue
        if len(values) == 2 and (values > 0).all():
            return float(values[0]), float(values[1])
    return None
