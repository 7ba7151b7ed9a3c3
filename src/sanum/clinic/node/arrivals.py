"""What arrived, put into the folder of its series by what its header says."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ...files import sha256
from ...scan import ScanError
from ...scan.dicom_file import DAMAGED, open_dicom, text_of
from ...scan.dicom_pixels import rescaled_pixels
from .folder import ENDING, NodeFolder
from .queue import Entry, Queue, key_of_uid

_TAGS = (
    *(
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "SOPClassUID",
        "PatientID",
        "InstanceNumber",
    ),
    *("ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns"),
)
_DOUBLE = "-"  # in the name of an object whose identifier another one has
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sorted:
    """What became of arrivals.

    Parameters
    ----------
    keys : tuple of str
        Series that have more than before.
    copies : int
        Objects that were there already, whole or damaged.
    unusable : int
        Objects of no series.
    """

    keys: tuple[str, ...] = ()
    copies: int = 0
    unusable: int = 0


def sort_arrivals(paths: Iterable[Path], folder: NodeFolder, queue: Queue) -> Sorted:
    """Move each object into the folder of its series, and open again each series that has got more.

    Of two copies of an object one stays: the one whose pixels can be read, or else the longer one. A copy
    opens its series again, if that was refused. Two objects of one identifier that can be read and differ are
    both kept: reading the series will say so.

    Parameters
    ----------
    paths : iterable of Path
        What arrived.
    folder : NodeFolder
        Of the node.
    queue : Queue
        Of the node.

    Raises
    ------
    OSError
        The disk is full, or may not be written.
    """
    with catch_warnings():
        simplefilter("ignore")  # pydicom's, of values
        return _sorted(paths, folder, queue)


def _sorted(paths: Iterable[Path], folder: NodeFolder, queue: Queue) -> Sorted:
    found: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    unusable = 0
    for path in paths:
        header = _header(path)
        if header is None:
            folder.unusable.mkdir(parents=True, exist_ok=True)
            path.replace(folder.unusable / path.name)
            unusable += 1
        else:
            found[key_of_uid(text_of(header, "SeriesInstanceUID"))].append((path, header))
    if unusable:
        _log.warning("%d objects are no DICOM of a series: they are in %s", unusable, folder.unusable.name)
    copies, grown = 0, []
    for key, some in found.items():
        place = folder.series / key
        place.mkdir(parents=True, exist_ok=True)
        before = _count(place)
        names = [name for path, header in some if (name := _keep(path, header, place))]
        fresh, doubles = _count(place) - before, sum(_DOUBLE in name for name in names)
        if doubles:
            _log.warning("%s: %d objects differ from another one with their SOPInstanceUID", key, doubles)
        if len(names) > fresh:
            _log.warning("%s: %d damaged objects came again and were replaced", key, len(names) - fresh)
        copies += len(some) - fresh
        entry = queue.get(key)
        if entry is not None and not names and entry.state not in ("error", "discarded"):
            continue
        if entry is None:
            first = some[0][1]
            entry = Entry(key, text_of(first, "StudyInstanceUID"), text_of(first, "SeriesInstanceUID"))
        elif entry.state != "incoming":
            _log.info("%s: %d more came, it is open again", key, len(some))
        queue.put(_opened(entry, fresh))
        grown.append(key)
    return Sorted(tuple(grown), copies, unusable)


def recount(folder: NodeFolder, queue: Queue) -> None:
    """Let the states fit what lies in the folders, as a killed node or a full disk left both.

    A series that has more planes than its state says is open again. One that has fewer lost them to somebody
    else: what was done with it stays done.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    queue : Queue
        Of the node.

    Raises
    ------
    OSError
        A state cannot be written.
    """
    if not folder.series.is_dir():
        return
    for place in sorted(folder.series.iterdir()):
        count = _count(place) if place.is_dir() else 0
        entry = queue.get(place.name)
        if count and entry is None:
            queue.put(Entry(place.name, series_uid=place.name, count=count))
        elif entry is not None and entry.count < count:
            queue.put(_opened(entry, count - entry.count))


def _count(place: Path) -> int:
    return sum(name.endswith(ENDING) for name in os.listdir(place))


def _opened(entry: Entry, more: int) -> Entry:
    """An entry of a series that has got more: whatever became of it before, it is looked at anew."""
    known = Entry(entry.key, entry.study_uid, entry.series_uid)
    return replace(known, count=entry.count + more, changed=entry.changed)


def _header(path: Path) -> Dataset | None:
    """Identifiers and place of an object; None if it belongs to no series."""
    try:
        header = open_dicom(path, pixels=False, tags=_TAGS)
    except (InvalidDicomError, *DAMAGED):
        return None
    known = text_of(header, "SeriesInstanceUID") and text_of(header, "SOPInstanceUID")
    return header if known else None


def _keep(path: Path, header: Dataset, place: Path) -> str:
    """Put an object into its series, unless that has it; its name there, "" where it was removed."""
    uid = key_of_uid(text_of(header, "SOPInstanceUID"))
    there = place / f"{uid}{ENDING}"
    if not there.exists():
        return path.replace(there).name
    digest = sha256(path)
    other = place / f"{uid}{_DOUBLE}{digest[:8]}{ENDING}"
    if digest == sha256(there) or other.exists():
        path.unlink()
        return ""
    before = _header(there)
    same = before is not None and all(text_of(before, tag) == text_of(header, tag) for tag in _TAGS)
    old, new = _pixels(there), _pixels(path)
    if new is None:
        is_better = same and old is None and path.stat().st_size > there.stat().st_size
        is_copy = same or old is not None
    else:
        is_better = old is None
        is_copy = same and old is not None and np.array_equal(old, new)  # maybe in another encoding
    if is_better:
        return path.replace(there).name
    if is_copy:
        path.unlink()
        return ""
    return path.replace(other).name


def _pixels(path: Path) -> npt.NDArray[Any] | None:
    """Pixels of an object; None where they cannot be read."""
    try:
        return rescaled_pixels(path)[0]
    except (ScanError, InvalidDicomError, *DAMAGED):
        return None
