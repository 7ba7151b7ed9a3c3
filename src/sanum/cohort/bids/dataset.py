"""A BIDS data set: which of its scans are done.

Results go to the folder of the scan below the output folder, which is a BIDS derivative.
"""

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from ...healthy.memory import BASE, NETWORK, need_of
from ...scan import ScanError
from ...scan.bids import ENTITIES, entities_of, find
from ...scan.names import folder_name, printable
from ..inputs import Item, not_listed, told_apart
from .filters import ANATOMICAL, Filter, fits

DESCRIPTION = "dataset_description.json"
NO_MAGNITUDE = ("phase", "real", "imag")
"""Parts of a complex image that do not look like a head."""

_NO_SCANS = ("map", "mask", "seg")  # what suffixes of maps, masks and label maps end in


def select(
    root: Path,
    *,
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    filters: Iterable[Filter] | None = None,
    on_note: Callable[[str], None] = lambda _: None,
) -> list[Item]:
    """The anatomical scans of a BIDS data set, sorted.

    Parameters
    ----------
    root : Path
        Of the data set.
    participants, sessions : collection of str
        Labels with or without "sub-" and "ses-"; none: all.
    filters : iterable of dict, optional
        See `read_filters`; a scan is taken if one of them fits.
    on_note : function
        Called with notes on what is left out: images whose names are not BIDS, anatomical scans of other
        kinds, subjects without a scan.

    Raises
    ------
    ScanError
        No BIDS data set, a label that nobody has, or no scan is left. What is wrong with one subject of
        several is in the `problem` of an item.
    """
    require_data_set(root)
    people = {p.removeprefix("sub-") for p in participants}
    visits = {s.removeprefix("ses-") for s in sessions}
    images = [path for path in find(root) if not people or _folder(root, path) in people]
    _note_odd([path for path in images if not _is_bids(path)], on_note)
    _note_others([path for path in images if _is_bids(path)], on_note)
    found = [path for path in images if _is_bids(path) and _is_anatomical(path)]
    unlisted = _unlisted(root, people)
    _note_missing(
        root, people, {_folder(root, path) for path in (*found, *(i.path for i in unlisted))}, on_note
    )
    there = {_entity(path, "sub") for path in found}
    if not people & there:
        _require(people, there, "sub", printable(root))
    _require(people, {*there, *_subjects(root)}, "sub", printable(root))
    found = [path for path in found if not people or _entity(path, "sub") in people]
    among = f"{printable(root)}, {_people(people)}" if people else printable(root)
    _require(visits, {_entity(path, "ses") for path in found}, "ses", among)
    found = [path for path in found if not visits or _entity(path, "ses") in visits]
    wanted = None if filters is None else list(filters)
    items = [
        Item(path, folder_name(path.parent.relative_to(root)))
        for path in found
        if wanted is None or any(fits(path, one) for one in wanted)
    ]
    if not items:
        raise ScanError(f"no scan of {printable(root)} is left: expected {', '.join(ANATOMICAL)} in anat")
    return told_apart([*items, *unlisted])


def require_data_set(root: Path) -> None:
    """Raise `ScanError` unless a folder says that it is a BIDS data set.

    Parameters
    ----------
    root : Path
        The folder.
    """
    if not (root / DESCRIPTION).is_file():
        raise ScanError(f"{printable(root)} is no BIDS data set: expected {DESCRIPTION} in it")


def _subjects(root: Path) -> list[str]:
    """Labels of the folders of subjects."""
    return sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if os.path.isdir(path))


def _unlisted(root: Path, people: Collection[str]) -> list[Item]:
    """Folders of subjects that cannot be listed, whose scans nobody knows."""
    found = []
    for subject in sorted(root.glob("sub-*")):
        if people and subject.name.removeprefix("sub-") not in people:
            continue
        for folder in (
            subject,
            subject / "anat",
            *(p for v in sorted(subject.glob("ses-*")) for p in (v, v / "anat")),
        ):
            try:
                if os.path.lexists(folder):
                    os.scandir(folder).close()
            except NotADirectoryError:
                continue
            except OSError as error:
                found.append(not_listed(error, root, Path()))
    return found


def _note_missing(
    root: Path, people: Collection[str], there: Collection[str], on_note: Callable[[str], None]
) -> None:
    without = [label for label in _subjects(root) if label not in there and (not people or label in people)]
    if without:
        names = ", ".join(f"sub-{printable(label)}" for label in without[:6])
        more = f" and {len(without) - 6} more" if len(without) > 6 else ""
        on_note(f"note: without an anatomical scan, and left out: {names}{more}")


def _is_bids(path: Path) -> bool:
    entities, suffix = entities_of(path)
    return bool(entities and suffix) and entities.keys() <= set(ENTITIES)


def _is_anatomical(path: Path) -> bool:
    entities, suffix = entities_of(path)
    return suffix in ANATOMICAL and entities.get("part") not in NO_MAGNITUDE


def _entity(path: Path, key: str) -> str | None:
    return entities_of(path)[0].get(key)


def _folder(root: Path, path: Path) -> str:
    """Label of the subject's folder, also of a file whose own name tells none."""
    return path.relative_to(root).parts[0].removeprefix("sub-")


def _note_others(images: list[Path], on_note: Callable[[str], None]) -> None:
    """Of anatomical scans that are none of ours; of maps and masks nobody expects results."""
    suffixes = [suffix for path in images if (suffix := entities_of(path)[1])]
    others = [s for s in suffixes if s not in ANATOMICAL and not s.endswith(_NO_SCANS)]
    if others:
        kinds = ", ".join(sorted({printable(suffix) for suffix in others}))
        count = "1 image in anat is" if len(others) == 1 else f"{len(others)} images in anat are"
        on_note(f"note: {count} left out ({kinds}): expected {', '.join(ANATOMICAL)}")


def _note_odd(odd: list[Path], on_note: Callable[[str], None]) -> None:
    if odd:
        count = "1 image in anat is" if len(odd) == 1 else f"{len(odd)} images in anat are"
        on_note(f"note: {count} left out, for want of a BIDS name, such as {printable(odd[0].name)}")


def _require(labels: set[str], there: set[str | None], key: str, where: str) -> None:
    if missing := sorted(labels - there):
        raise ScanError(f"no anatomical scan of {key}-{printable(missing[0])} in {where}: check the label")


def _people(labels: set[str]) -> str:
    return f"sub-{printable(next(iter(labels)))}" if len(labels) == 1 else f"{len(labels)} subjects"


def processes_within(items: Iterable[Item], wanted: int, limit_gb: float | None) -> int:
    """How many processes of `wanted`, one at least, stay below a limit of memory with the largest scan.

    An estimate, read off the headers; see `healthy.memory`.

    Parameters
    ----------
    items : iterable of Item
        Scans, one after the other in each process.
    wanted : int
        Processes.
    limit_gb : float or None
        Memory of all processes together, in 10⁹ bytes; None: no limit.
    """
    items = list(items)
    wanted = min(wanted, len(items))
    if limit_gb is None or wanted == 1:
        return wanted
    need = BASE + NETWORK + max(need_of(item.path) for item in items)
    return max(1, min(wanted, int(limit_gb * 1e9 / need)))
