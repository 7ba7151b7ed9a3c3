"""Tables of all items: those of the job and failed.tsv, made anew from what lies in the output folder.

So they hold whatever any run, restart or shard has done, and none of them can lose another's lines.
"""

import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..scan import ScanError, atomic_path
from ..scan.names import printable
from ..scan.write import reason_of
from . import lock
from .failures import STATE, failures
from .job import Tables
from .lists import RESULTS_FOLDER
from .record import Record, read_record
from .tsv import to_cell

FAILED = "failed.tsv"
"""Input, reason and folder of results of every item that failed and has not succeeded since."""

_FIRST = ("path", "results")
_FAILED = ("path", "reason", RESULTS_FOLDER)
_RECORD = "_record.json"  # methods.common.saving.record_name
_PATIENCE_S = 900.0  # of 100,000 scans the tables take a minute on a local disk


def write_tables(output: Path, tables: Tables) -> list[tuple[str, str, str]]:
    """Lines of failed.tsv, which is written, and so are the tables of the job.

    Parameters
    ----------
    output : Path
        The output folder.
    tables : mapping
        Of the job: their columns beside the input's path and the results' name.

    Raises
    ------
    ScanError
        They cannot be written.
    """
    with alone(output):
        return _write_all(output, tables)


def update_tables(output: Path, tables: Tables) -> None:
    """Write the tables, unless another run has begun them after this was asked for.

    So many runs that end together do not each read all records, one after the other. The time of a table is
    that of what it knows.

    Parameters
    ----------
    output : Path
        The output folder.
    tables : mapping
        As in `write_tables`.

    Raises
    ------
    ScanError
        They cannot be written.
    """
    asked = _clock(output)
    with alone(output):
        if not all(_time_of(output / name) >= asked for name in (*tables, FAILED)):
            _write_all(output, tables)


def _write_all(output: Path, tables: Tables) -> list[tuple[str, str, str]]:
    began = _clock(output)
    records = sorted(records_below(output), key=lambda found: os.fsencode(found[0]))
    failed = sorted(failures(output, {results for results, _ in records}))
    for name, columns in tables.items():
        rows = ((record["input"]["path"], results, *_cells(record, columns)) for results, record in records)
        _write(output / name, (*_FIRST, *columns), rows)
    _write(output / FAILED, _FAILED, failed)
    for name in (*tables, FAILED):
        os.utime(output / name, ns=(began, began))
    return failed


def _cells(record: Record, columns: Mapping[str, int | None]) -> Iterator[str]:
    """Cells of a record's row beside its path and its results' name."""
    fields = record["outputs"] | record
    return (_cell(fields.get(name), decimals) for name, decimals in columns.items())


def _cell(value: Any, decimals: int | None) -> str:
    if isinstance(value, list):
        value = " | ".join(map(str, value))
    if value is None or value == "":
        return "n/a"
    return str(value) if decimals is None else f"{value:.{decimals}f}"


def _clock(output: Path) -> int:
    """Now in ns, by the clock of the file system, which all machines share."""
    probe = output / f".sanum-{uuid.uuid4().hex}.clock"
    try:
        descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY)
        now = os.fstat(descriptor).st_mtime_ns
        os.close(descriptor)
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise ScanError(f"cannot write to {printable(output)}: {reason_of(error)}") from error
    return now


def _time_of(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def write_summary(output: Path, name: str, summary: Record) -> None:
    """Write the summary of a run, as JSON.

    Parameters
    ----------
    output : Path
        The output folder.
    name : str
        Of the file.
    summary : dict
        Its contents.

    Raises
    ------
    ScanError
        It cannot be written.
    """
    with alone(output), atomic_path(output / name, overwrite=True) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def records_below(output: Path) -> Iterator[tuple[str, Record]]:
    """Where the results of every item are (folder and stem below `output`), and their record.

    Parameters
    ----------
    output : Path
        The output folder.
    """
    for place, folders, names in os.walk(output):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.endswith(_RECORD) and (record := read_record(Path(place) / name)):
                results = Path(place, name.removesuffix(_RECORD)).relative_to(output)
                yield results.as_posix(), record


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    lines = ["\t".join(to_cell(cell) for cell in row) + "\n" for row in [header, *rows]]
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Keep other runs from writing files about several items, and remove what a killed one left of them.

    Parameters
    ----------
    output : Path
        The output folder.
    """
    path, run, began = output / STATE / "tables.lock", uuid.uuid4().hex, time.monotonic()
    try:
        while not lock.acquire(path, run):
            if time.monotonic() - began > _PATIENCE_S:
                raise ScanError(
                    f"cannot write the tables in {printable(output)}: another run does not end with them"
                )
            time.sleep(min(0.05 + (time.monotonic() - began) / 10, 2))
    except OSError as error:
        raise ScanError(f"cannot write to {printable(output)}: {reason_of(error)}") from error
    try:
        for left in output.glob(".sanum-*"):
            if left.is_file():  # folders are of scans, which have locks of their own
                left.unlink(missing_ok=True)
        yield
    finally:
        lock.release(path)
        with suppress(OSError):  # not empty
            path.parent.rmdir()
