"""The record beside each item's results: what they were made from, and whether that still holds."""

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from ..files import parse_json, read_small, sha256
from ..methods.api import Result
from ..methods.common.saving import file_names
from ..scan import ScanError
from ..scan.dicom import dicom_files
from ..scan.names import printable
from ..scan.raw_volume import data_file
from ..scan.sidecar import sidecar_of
from ..scan.write import has_own_files
from .contract import plain_number, require_own_names, settings_as_json
from .inputs import Item

if TYPE_CHECKING:
    from .job import Job

Loaded = TypeVar("Loaded")
Record = dict[str, Any]
"""Settings, provenance, input, outputs by name, warnings and numbers of one result, as JSON."""

MOST_BYTES = 1 << 22
"""No record is larger: it holds names, settings, warnings and numbers."""

_NEEDED = {"input", "outputs", "warnings"}
_DEEPEST = 12  # of lists and tables in each other


class DamagedRecord(ValueError):
    """A file with a record's name that is none: why, as the end of a sentence.

    Parameters
    ----------
    reason : str
        Begins in small letters.
    is_foreign : bool
        Nothing in it looks like a record of sanum: it may be somebody else's file.
    """

    def __init__(self, reason: str, *, is_foreign: bool = False) -> None:
        super().__init__(reason)
        self.is_foreign = is_foreign


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
        A file, or a DICOM series: its folder, or one of its files.
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
    job: "Job", result: Result, item: Item, described: InputDescription, without: Collection[str] = ()
) -> Record:
    """Everything that the tables and a later run need to know; the same for the same input and settings.

    Parameters
    ----------
    job : Job
        That made the result.
    result : Result
        What is saved. Its numbers are rounded as the tables show them.
    item : Item
        What it was made from.
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
        "input": {"path": item.shown, "path_sha256": _sha256_of_path(item.path), **described},
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


def read_record(path: Path, numbers: Collection[str] = ()) -> Record | None:
    """A record, of which everything that is used later has been looked at, or None where there is none.

    One of an earlier version, whose outputs are a list, is given without outputs: its item is done again.

    Parameters
    ----------
    path : Path
        Of the file.
    numbers : collection of str
        Fields that are numbers or not known, if they are there.

    Raises
    ------
    DamagedRecord
        A file is there, and it is no record that can be used.
    """
    try:
        content = read_small(path, MOST_BYTES)
    except FileNotFoundError:
        if not path.is_symlink():
            return None
        raise DamagedRecord("it is a link to nothing") from None
    except OSError as error:
        raise DamagedRecord(f"it cannot be read ({error.strerror})", is_foreign=True) from error
    except ValueError as error:
        raise DamagedRecord(str(error), is_foreign=True) from error
    try:
        record = parse_json(content)
    except ValueError as error:
        is_ours = not content.strip(b"\0 \n") or content.lstrip().startswith(b"{")
        raise DamagedRecord(f"it is no JSON ({error})", is_foreign=not is_ours) from error
    if not isinstance(record, dict) or not record.keys() & _NEEDED:
        raise DamagedRecord("it is something else", is_foreign=True)
    if isinstance(record.get("outputs"), list):
        record["outputs"] = {}
    if fault := _fault_of(record, numbers):
        raise DamagedRecord(fault)
    return dict(record)


def _fault_of(record: Record, numbers: Collection[str]) -> str:
    """What is wrong with a table that may be a record, in words; "" if nothing is."""
    if missing := sorted(_NEEDED - record.keys()):
        return f"it has no {missing[0]}"
    if not _is_plain(record):
        return "it holds text or numbers that cannot be written"
    described, outputs, warnings = record["input"], record["outputs"], record["warnings"]
    if not (
        isinstance(described, dict)
        and isinstance(described.get("path"), str)
        and isinstance(described.get("path_sha256", ""), str)
        and all(type(described.get(key)) is int for key in ("size", "mtime_ns"))
        and re.fullmatch("[0-9a-f]{64}", str(described.get("sha256")))
    ):
        return "it does not say of which file it is"
    if not isinstance(outputs, dict) or not all(map(_is_file_name, outputs.values())):
        return "its outputs are no names of files"
    if not isinstance(warnings, list) or not all(isinstance(warning, str) for warning in warnings):
        return "its warnings are no list of sentences"
    if not isinstance(record.get("job", ""), str):
        return "its job is no name"
    odd = [name for name in numbers if not _is_number(record.get(name))]
    return f"its {odd[0]} is no number" if odd else ""


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether all text in a value of JSON can be written or be a path, and it is not nested too deeply."""
    if isinstance(value, str):
        try:
            return "\0" not in value and value.encode("utf-8", "surrogateescape") is not None
        except UnicodeEncodeError:
            return False
    if isinstance(value, int):
        return abs(value) < 1 << 63
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(inner, depth + 1) for key, inner in value.items())
    return not isinstance(value, list) or all(_is_plain(inner, depth + 1) for inner in value)


def _is_file_name(value: Any) -> bool:
    return isinstance(value, str) and value not in ("", ".", "..") and "/" not in value and len(value) < 256


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


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
    if "path_sha256" in before:
        is_there = before["path_sha256"] == _sha256_of_path(path)
    else:  # a record of an earlier version has the path itself
        is_there = before["path"] == os.path.abspath(path)
    return not is_there and before["sha256"] != _sha256(path)


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
        and all((folder / file).is_file() or has_own_files(folder / file) for file in wanted.values())
        and _same_input(record["input"], item.path)
    )


def _rounded(value: float, decimals: int | None) -> float | None:
    """A number as JSON has it: None where it is not known."""
    if not isfinite(value):
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
    yield from dicom_files(path)
    if path.suffix.lower() in (".nrrd", ".nhdr", ".mha", ".mhd"):
        with suppress(OSError, ValueError):  # damaged: reading it says so
            if (data := data_file(path)) is not None:
                yield data
    elif (beside := sidecar_of(path)) is not None and beside.is_file():  # it may say the contrast
        yield beside


def _sha256_of_path(path: Path) -> str:
    """By which a path is known again, and not told."""
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()


def _short(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else str(value)
