"""A note of each scan that failed, until it is mended; failed.tsv is made from them."""

import hashlib
import json
import logging
import os
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from ..files import clear_way, parse_json, read_small
from ..scan.names import printable, stem_of
from .inputs import Item, is_still_wrong, shown
from .privacy import without_folders

STATE = ".sanum"
"""Folder in the output folder for locks, and for notes of what failed."""

_PART = ".part"
_MOST_BYTES = 1 << 20
_log = logging.getLogger(__name__)


class Note(TypedDict):
    """What is remembered; one note a path, whatever other scans it was given with."""

    path: str
    reason: str
    results_folder: str
    before_reading: bool


def remember(item: Item, reason: str, output: Path) -> None:
    """Note a failure; `OSError` if that cannot be written.

    Parameters
    ----------
    item : Item
        That failed.
    reason : str
        Why, in one sentence.
    output : Path
        The output folder.
    """
    path = _path(item, output)
    note: Note = {
        "path": os.path.abspath(item.path),
        "reason": reason,
        "results_folder": item.place.as_posix(),
        "before_reading": bool(item.problem),
    }
    part = path.with_suffix(_PART)  # a name that the next run finds, if this one is killed
    part.parent.mkdir(parents=True, exist_ok=True)
    clear_way(path)
    clear_way(part)
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "w", encoding="utf-8") as stream:
        stream.write(json.dumps(note) + "\n")
    part.replace(path)


def forget(item: Item, output: Path) -> None:
    """Remove the note of a scan that is done.

    Parameters
    ----------
    item : Item
        That is done.
    output : Path
        The output folder.
    """
    _clear(_path(item, output))


def noted_paths(output: Path) -> dict[tuple[Path, str | None], list[Path]]:
    """Paths that failed, by what a row of failed.tsv says: path below its folder, and folder of results.

    Parameters
    ----------
    output : Path
        The output folder.
    """
    found: dict[tuple[Path, str | None], list[Path]] = {}
    for file in sorted((output / STATE).glob("*.failed.json"), reverse=True):
        with suppress(OSError, ValueError):  # done meanwhile; damaged, which the tables say
            note = _read(file)
            path, folder = Path(note["path"]), note["results_folder"]
            found.setdefault((output / shown(path, Path(folder)), folder), []).append(path)
    return found


def failures(output: Path, results: Container[str]) -> Iterator[tuple[str, str, str]]:
    """Path as it is shown, reason without folders above, and folder of results of what failed.

    Forgets what was mended otherwise than by doing that path: a scan that is gone, and among `results`
    (folder and stem) from another path; a folder that can be listed, or holds scans, by now.

    Parameters
    ----------
    output : Path
        The output folder.
    results : container of str
        Folder and stem of all results that are there.
    """
    for path in (output / STATE).glob("*.failed.json"):
        with suppress(OSError):  # another run has just done that scan
            try:
                note = _read(path)
            except ValueError as error:
                _log.warning("removed %s, %s: run its scan again", printable(path), error)
                clear_way(path)
                path.unlink(missing_ok=True)
                continue
            if _stands(note, output, results):
                path_of, folder = Path(note["path"]), note["results_folder"]
                reason = without_folders(note["reason"], path_of, output)
                yield shown(path_of, Path(folder)), reason, folder
            else:
                path.unlink()


def _read(path: Path) -> Note:
    """A note; ValueError says what is wrong with one that is damaged."""
    note = parse_json(read_small(path, _MOST_BYTES))
    keys = Note.__annotations__
    if not isinstance(note, dict) or not all(isinstance(note.get(key), kind) for key, kind in keys.items()):
        raise ValueError("it is no note of a scan that failed")
    for text in (note["path"], note["reason"], note["results_folder"]):
        if "\0" in text:
            raise ValueError("it holds a path that cannot be")
        text.encode("utf-8", "surrogateescape")  # as it stands in the table
    if Path(note["results_folder"]).is_absolute():
        raise ValueError("it is of another output folder")
    return Note(**{key: note[key] for key in keys})  # type: ignore[typeddict-item,no-any-return]


def _clear(path: Path) -> None:
    """Remove a note, whole or not, and whatever else stands in the two places."""
    for place in (path, path.with_suffix(_PART)):
        clear_way(place)
        place.unlink(missing_ok=True)


def _stands(note: Note, output: Path, results: Container[str]) -> bool:
    path = Path(note["path"])
    if note["before_reading"] and not is_still_wrong(path, note["reason"], output):
        return False
    there = (Path(note["results_folder"]) / stem_of(path)).as_posix()
    return os.path.lexists(path) or there not in results


def _path(item: Item, output: Path) -> Path:
    """Of an item's note: one a path; of a file of the run itself, which several jobs take, one a folder."""
    key = os.path.abspath(item.path)
    if output.absolute() in Path(key).parents:
        key = f"{key}\0{item.place.as_posix()}"
    digest = hashlib.sha256(os.fsencode(key)).hexdigest()
    return output / STATE / f"{item.stem}-{digest[:16]}.failed.json"
