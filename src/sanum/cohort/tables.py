"""volumes.tsv, qc.tsv and failed.tsv: one line a scan, made anew from what lies in the output folder.

So they hold whatever any run, restart or shard has done, and none of them can lose another's lines.
"""

import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..scan import ScanError, atomic_path
from ..scan.names import printable
from ..scan.write import reason_of
from . import lock
from .failures import STATE, failures
from .lists import RESULTS_FOLDER
from .record import Record, read_record
from .tsv import to_cell

_NAMES = ("volumes.tsv", "qc.tsv", "failed.tsv")
_VOLUMES = ("path", "results", "brain_ml", "anomaly_ml")
_QC = ("path", "results", "contrast", "mean_uncertainty", "warnings", "report")
_FAILED = ("path", "reason", RESULTS_FOLDER)
_RECORD = "_record.json"  # reconstruction.record_name
_PATIENCE_S = 900.0  # of 100,000 scans the tables take a minute on a local disk


def write_tables(output: Path) -> list[tuple[str, str, str]]:
    """Write the three tables; returns the lines of failed.tsv.

    Raises
    ------
    ScanError
        They cannot be written.
    """
    with alone(output):
        return _write_all(output)


def update_tables(output: Path) -> None:
    """Write the three tables, unless another run has begun them after this was asked for.

    So many runs that end together do not each read all records, one after the other. The time of a table is
    that of what it knows.

    Raises
    ------
    ScanError
        They cannot be written.
    """
    asked = _clock(output)
    with alone(output):
        if not all(_time_of(output / name) >= asked for name in _NAMES):
            _write_all(output)


def _write_all(output: Path) -> list[tuple[str, str, str]]:
    began = _clock(output)
    records = sorted(records_below(output), key=lambda found: os.fsencode(found[0]))
    failed = sorted(failures(output, {results for results, _ in records}))
    _write(output / "volumes.tsv", _VOLUMES, (_volumes(*found) for found in records))
    _write(output / "qc.tsv", _QC, (_qc(*found) for found in records))
    _write(output / "failed.tsv", _FAILED, failed)
    for name in _NAMES:
        os.utime(output / name, ns=(began, began))
    return failed


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
    """Write what a run has to tell of itself into `output`, as JSON; `ScanError` if that cannot be."""
    with alone(output), atomic_path(output / name, overwrite=True) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def records_below(output: Path) -> Iterator[tuple[str, Record]]:
    """Where every scan's results are (folder and stem below `output`), and their record."""
    for place, folders, names in os.walk(output):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.endswith(_RECORD) and (record := read_record(Path(place) / name)):
                results = Path(place, name.removesuffix(_RECORD)).relative_to(output)
                yield results.as_posix(), record


def _volumes(results: str, record: Record) -> tuple[str, ...]:
    return record["input"]["path"], results, f"{record['brain_ml']:.1f}", f"{record['anomaly_ml']:.2f}"


def _qc(results: str, record: Record) -> tuple[str, ...]:
    uncertainty = record["mean_uncertainty"]
    told = (
        record["contrast"],
        None if uncertainty is None else f"{uncertainty:.4f}",
        " | ".join(record["warnings"]),
        next((name for name in record["outputs"] if name.endswith(".html")), None),
    )
    return record["input"]["path"], results, *(cell or "n/a" for cell in told)


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    lines = ["\t".join(to_cell(cell) for cell in row) + "\n" for row in [header, *rows]]
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Keep other runs from writing files about several scans, and remove what a killed one left of them."""
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
