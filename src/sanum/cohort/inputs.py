"""What is to be done: the scans that files, folders, lists and standard input name, and where each goes."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..scan.dicom import ARCHIVE, holds_dicom, series_of_file
from ..scan.errors import ScanError
from ..scan.names import EXTENSIONS, folder_name, printable, stem_of
from ..scan.write import is_own_folder
from .lists import Listed, read_lines, read_list

ASIDE = ("_mask", "_dseg", "_probseg", "_map", "_defacemask", "_desc-anatomy_T1w")
"""Endings of the masks, label maps and results that a search through a folder leaves aside."""

_NO_RAW_SCANS = ("derivatives", "sourcedata", "code", "stimuli", "func", "dwi", "fmap", "perf", "eeg", "meg")
"""Folders of a BIDS data set without anatomical scans that come in one volume."""


@dataclass(frozen=True)
class Item:
    """One scan to do, or what stands in its place.

    Parameters
    ----------
    path : Path
        A file, the folder of a DICOM series, one of its files, or a zip archive of it.
    place : Path
        Folder of its results, relative to the output folder.
    problem : str
        Why it cannot be done, where that is known before it is read.
    """

    path: Path
    place: Path = Path()
    problem: str = ""

    @property
    def stem(self) -> str:
        """Name that its results start with."""
        return stem_of(self.path)

    @property
    def shown(self) -> str:
        """What tables, records and summaries call it: its name, below its place; no folder above is named."""
        return shown(self.path, self.place)


def shown(path: Path, place: Path) -> str:
    """Name of a scan below the folder of its results.

    Parameters
    ----------
    path : Path
        Of the scan.
    place : Path
        Folder of its results, relative to the output folder.
    """
    name = path.name if path.name not in ("", "..") else _absolute(path).name
    return (place / name).as_posix()


class NothingToDo(ScanError):
    """A list of scans without entries, as a job of every night has it when there is nothing new."""


def expand(
    given: Sequence[Path], output: Path, read_stdin: bytes = b"", *, one_a_folder: bool = False
) -> list[Item]:
    """List every scan once, in an order that is always the same.

    What is wrong with one of several entries is in its `problem`, so that the others can be done.

    Parameters
    ----------
    given : paths
        Scan files; folders, which stand for all scans in them, a folder with DICOM files for its one series;
        lists (.tsv) of paths; "-" for `read_stdin`. Files of one DICOM series are one scan.
    output : Path
        Not searched for scans.
    read_stdin : bytes
        Paths, one a line, or separated by NUL where there is one.
    one_a_folder : bool
        A folder stands for one scan, a DICOM series somewhere in it that the user chose.

    Raises
    ------
    NothingToDo
        A ScanError: the lists have no entries.
    ScanError
        A list cannot be read, or one folder was given, without scans.
    """
    named: list[Path] = []
    items: list[Item] = []
    for one in given:
        for path, folder in _listed(one, read_stdin):
            item = _placed_by_list(path, folder)
            is_searched = not item.problem and not one_a_folder and os.path.isdir(path)
            if is_searched and not holds_dicom(path):
                items += _in_folder(item.path, output, item.place)
            elif folder is None:
                named.append(item.path)
            else:
                items.append(item)
    unique = list({_absolute(item.path): item for item in [*_placed(_one_a_series(named)), *items]}.values())
    if not unique:
        raise NothingToDo("nothing to do: the list of scans, or standard input, holds no paths")
    if names_one(given, unique) and unique[0].problem:
        raise ScanError(unique[0].problem)
    return told_apart(unique)


def names_one(given: Sequence[Path], items: Sequence[Item]) -> bool:
    """Whether one path was given, and is itself the only item, rather than a folder or list that holds it.

    Parameters
    ----------
    given : sequence of Path
        As on the command line.
    items : sequence of Item
        What they stand for.
    """
    return len(given) == len(items) == 1 and _absolute(given[0]) == _absolute(items[0].path)


def names_of(items: Iterable[Item]) -> dict[Item, str]:
    """What to call each in messages: its file's name or, where others have it too, with its place.

    Parameters
    ----------
    items : iterable of Item
        All of a run.
    """
    items = list(items)
    count = Counter(item.path.name for item in items)
    return {
        item: item.path.name if count[item.path.name] == 1 else (item.place / item.path.name).as_posix()
        for item in items
    }


def is_still_wrong(path: Path, problem: str, output: Path) -> bool:
    """Whether a problem that was known before reading is still there; of a scan, until it is done.

    A folder is searched again; what is gone has no problem.

    Parameters
    ----------
    path : Path
        Of the item.
    problem : str
        What was wrong with it.
    output : Path
        The output folder, which is not searched.
    """
    if os.path.isfile(path) or holds_dicom(path):
        return True
    return problem in (item.problem for item in _in_folder(path, output, Path()))


def _listed(path: Path, read_stdin: bytes) -> list[Listed]:
    if str(path) == "-":
        return read_lines(read_stdin)
    return _found_again(path.parent, read_list(path)) if path.suffix.lower() == ".tsv" else [(path, None)]


def _found_again(output: Path, listed: list[Listed]) -> list[Listed]:
    """A list with the paths that the rows of failed.tsv in an output folder stand for."""
    from .failures import noted_paths  # which knows items

    noted = noted_paths(output)
    return [(noted[row].pop() if noted.get(row) else row[0], row[1]) for row in listed]


def _placed_by_list(path: Path, folder: str | None) -> Item:
    """The scan in the folder that a list says for its results, if that is one inside the output folder."""
    path = path if path.name not in ("", "..") else _absolute(path)  # "." has no name
    place = Path(folder or "")
    if folder_name(place) == place:
        return Item(path, place)
    problem = (
        f"{printable(path)} has {printable(place)} as results_folder: expected one inside the output folder"
    )
    return Item(path, place, problem)


def _in_folder(folder: Path, output: Path, place: Path) -> list[Item]:
    """Every scan under `folder`; links to folders are not followed."""
    found: list[Item] = []
    unlisted: list[OSError] = []
    for walked, folders, names in os.walk(folder, onerror=unlisted.append):
        here = Path(walked)
        bids = (here / "dataset_description.json").is_file() or here.name.startswith(("sub-", "ses-"))
        left_out = ("lost+found", *(_NO_RAW_SCANS if bids else ()))
        visible = [name for name in folders if not name.startswith(".") and name not in left_out]
        folders[:] = sorted(name for name in visible if _absolute(here / name) != _absolute(output))
        to = place / folder_name(here.relative_to(folder))
        if here != folder and holds_dicom(here) and not is_own_folder(here):
            found.append(Item(here, to.parent))
        found += [Item(here / name, to) for name in sorted(names) if _is_scan(here / name)]
    found += [not_listed(error, folder, place) for error in unlisted]
    if found:
        return found
    problem = (
        f"{printable(_absolute(folder))} holds no scans: expected {', '.join(EXTENSIONS)} or DICOM images "
        "(masks, label maps and results are left aside)"
    )
    return [Item(folder, place, problem)]


def not_listed(error: OSError, root: Path, place: Path) -> Item:
    """What stands in the place of scans in a folder that cannot be listed.

    Parameters
    ----------
    error : OSError
        Of listing it; has its name.
    root : Path
        The folder that was searched.
    place : Path
        Folder of the results of `root`.
    """
    there = Path(error.filename)
    advice = "mend the link" if os.path.islink(there) else "check its permissions"
    problem = f"{printable(_absolute(there))} cannot be listed: {error.strerror}; {advice}"
    return Item(there, place / folder_name(there.relative_to(root)), problem)


def _is_scan(path: Path) -> bool:
    name = path.name
    if name.lower().endswith(ARCHIVE):
        return not name.startswith(".") and holds_dicom(path)
    ending = next((e for e in EXTENSIONS if name.lower().endswith(e)), None)
    return ending is not None and not name.startswith(".") and not name[: -len(ending)].endswith(ASIDE)


def _one_a_series(paths: list[Path]) -> list[Path]:
    """Paths without further files of a DICOM series that one file stands for, as of "series/*.dcm"."""
    single = {path for path in paths if not path.name.lower().endswith((*EXTENSIONS, ARCHIVE))}
    in_folder = Counter(_absolute(path).parent for path in single)
    first: dict[object, Path] = {}
    for path in paths:
        several = in_folder[_absolute(path).parent] > 1 and path in single
        first.setdefault((several and series_of_file(path)) or _absolute(path), path)
    return list(first.values())


def _placed(paths: list[Path]) -> list[Item]:
    """Scans given one by one: all in the output folder itself, or, if names clash, as their folders are."""
    paths = list({_absolute(path): path for path in paths}.values())
    stems = Counter(stem_of(path) for path in paths)
    if not paths or max(stems.values()) == 1:
        return [Item(path) for path in paths]
    above = os.path.commonpath([_absolute(path).parent for path in paths])
    return [Item(path, folder_name(_absolute(path).parent.relative_to(above))) for path in paths]


def told_apart(items: Iterable[Item]) -> list[Item]:
    """All items, with a problem where two scans that exist would have results of the same names.

    Parameters
    ----------
    items : iterable of Item
        All of a run.
    """
    items, same, problem = list(items), defaultdict[Path, list[Item]](list), dict[Item, str]()
    for item in items:
        if not item.problem:
            same[item.place / item.stem].append(item)
    for many in same.values():
        there = [item for item in many if len(many) > 1 and os.path.lexists(item.path)]
        for item, other in zip(there, [*there[1:], *there[:1]], strict=True):
            if other is not item:
                problem[item] = (
                    f"{printable(item.path)} and {printable(other.path)} would give outputs of the same "
                    "name; run them into different folders"
                )
    return [replace(item, problem=problem.get(item, item.problem)) for item in items]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
