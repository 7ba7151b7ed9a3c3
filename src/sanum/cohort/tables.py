"""Tables of all items: those of the job and failed.tsv, made anew from what lies in the output folder.

So they hold whatever any run, restart or shard has done, and none of them can lose another's lines.
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..scan import ScanError, atomic_path
from ..scan.names import printable
from ..scan.write import reason_of
from . import lock
from .failures import STATE, failures
from .inputs import shown
from .job import Tables
from .lists import RESULTS_FOLDER
from .record import DamagedRecord, Record, read_record
from .summaries import earlier_runs
from .tsv import to_cell
from .verdicts import QC, Verdict, read_verdicts, with_verdicts

FAILED = "failed.tsv"
"""Input, reason and folder of results of every item that failed and has not succeeded since."""

_FIRST = ("path", "results")
_FAILED = ("path", "reason", RESULTS_FOLDER)
_ASKED = ".asked"
_RECORD = "_record.json"  # methods.common.saving.record_name
_log = logging.getLogger(__name__)

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

    So many runs that end together do not each read all records, one after the other. No clock is asked, as
    it may go back: who asks leaves a note, and who has written the tables removes the notes that were there
    when it began.

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
    asked = output / STATE / f"{uuid.uuid4().hex}{_ASKED}"
    try:
        lock.make_empty(asked)
    except OSError as error:
        raise ScanError(f"cannot write to {printable(output)}: {reason_of(error)}") from error
    try:
        with alone(output):
            if asked.exists() or not all((output / name).is_file() for name in (*tables, FAILED)):
                _write_all(output, tables)
    finally:
        asked.unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            asked.parent.rmdir()


def _write_all(output: Path, tables: Tables) -> list[tuple[str, str, str]]:
    notes = list((output / STATE).glob(f"*{_ASKED}"))
    numbers = numbers_of(tables)
    records = sorted(records_below(output, numbers, _warn), key=lambda found: os.fsencode(found[0]))
    failed = sorted(failures(output, {results for results, _ in records}))
    verdicts = _verdicts(output)
    for name, columns in tables.items():
        rows = [(_input(results, record), results, *_cells(record, columns)) for results, record in records]
        head: Sequence[str] = (*_FIRST, *columns)
        if name != QC:
            _write(output / name, head, rows)
        elif verdicts is not None:
            _write(output / name, *with_verdicts(head, rows, verdicts))
    _write(output / FAILED, _FAILED, failed)
    for note in notes:
        note.unlink(missing_ok=True)
    return failed


def _verdicts(output: Path) -> dict[str, Verdict] | None:
    """Of the table that is there; None if it cannot be read, and then it is not written."""
    try:
        return read_verdicts(output / QC)
    except (OSError, ValueError) as error:
        _log.warning("%s is left as it is: %s", printable(output / QC), error)
        return None


def numbers_of(tables: Tables) -> set[str]:
    """Columns of the tables that are numbers.

    Parameters
    ----------
    tables : mapping
        Of the job.
    """
    return {name for columns in tables.values() for name, places in columns.items() if places is not None}


def _warn(place: Path, error: DamagedRecord) -> None:
    _log.warning(
        "%s is left out of the tables, %s: run its scan again, or remove the file", printable(place), error
    )


def _input(results: str, record: Record) -> str:
    """The input as it is shown; of an earlier version's record without its folder."""
    return shown(Path(record["input"]["path"]), Path(results).parent)


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


def write_summary(output: Path, name: str, summary: Record) -> None:
    """Write the summary of a run, as JSON; under "earlier" what the file said in short of the runs before.

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
        whole = {**summary, "earlier": earlier_runs(output / name)}
        temporary.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def records_below(
    output: Path,
    numbers: Collection[str] = (),
    on_damaged: Callable[[Path, DamagedRecord], None] = lambda *_: None,
) -> Iterator[tuple[str, Record]]:
    """Where the results of every item are (folder and stem below `output`), and their record.

    Parameters
    ----------
    output : Path
        The output folder.
    numbers : collection of str
        As in `read_record`.
    on_damaged : function
        Called with the path of each file that should be a record and is none, and why.
    """
    for place, folders, names in os.walk(output):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.endswith(_RECORD):
                continue
            try:
                record = read_record(Path(place) / name, numbers)
            except DamagedRecord as error:
                on_damaged(Path(place) / name, error)
                continue
            if record:
                results = Path(place, name.removesuffix(_RECORD)).relative_to(output)
                yield results.as_posix(), record


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
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
