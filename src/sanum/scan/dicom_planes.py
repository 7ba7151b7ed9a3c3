"""Planes of a DICOM series as it has them: where each lies by itself, and where it went in the scan."""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset

from ..space.grid import apply_affine
from .dicom import holds_dicom, opened_series
from .dicom_file import DAMAGED, open_dicom, text_of
from .dicom_stack import Slice, in_order, stack_of
from .errors import MissingPlanes, ScanError
from .names import printable
from .text_header import LPS_TO_RAS

_NEAR = 0.1  # of the usual distance: a distance that is so close to a multiple of it is that multiple
_FEW = 1 / 3  # of the distances; where more are wide, the planes are uneven and nothing lacks


@dataclass(frozen=True, eq=False)
class SourcePlanes:
    """Planes of one series.

    Parameters
    ----------
    what : str
        The series, for messages.
    planes : tuple of Slice
        In the order of the series: of its instance numbers, or of its frames. Headers are whole, but for the
        pixels; single frames have one each, frames of one file share it.
    places : (S,) float64
        Along the scan's third axis, in voxels: which of its slices shows the plane, or which two.
    shape : (3,) int
        Of the scan that `sanum.read` makes of the series.
    affine : (4, 4) float64
        Of that scan, RAS+ mm.
    """

    what: str
    planes: tuple[Slice, ...]
    places: npt.NDArray[np.float64]
    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]

    @property
    def is_multi_frame(self) -> bool:
        """Whether they are frames of one file."""
        return self.planes[0].frame is not None


def read_planes(path: Path, *, series: str | None = None) -> SourcePlanes:
    """Planes of the series that `sanum.read` reads, without their pixels.

    Parameters
    ----------
    path : Path
        A folder, a file of the series, or a zip archive.
    series : str, optional
        Which one, as in `sanum.read`.

    Raises
    ------
    ScanError
        No DICOM; a series that `sanum.read` would refuse.
    MissingPlanes
        Planes lack; it says how many.
    """
    if not (path.is_dir() or holds_dicom(path)):
        raise ScanError(
            f"{printable(path.name)} is no DICOM: expected the folder of a series, whose tags and planes the "
            "DICOM results are to have; leave --dicom out"
        )
    with opened_series(path, series=series) as found:
        slices, what = in_order(found.slices, found.what), found.what
        stack = stack_of(slices, what)
        _require_no_gap(slices, what)
        whole = [one if one.frame is not None else _with_whole_header(one) for one in slices]
    count = len(slices)
    places = np.arange(count, dtype=np.float64)
    length = count
    if stack.places is not None:
        length = len(stack.places)
        places = _along(stack.affine, slices)
    order = _order(whole)
    return SourcePlanes(
        what,
        tuple(whole[k] for k in order),
        places[order],
        (*slices[0].size, length),
        stack.affine,
    )


def _along(affine: npt.NDArray[np.float64], slices: list[Slice]) -> npt.NDArray[np.float64]:
    """Where each slice lies along the third axis of a scan, in voxels, by its own position."""
    positions = np.array([one.position for one in slices])
    places = apply_affine(np.linalg.inv(LPS_TO_RAS @ affine), positions)[:, 2]
    return np.asarray(np.clip(places, 0, None))


def _with_whole_header(one: Slice) -> Slice:
    return replace(one, header=open_dicom(one.path, pixels=False))


def _order(slices: list[Slice]) -> list[int]:
    """Numbers of slices in the order of the series; as they are, where it says none."""
    if slices[0].frame is not None:
        return sorted(range(len(slices)), key=lambda k: slices[k].frame or 0)
    try:
        numbers = [int(text_of(one.header, "InstanceNumber")) for one in slices]
    except DAMAGED:
        return list(range(len(slices)))
    repeats = Counter(numbers).most_common(1)[0][1] > 1
    return list(range(len(slices))) if repeats else sorted(range(len(slices)), key=numbers.__getitem__)


def _require_no_gap(slices: list[Slice], what: str) -> None:
    normal = np.cross(*slices[0].axes)
    gaps = np.diff([float(one.position @ normal) for one in slices])
    if missing := missing_planes(gaps):
        raise MissingPlanes(
            f"{what} lacks {missing} of {len(slices) + missing} planes, by the distances between the others: "
            "DICOM results are made of whole series; send or export it again"
        )


def missing_planes(gaps: npt.NDArray[np.float64]) -> int:
    """How many planes lack, by the distances of those that are there; 0 where they are merely uneven.

    A few distances that are whole multiples of the usual one are gaps. Where many are wide, or one next to
    the other, as in the upper part of a head CT, planes are further apart there.

    Parameters
    ----------
    gaps : (N,) float
        Distances from plane to plane, mm.

    Examples
    --------
    >>> missing_planes(np.array([5.0, 5, 10, 5, 5, 5]))
    1
    >>> missing_planes(np.array([4.0, 4, 4, 7, 7, 7]))
    0
    """
    if len(gaps) < 3:
        return 0
    times = gaps / np.median(gaps)
    whole = np.rint(times)
    wide = (whole >= 2) & (np.abs(times - whole) <= _NEAR)
    runs = [sum(1 for _ in run) for is_wide, run in groupby(wide) if is_wide]
    if not runs or max(runs) > 2 or wide.mean() >= _FEW:
        return 0
    return int((whole[wide] - 1).sum())


def header_of(source: SourcePlanes) -> FileDataset:
    """The header of the first plane.

    Parameters
    ----------
    source : SourcePlanes
        From `read_planes`.
    """
    header = source.planes[0].header
    assert isinstance(header, FileDataset)
    return header
