"""Slices of one DICOM series as one even stack: their geometry, their order, what lies between them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from .dicom_file import DAMAGED, DamagedFile, text_of
from .errors import MissingPlanes, ScanError
from .names import printable
from .text_header import LPS_TO_RAS

UNEVEN = 0.05
"""Slice distances may differ from their median by this share, without the slices being resampled."""

ROUNDED_MM = 0.06
"""Slices that all lie this close to even places are even: positions are often rounded to 0.1 mm."""

LARGEST_GAP = 2.5
"""Distance of two slices, over the median distance, above which nothing is interpolated between them."""

TILTED = 0.01
"""Sideways part of the way from slice to slice above which the volume counts as sheared (gantry tilt)."""

TURNED = 5e-3
"""Directions of slices may differ by this much: motion correction and rounding turn them a little."""

_GEOMETRY = {
    "Columns": 1,
    "Rows": 1,
    "ImagePositionPatient": 3,
    "ImageOrientationPatient": 6,
    "PixelSpacing": 2,
}


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice and where it lies.

    Parameters
    ----------
    path : Path
        Of its file.
    frame : int or None
        Which frame of a multi-frame file, from 0.
    header : Dataset
        Tags of the file.
    size : (2,) int
        Columns, rows.
    position : (3,) float
        Centre of the first pixel, LPS mm.
    axes : (2, 3) float
        Unit vectors along a row and along a column.
    spacing : (2,) float
        Mm along a row and along a column.
    rescale : (2,) float, optional
        Slope and intercept of a frame; default those of the file.
    """

    path: Path
    frame: int | None
    header: Dataset
    size: tuple[int, int]
    position: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]
    spacing: npt.NDArray[np.float64]
    rescale: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """File name and, of several frames, the number."""
        name = printable(self.path.name)
        return name if self.frame is None else f"frame {self.frame + 1} of {name}"


@dataclass(frozen=True, eq=False)
class Stack:
    """Even places of slices in order.

    Parameters
    ----------
    affine : (4, 4) float
        Of the even slices, RAS+ mm.
    places : (K,) float or None
        Of each even slice, as a fraction between the numbers of the slices that there are; None: they are the
        even slices.
    warnings : tuple of str
        What a user should know.
    """

    affine: npt.NDArray[np.float64]
    places: npt.NDArray[np.float64] | None
    warnings: tuple[str, ...]


def slice_of(path: Path, header: Dataset, what: str) -> Slice:
    """Check one single-frame file and take out its geometry.

    Parameters
    ----------
    path : Path
        Of the file.
    header : Dataset
        Its tags.
    what : str
        The series, for messages.

    Raises
    ------
    DamagedFile
        Missing or impossible geometry.
    ScanError
        A colour or inverted image.
    """
    name = f"{printable(path.name)} in {what}"
    require_grey(header, name)
    values: dict[str, npt.NDArray[np.float64]] = {}
    for tag, length in _GEOMETRY.items():
        try:
            value = np.array(header[tag].value, dtype=np.float64).ravel()
        except DAMAGED:
            value = np.empty(0)
        values[tag] = _usable(value, tag, length, name)
    size = (int(values["Columns"][0]), int(values["Rows"][0]))
    return placed_slice(path, header, size, values, name=name)


def _usable(value: npt.NDArray[np.float64], tag: str, length: int, name: str) -> npt.NDArray[np.float64]:
    if value.shape != (length,) or not np.isfinite(value).all():
        raise DamagedFile(
            f"{name} has no usable {tag}: expected {length} number{'s'[: length - 1]}; export the series "
            "again from the scanner or archive"
        )
    return value


def placed_slice(
    path: Path,
    header: Dataset,
    size: tuple[int, int],
    values: Mapping[str, npt.NDArray[np.float64]],
    *,
    name: str,
    frame: int | None = None,
    rescale: tuple[float, float] | None = None,
) -> Slice:
    """A slice from its position, orientation and pixel spacing.

    Parameters
    ----------
    path, header, size, frame, rescale
        As in `Slice`.
    values : mapping of str to array
        ImagePositionPatient, ImageOrientationPatient and PixelSpacing.
    name : str
        Of the slice, for the message.

    Raises
    ------
    DamagedFile
        Axes that are not perpendicular unit vectors.
    """
    axes = values["ImageOrientationPatient"].reshape(2, 3)
    if np.abs(axes @ axes.T - np.eye(2)).max() > 1e-2:
        raise DamagedFile(
            f"{name} has an ImageOrientationPatient whose axes are not perpendicular unit vectors: export "
            "the series again"
        )
    position, spacing = values["ImagePositionPatient"], values["PixelSpacing"][::-1]
    return Slice(path, frame, header, size, position, axes, spacing, rescale)


def require_grey(header: Dataset, name: str) -> None:
    """Raise `ScanError` unless pixels are grey values, larger ones brighter.

    Parameters
    ----------
    header : Dataset
        Of the file.
    name : str
        Of the file, for the message.
    """
    photometric = text_of(header, "PhotometricInterpretation")
    if text_of(header, "SamplesPerPixel") not in ("", "1") or photometric not in ("", "MONOCHROME2"):
        raise ScanError(
            f"{name} is a colour or inverted image ({printable(photometric)}): expected MONOCHROME2"
        )


def in_order(slices: list[Slice], what: str) -> list[Slice]:
    """Slices along their normal, once they are known to form one stack.

    Parameters
    ----------
    slices : list of Slice
        In any order.
    what : str
        The series, for messages.

    Raises
    ------
    ScanError
        Fewer than two; several sizes, spacings or directions.
    """
    if len(slices) < 2:
        raise ScanError(f"{what} has a single slice: expected the whole series")
    first = slices[0]
    for other in slices[1:]:
        if other.size != first.size:
            raise ScanError(
                f"{what} has slices of different sizes: expected one stack; give a folder with one"
            )
        if np.abs(other.spacing - first.spacing).max() > 1e-3 * first.spacing.max():
            raise ScanError(f"{what} has slices of different pixel spacing: expected one stack; give one")
        if np.abs(other.axes - first.axes).max() > TURNED:
            raise ScanError(
                f"{what} has slices in different directions, like a localizer: expected one stack; give a "
                "folder with one"
            )
    normal = np.cross(*first.axes)
    return sorted(slices, key=lambda s: float(s.position @ normal))


def stack_of(slices: list[Slice], what: str) -> Stack:
    """Where the even slices of a stack lie.

    Slices at uneven distances, up to `LARGEST_GAP` times the median, are to be interpolated to places as far
    apart as the lower quartile of the distances, from the first slice to the last.

    Parameters
    ----------
    slices : list of Slice
        From `in_order`.
    what : str
        The series, for messages.

    Raises
    ------
    ScanError
        Slices that repeat, lack (`MissingPlanes`), or do not lie on a straight line.
    """
    axes = _mean_axes(slices)
    normal = np.cross(*axes)
    positions = np.array([s.position for s in slices])
    depth = positions @ normal
    gaps = np.diff(depth)
    usual = float(np.median(gaps))
    if repeats := int((gaps < 0.01).sum()):
        raise ScanError(
            f"{what} has {repeats} slices that lie where another one does (copies, echoes or time points): "
            "give a folder with one volume"
        )
    widest = int(gaps.argmax())
    if gaps[widest] > LARGEST_GAP * usual:
        lacking = round(float(gaps[widest]) / usual) - 1
        raise MissingPlanes(
            f"{what} has missing slices, {lacking} of them: {gaps[widest]:.3g} mm between "
            f"{slices[widest].name} and {slices[widest + 1].name} where "
            f"{usual:.3g} mm was expected; export the whole series again"
        )
    count = len(slices)
    even_step = (depth[-1] - depth[0]) / (count - 1)
    off_mm = np.abs(depth - depth[0] - even_step * np.arange(count)).max()
    even = off_mm <= ROUNDED_MM or (np.abs(gaps / usual - 1).max() <= UNEVEN and off_mm <= 0.25 * usual)
    places, warnings = None, []
    if not even:
        step = np.sort(gaps)[(count - 2) // 4]
        count = round((depth[-1] - depth[0]) / step) + 1
        even_step = (depth[-1] - depth[0]) / (count - 1)
        places = np.interp(depth[0] + even_step * np.arange(count), depth, np.arange(len(slices)))
        warnings.append(
            f"the slices are not evenly spaced ({_distances(gaps)}): they were interpolated to even slices "
            f"{even_step:.3g} mm apart"
        )
    way = (positions[-1] - positions[0]) / (depth[-1] - depth[0])  # for each mm of depth
    line = positions[0] + (depth - depth[0])[:, None] * way
    if np.linalg.norm(positions - line, axis=1).max() > 0.25 * usual:
        raise ScanError(f"{what} has slices that do not lie on a straight line: expected one even stack")
    sideways = float(np.linalg.norm(way - normal) / np.linalg.norm(way))
    if sideways > TILTED:
        angle = np.degrees(np.arcsin(min(sideways, 1.0)))
        if angle > 45:
            raise ScanError(f"{what} has slices tilted by {angle:.0f}° to their stack: expected at most 45°")
        warnings.append(f"the gantry was tilted by {angle:.1f}°: the scan's grid is sheared")
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([*(axes * slices[0].spacing[:, None]), way * even_step])
    affine[:3, 3] = slices[0].position
    return Stack(LPS_TO_RAS @ affine, places, tuple(warnings))


def interpolated(voxels: npt.NDArray[Any], places: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Slices at fractional places between those that there are, linearly.

    Parameters
    ----------
    voxels : (X, Y, S) array
        Slices in order.
    places : (K,) float
        In [0, S − 1].
    """
    result = np.empty((*voxels.shape[:2], len(places)), np.float32, order="F")
    for k, place in enumerate(places):
        below = min(int(place), voxels.shape[2] - 2)
        share = np.float32(place - below)
        result[..., k] = voxels[..., below] * (1 - share) + voxels[..., below + 1] * share
    return result


def _mean_axes(slices: list[Slice]) -> npt.NDArray[np.float64]:
    """Orthonormal axes (2, 3) nearest to the mean of all slices' axes."""
    u, _, v = np.linalg.svd(np.mean([s.axes for s in slices], axis=0), full_matrices=False)
    return np.asarray(u @ v)


def _distances(gaps: npt.NDArray[np.float64]) -> str:
    """Distances in words, those that occur most first."""
    count = Counter(f"{gap:.1f}".removesuffix(".0") for gap in gaps)
    if len(count) > 4:
        return f"{gaps.min():.3g} to {gaps.max():.3g} mm apart"
    often = sorted(count.items(), key=lambda one: (-one[1], float(one[0])))
    return ", ".join(f"{gap} mm {'once' if n == 1 else f'{n} times'}" for gap, n in often)
