"""What arrived, put into the folder of its series by what its header says."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from warnings import catch_warnings, simplefilter

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ...files import sha256
from ...scan.dicom_file import DAMAGED, open_dicom, text_of
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
        Objects that were there already.
    unusable : int
        Objects of no series.
    """

    keys: tuple[str, ...] = ()
    copies: int = 0
    unusable: int = 0


def sort_arrivals(paths: Iterable[Path], folder: NodeFolder, queue: Queue) -> Sorted:
    """Move each object into the folder of its series, and open again each series that has got more.

    A copy of an object that is there is removed; it opens its series again, if that was refused. Two objects
    of one identifier that differ are both kept: reading the series will say so.

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
        fresh = doubles = 0
        for path, header in some:
            if name := _name(path, header, place):
                path.replace(place / name)
                fresh += 1
                doubles += _DOUBLE in name
        if doubles:
            _log.warning("%s: %d objects differ from another one with their SOPInstanceUID", key, doubles)
        copies += len(some) - fresh
        entry = queue.get(key)
        if entry is not None and not fresh and entry.state not in ("error", "discarded"):
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
    """Let the states fit what lies in the folders, as a killed node left both.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    queue : Queue
        Of the node.
    """
    if not folder.series.is_dir():
        return
    for place in sorted(folder.series.iterdir()):
        count = sum(name.endswith(ENDING) for name in os.listdir(place)) if place.is_dir() else 0
        entry = queue.get(place.name)
        if count and entry is None:
            queue.put(Entry(place.name, series_uid=place.name, count=count))
        elif count and entry is not None and entry.count != count:
            queue.put(replace(_opened(entry, 0), count=count))


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


def _name(path: Path, header: Dataset, place: Path) -> str:
    """File name of an object in its series; "" for a copy, which is removed."""
    uid = key_of_uid(text_of(header, "SOPInstanceUID"))
    name = f"{uid}{ENDING}"
    there = place / name
    if not there.exists():
        return name
    before = _header(there)
    same = before is not None and all(text_of(before, tag) == text_of(header, tag) for tag in _TAGS)
    if same:  # sent again, maybe in another encoding
        path.unlink()
        return ""
    other = f"{uid}{_DOUBLE}{sha256(path)[:8]}{ENDING}"
    if (place / other).exists():
        path.unlink()
        return ""
    return other
