"""The record beside each item's results: what they were made from, and whether that still holds."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from ..files import sha256
from ..methods.api import Result
from ..methods.common.saving import file_names
from ..scan import ScanError
from ..scan.names import printable
from ..scan.raw_volume import data_file
from .contract import plain_number, require_own_names, settings_as_json
from .inputs import Item

if TYPE_CHECKING:
    from .job import Job

Loaded = TypeVar("Loaded")
Record = dict[str, Any]
"""Settings, provenance, input, outputs by name, warnings and numbers of one result, as JSON."""

_NEEDED = {"input", "outputs", "warnings"}


class InputDescription(TypedDict):
    """What an input was: bytes, latest change in ns, and SHA-256, of a folder over its files."""

    size: int
    mtime_ns: int
    sha256: str


def read_described(path: Path, read: Callable[[], Loaded]) -> tuple[Loaded, InputDescription]:
    """What `read` gives, and a description of the file that it was read from.

    Parameters
    ----------
    path : Path
        A file, or the folder of a DICOM series.
    read : function
        Reads it.

    Raises
    ------
    ScanError
        As `read`; the file changed meanwhile.
    """
    before = None
    with suppress(OSError):  # `read` says it better
        before = _stat(path)
    loaded = read()
    size, mtime_ns = _stat(path)
    described: InputDescription = {"size": size, "mtime_ns": mtime_ns, "sha256": _sha256(path)}
    if before != (size, mtime_ns) or before != _stat(path):
        raise ScanError(f"{printable(path.name)} changed while it was read: run it again when it is complete")
    return loaded, described


def make_record(
    job: "Job", result: Result, path: Path, described: InputDescription, without: Collection[str] = ()
) -> Record:
    """Everything that the tables and a later run need to know; the same for the same input and settings.

    Parameters
    ----------
    job : Job
        That made the result.
    result : Result
        What is saved. Its numbers are rounded as the tables show them.
    path : Path
        Of the input.
    described : mapping
        From `read_described`.
    without : collection of str
        Names of outputs that are not written.

    Raises
    ------
    ValueError
        A setting, fact or number has the name of another field of the record; a setting is no JSON.
    """
    facts = job.facts(result)
    require_own_names("fact", facts)
    require_own_names("number", result.numbers)
    specs = {name: output.spec for name, output in result.outputs.items() if name not in without}
    decimals = {name: places for table in job.tables.values() for name, places in table.items()}
    record = {
        "job": job.name,
        **facts,
        **settings_as_json(job.settings),  # of a fact and a setting of one name, the setting counts
        "input": {"path": os.path.abspath(path), **described},
        "outputs": file_names(result.name, specs),
        "warnings": list(result.warnings),
    }
    if taken := record.keys() & result.numbers.keys():
        raise ValueError(f"the job {job.name} calls a number and a setting {min(taken)}: rename one of them")
    numbers = {
        name: _rounded(plain_number(name, value), decimals.get(name))
        for name, value in result.numbers.items()
    }
    return record | numbers


def read_record(path: Path) -> Record | None:
    """A record, or None where there is none.

    One of an earlier version, whose outputs are a list, is given without outputs: its item is done again.

    Parameters
    ----------
    path : Path
        Of the file.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(record, dict) and record.keys() >= _NEEDED and isinstance(record["input"], dict)
    if not whole or not record["input"].keys() >= {"path", *InputDescription.__annotations__}:
        return None
    if not isinstance(record["outputs"], dict):
        record["outputs"] = {}
    return dict(record)


def is_of_another(record: Record, path: Path) -> bool:
    """Whether a record tells of another scan than that of `path`, rather than of it, moved or changed.

    Parameters
    ----------
    record : dict
        As read.
    path : Path
        Of the scan.

    Raises
    ------
    OSError
        The scan is another path's, and cannot be read to compare it.
    """
    before = record["input"]
    return bool(before["path"] != os.path.abspath(path) and before["sha256"] != _sha256(path))


def made_otherwise(record: Record, settings: Mapping[str, Any]) -> str:
    """What differs in weights, settings or version, in words; "" if nothing does.

    Parameters
    ----------
    record : dict
        As read.
    settings : mapping
        Of the job, from `settings_as_json`.
    """
    return ", ".join(
        f"{key.removesuffix('_sha256')} {_short(record.get(key))}, not {_short(settings[key])}"
        for key in settings
        if record.get(key) != settings[key]
    )


def is_finished(record: Record, folder: Path, item: Item, wanted: Mapping[str, str]) -> bool:
    """Whether the results of a record are all in `folder`, and those of the input as it is now.

    Parameters
    ----------
    record : dict
        As read.
    folder : Path
        Of the results.
    item : Item
        What they should be of.
    wanted : mapping of str to str
        File name of each output that should be there, by the output's name.
    """
    there = wanted.items() <= record["outputs"].items()
    return (
        there
        and all((folder / file).is_file() for file in wanted.values())
        and _same_input(record["input"], item.path)
    )


def _rounded(value: float, decimals: int | None) -> float | None:
    """A number as JSON has it: None where it is not known."""
    if isnan(value):
        return None
    return value if decimals is None else round(value, decimals)


def _same_input(before: dict[str, Any], path: Path) -> bool:
    try:
        return (before["size"], before["mtime_ns"]) == _stat(path) or before["sha256"] == _sha256(path)
    except OSError:
        return False


def _stat(path: Path) -> tuple[int, int]:
    stats = [file.stat() for file in _files(path)]
    return sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for file in _files(path):
        digest.update(os.fsencode(file.name) if path.is_dir() else b"")
        digest.update(bytes.fromhex(sha256(file)))
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.is_file())
        return
    yield path
    if path.suffix.lower() in (".nrrd", ".nhdr", ".mha", ".mhd"):
        with suppress(OSError, ValueError):  # damaged: reading it says so
            if (data := data_file(path)) is not None:
                yield data


def _short(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else str(value)
