"""One DICOM series, a folder of single-slice files, as one `Scan`."""

import warnings as python_warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ..files import open_regular
from .checks import check_shape, usable_scan
from .dicom_file import DAMAGED, open_dicom
from .dicom_pixels import read_pixels
from .errors import ScanError
from .names import EXTENSIONS, contrast_in_words, contrast_of, printable
from .scan import Scan
from .text_header import LPS_TO_RAS

UNEVEN = 0.05
"""Slice distances may differ from their median by this share (positions are often rounded to 0.1 mm)."""

TILTED = 0.01
"""Sideways part of the way from slice to slice above which the volume counts as sheared (gantry tilt)."""

_PREAMBLE = 128  # bytes before a DICOM file's mark
_GEOMETRY = {
    "Columns": 1,
    "Rows": 1,
    "ImagePositionPatient": 3,
    "ImageOrientationPatient": 6,
    "PixelSpacing": 2,
}


@dataclass(frozen=True, eq=False)
class _Slice:
    path: Path
    header: Dataset
    size: tuple[int, int]  # columns, rows
    position: npt.NDArray[np.float64]  # centre of the first pixel, LPS mm
    axes: npt.NDArray[np.float64]  # (2, 3) unit vectors along a row and along a column
    spacing: npt.NDArray[np.float64]  # (2,) mm along a row and along a column


def read_dicom(folder: Path) -> Scan:
    """Read the one series in `folder`.

    Files are recognized by their content, not by their names. Other files are ignored, and so are localizers
    when there is another series. Subfolders are not searched. A tilted gantry is kept as a shear
    in the affine, with a warning.

    Parameters
    ----------
    folder : Path
        Holds the series' files.

    Returns
    -------
    Scan
        Voxels (columns, rows, slices) with slices along their normal; rescale slope and intercept applied
        as float32, or the stored integers where there are none; world in mm, RAS+.

    Raises
    ------
    ScanError
        No image or several series; fewer than 2 slices; missing geometry; slices that repeat, lack or are
        unevenly spaced, or differ in size or direction; colour or multi-frame images; pixels that are
        damaged or in a compression that cannot be read.
    """
    what = printable(folder.resolve().name or folder)
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # pydicom's: scanners break the standard in harmless ways
        series = _one_series(_headers(folder, what), what)
        slices = _in_order([_slice(path, header, what) for path, header in series], what)
        size = (*slices[0].size, len(slices))
        check_shape(size, what)
        affine, warnings = _affine(slices, what)
        voxels = read_pixels([one.path for one in slices], size)
        contrast = _contrast(slices[0].header, folder)
    return usable_scan(
        voxels, affine, contrast=contrast, path=folder, what=what, warnings=warnings, ours=True
    )


def holds_dicom(folder: Path) -> bool:
    """Whether DICOM files lie in `folder` itself (recognized by their content; DICOMDIR does not count).

    Parameters
    ----------
    folder : Path
        Its subfolders do not count.
    """
    try:
        paths = sorted(folder.iterdir())
        return any(_is_dicom(path) for path in paths if not path.name.lower().endswith(EXTENSIONS))
    except OSError:
        return False


def _is_dicom(path: Path) -> bool:
    if path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    with open_regular(path) as stream:
        return stream.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"


def _headers(folder: Path, what: str) -> list[tuple[Path, Dataset]]:
    """Every DICOM image of the folder, without its pixels."""
    found: list[tuple[Path, Dataset]] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise ScanError(f"{what} cannot be listed: check its permissions") from error
    for path in paths:
        try:
            header = open_dicom(path, pixels=False)
            is_image = "Rows" in header and "Columns" in header
        except InvalidDicomError:
            continue
        except ScanError:
            raise
        except DAMAGED as error:
            raise ScanError(
                f"{printable(path.name)} in {what} is a damaged DICOM file: copy the series again"
            ) from error
        if is_image:
            found.append((path, header))
    if not found:
        raise ScanError(
            f"{what} holds no DICOM images: expected a folder with the files of one series (subfolders are "
            "not searched)"
        )
    return found


def _one_series(headers: list[tuple[Path, Dataset]], what: str) -> list[tuple[Path, Dataset]]:
    groups: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for path, header in headers:
        groups[_text(header, "SeriesInstanceUID")].append((path, header))
    proper = [group for group in groups.values() if not _is_localizer(group[0][1])]
    chosen = proper or list(groups.values())
    if len(chosen) > 1:
        listed = "; ".join(
            f"{printable(_text(g[0][1], 'SeriesDescription')) or 'without a name'} ({len(g)} files)"
            for g in chosen
        )
        raise ScanError(
            f"{what} holds {len(chosen)} DICOM series where one was expected: {listed}; give a folder with "
            "one of them"
        )
    return chosen[0]


def _is_localizer(header: Dataset) -> bool:
    text = f"{_text(header, 'ImageType')} {_text(header, 'SeriesDescription')}".lower()
    return any(word in text for word in ("localizer", "localiser", "scout", "topogram", "survey"))


def _slice(path: Path, header: Dataset, what: str) -> _Slice:
    """Check one file and take out its geometry."""
    name = f"{printable(path.name)} in {what}"
    if _text(header, "NumberOfFrames") not in ("", "1"):
        raise ScanError(
            f"{name} is a multi-frame (enhanced) DICOM image: expected one slice a file; convert it to "
            "NIfTI, for instance with dcm2niix"
        )
    photometric = _text(header, "PhotometricInterpretation")
    if _text(header, "SamplesPerPixel") not in ("", "1") or photometric not in ("", "MONOCHROME2"):
        raise ScanError(
            f"{name} is a colour or inverted image ({printable(photometric)}): expected MONOCHROME2"
        )
    values: dict[str, npt.NDArray[np.float64]] = {}
    for tag, length in _GEOMETRY.items():
        try:
            value = np.array(header[tag].value, dtype=np.float64).ravel()
        except DAMAGED:
            value = np.empty(0)
        if value.shape != (length,) or not np.isfinite(value).all():
            raise ScanError(
                f"{name} has no usable {tag}: expected {length} number{'s'[: length - 1]}; export the series "
                "again from the scanner or archive"
            )
        values[tag] = value
    axes = values["ImageOrientationPatient"].reshape(2, 3)
    if np.abs(axes @ axes.T - np.eye(2)).max() > 1e-2:
        raise ScanError(
            f"{name} has an ImageOrientationPatient whose axes are not perpendicular unit vectors"
        )
    size = (int(values["Columns"][0]), int(values["Rows"][0]))
    return _Slice(path, header, size, values["ImagePositionPatient"], axes, values["PixelSpacing"][::-1])


def _in_order(slices: list[_Slice], what: str) -> list[_Slice]:
    """Slices along their normal, once they are known to form one stack."""
    first = slices[0]
    if len(slices) < 2:
        raise ScanError(f"{what} has a single slice: expected the whole series")
    for other in slices[1:]:
        if other.size != first.size:
            raise ScanError(
                f"{what} has slices of different sizes: expected one stack; give a folder with one"
            )
        if np.abs(other.spacing - first.spacing).max() > 1e-3 * first.spacing.max():
            raise ScanError(f"{what} has slices of different pixel spacing: expected one stack; give one")
        if np.abs(other.axes - first.axes).max() > 1e-3:
            raise ScanError(
                f"{what} has slices in different directions, like a localizer: expected one stack; give a "
                "folder with one"
            )
    normal = np.cross(*first.axes)
    return sorted(slices, key=lambda s: float(s.position @ normal))


def _affine(slices: list[_Slice], what: str) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Affine (4, 4) of evenly spaced slices in order, and what the user should know of it."""
    first = slices[0]
    normal = np.cross(*first.axes)
    positions = np.array([s.position for s in slices])
    gaps = np.diff(positions @ normal)
    median = float(np.median(gaps))
    repeats = int((gaps < 0.01).sum())
    if repeats:
        raise ScanError(
            f"{what} has {repeats} slices that lie where another one does (copies, echoes or time points): "
            "give a folder with one volume"
        )
    odd = int(np.abs(gaps / median - 1).argmax())
    if abs(gaps[odd] / median - 1) > UNEVEN:
        missing = gaps[odd] / median > 1.5
        raise ScanError(
            f"{what} has {'missing' if missing else 'unevenly spaced'} slices: {gaps[odd]:.3g} mm between "
            f"{printable(slices[odd].path.name)} and {printable(slices[odd + 1].path.name)} "
            f"where {median:.3g} mm "
            "was expected; export the whole series again"
        )
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    line = positions[0] + np.arange(len(slices))[:, None] * step
    if np.linalg.norm(positions - line, axis=1).max() > 0.25 * median:
        raise ScanError(f"{what} has slices that do not lie on a straight line: expected one even stack")
    warnings: tuple[str, ...] = ()
    sideways = float(np.linalg.norm(step - (step @ normal) * normal) / np.linalg.norm(step))
    if sideways > TILTED:
        angle = np.degrees(np.arcsin(min(sideways, 1.0)))
        if angle > 45:
            raise ScanError(f"{what} has slices tilted by {angle:.0f}° to their stack: expected at most 45°")
        warnings = (f"the gantry was tilted by {angle:.1f}°: the scan's grid is sheared",)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([*(first.axes * first.spacing[:, None]), step])
    affine[:3, 3] = first.position
    return LPS_TO_RAS @ affine, warnings


def _contrast(header: Dataset, folder: Path) -> str | None:
    """CT by its modality; otherwise what the series' description says, then what the folder's name says."""
    if _text(header, "Modality") == "CT":
        return "CT"
    text = f"{_text(header, 'SeriesDescription')} {_text(header, 'ProtocolName')}"
    return (
        contrast_in_words(_text(header, "SeriesDescription"))
        or contrast_in_words(text)
        or contrast_of(folder)
    )


def _text(header: Dataset, tag: str) -> str:
    """Value of a tag as text, "" where it is missing or unreadable."""
    try:
        value = header.get(tag)
    except DAMAGED:
        return ""
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, (list, pydicom.multival.MultiValue)) else str(value)
