"""The record beside each scan's results: what they were made from, and whether that still holds."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from math import isnan
from pathlib import Path
from typing import Any, TypedDict

from .. import __version__
from ..healthy.outputs import file_names
from ..healthy.result import Reconstruction
from ..report import key_numbers
from ..scan import Scan, ScanError, read
from ..scan.itk_header import read_header
from ..scan.names import printable
from .inputs import Item

Record = dict[str, Any]
_NAMED = {
    *("input", "outputs", "contrast", "warnings"),
    *("anomaly_ml", "brain_ml", "mean_uncertainty"),
}  # by the tables


class Input(TypedDict):
    """What an input was: bytes, latest change in ns, and SHA-256, of a folder over its files."""

    size: int
    mtime_ns: int
    sha256: str


def settings_of(*, space: str, compose: str, volume: int | None, weights_sha256: str) -> Record:
    """What decides the results, beside the input."""
    return {
        "version": __version__,
        "weights_sha256": weights_sha256,
        "space": space,
        "composition": compose,
        "volume": volume,
    }


def read_described(path: Path, volume: int | None) -> tuple[Scan, Input]:
    """Read a scan, and describe the file that it was read from.

    Raises
    ------
    ScanError
        As `read`; the file changed meanwhile.
    """
    before = None
    with suppress(OSError):  # `read` says it better
        before = _stat(path)
    scan = read(path, volume=volume)
    size, mtime_ns = _stat(path)
    described: Input = {"size": size, "mtime_ns": mtime_ns, "sha256": _sha256(path)}
    if before != (size, mtime_ns) or before != _stat(path):
        raise ScanError(f"{printable(path.name)} changed while it was read: run it again when it is complete")
    return scan, described


def make_record(
    result: Reconstruction, path: Path, described: Input, settings: Record, *, report: bool
) -> Record:
    """Everything that the tables and a later run need to know; the same for the same input and settings."""
    numbers = key_numbers(result.anomaly_mask, result.brain, result.uncertainty)
    uncertainty = numbers.mean_uncertainty
    return {
        **settings,
        "weights": result.provenance["weights"],
        "device": result.provenance["device"],
        "input": {"path": os.path.abspath(path), **described},
        "outputs": [file for name, file in file_names(result.name).items() if report or name != "report"],
        "contrast": result.contrast,
        "warnings": list(result.warnings),
        "anomaly_ml": round(numbers.anomaly_ml, 2),
        "brain_ml": round(numbers.brain_ml, 1),
        "mean_uncertainty": None if isnan(uncertainty) else round(uncertainty, 4),
    }


def read_record(path: Path) -> Record | None:
    """A record, or None where there is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(record, dict) and record.keys() >= _NAMED and isinstance(record["input"], dict)
    return record if whole and record["input"].keys() >= {"path", *Input.__annotations__} else None


def is_of_another(record: Record, path: Path) -> bool:
    """Whether a record tells of another scan than that of `path`, rather than of it, moved or changed.

    Raises
    ------
    OSError
        The scan is another path's, and cannot be read to compare it.
    """
    before = record["input"]
    return before["path"] != os.path.abspath(path) and before["sha256"] != _sha256(path)


def made_otherwise(record: Record, settings: Record) -> str:
    """What differs in weights, settings or version, in words; "" if nothing does."""
    return ", ".join(
        f"{key.removesuffix('_sha256')} {_short(record.get(key))}, not {_short(settings[key])}"
        for key in settings
        if record.get(key) != settings[key]
    )


def is_finished(record: Record, folder: Path, item: Item, *, report: bool) -> bool:
    """Whether the results of a record are all in `folder`, and those of the input as it is now."""
    wanted = [file for name, file in file_names(item.stem).items() if report or name != "report"]
    there = set(wanted) <= set(record["outputs"]) and all((folder / name).is_file() for name in wanted)
    return there and _same_input(record["input"], item.path)


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
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.is_file())
        return
    yield path
    if path.suffix.lower() in (".nhdr", ".mhd"):
        with suppress(ScanError, ValueError):  # damaged: reading it says so
            yield read_header(path).data


def _short(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else str(value)
