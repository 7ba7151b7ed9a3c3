"""A BIDS data set: which of its scans are done.

Results go to the folder of the scan below the output folder, which is a BIDS derivative.
"""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from ...healthy.memory import BASE, NETWORK, need_of
from ...scan import ScanError
from ...scan.bids import ENTITIES, entities_of, find
from ...scan.names import folder_name, printable
from ..inputs import Item, refuse_collisions
from .filters import ANATOMICAL, Filter, fits

DESCRIPTION = "dataset_description.json"
NO_MAGNITUDE = ("phase", "real", "imag")
"""Parts of a complex image that do not look like a head."""


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
        Called with a note on the images whose names are not BIDS, which are left out.

    Raises
    ------
    ScanError
        No BIDS data set, a label that nobody has, or no scan is left.
    """
    require_data_set(root)
    people = {p.removeprefix("sub-") for p in participants}
    visits = {s.removeprefix("ses-") for s in sessions}
    images = [path for path in find(root) if not people or _folder(root, path) in people]
    _note_odd([path for path in images if not _is_bids(path)], on_note)
    found = [path for path in images if _is_bids(path) and _is_anatomical(path)]
    _require(people, {_entity(path, "sub") for path in found}, "sub", printable(root))
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
    refuse_collisions(items)
    return items


def require_data_set(root: Path) -> None:
    """Raise `ScanError` unless a folder says that it is a BIDS data set.

    Parameters
    ----------
    root : Path
        The folder.
    """
    if not (root / DESCRIPTION).is_file():
        raise ScanError(f"{printable(root)} is no BIDS data set: expected {DESCRIPTION} in it")


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
