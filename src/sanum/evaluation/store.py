"""What has been measured so far, in two CSV files that are always whole."""

import csv
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from ..files import clear_way, open_regular
from ..scan import ScanError
from ..scan.names import printable
from ..scan.write import atomic_path, reason_of
from .task import CaseRow, CaseT, Example, MethodT, Task

KEYS = ("data", "case", "method")
TEXTS = (*KEYS, "subject", "input", "weights", "digest", "failed")
"""Columns that are no numbers."""

_SEVERAL = "curve"  # columns of this ending hold several numbers
_PATIENCE_S = 60.0  # another writer has the file for milliseconds
_log = logging.getLogger(__name__)


class Store:
    """Rows of a CSV file by (data, case, method); each `put` rewrites the file, whole or not at all.

    Parameters
    ----------
    path : Path
        The CSV file; it need not exist.
    columns : tuple of str
        Its columns, `KEYS` among them.
    texts : tuple of str
        Those that are words, beside `TEXTS`.

    Raises
    ------
    ValueError
        The file has other columns.
    ScanError
        It cannot be read.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], texts: tuple[str, ...] = ()) -> None:
        self.path, self.columns, self.texts = path, columns, (*TEXTS, *texts)
        self.rows = self._read()

    def _read(self) -> dict[tuple[str, ...], CaseRow]:
        """Rows of the file that are whole; of the others the log says that they are measured again."""
        if not self.path.exists():
            return {}
        rows: dict[tuple[str, ...], CaseRow] = {}
        try:
            with open_regular(self.path) as stream:
                lines = (
                    stream.read().decode("utf-8", "replace").replace("\0", "\ufffd").splitlines(keepends=True)
                )
            table = csv.reader(lines)
            if tuple(next(table, ())) != self.columns:
                raise ValueError(
                    f"{self.path} has other columns than this sanum writes: choose another folder, or move "
                    "the file away"
                )
            for cells in table:
                row = dict(zip(self.columns, cells, strict=False))
                if len(cells) == len(self.columns) and _is_whole(row, self.texts):
                    rows[_key(row)] = row
                else:
                    _log.warning(
                        "line %d of %s is damaged: it is measured again", table.line_num, self.path.name
                    )
        except OSError as error:
            raise ScanError(f"{printable(self.path)} cannot be read: {error.strerror or error}") from error
        except csv.Error as error:
            raise ValueError(f"{self.path} is damaged ({error}): move it away") from error
        return rows

    def has(self, row: Mapping[str, str]) -> bool:
        """Whether the numbers of this row are there, of the same weights and the same files.

        Parameters
        ----------
        row : mapping of str to str
            At least its `KEYS`, weights and digest.
        """
        return self._same(row) and not self.rows[_key(row)].get("failed")

    def failed(self, row: Mapping[str, str]) -> bool:
        """Whether this row was tried, with the same weights and the same files, and failed.

        Parameters
        ----------
        row : mapping of str to str
            At least its `KEYS`, weights and digest.
        """
        return self._same(row) and bool(self.rows[_key(row)].get("failed"))

    def put(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows, or put them in place of those of before, and write the file.

        What another run has written meanwhile stays: the file is read again while no other can write it.

        Parameters
        ----------
        rows : iterable of mapping
            Values by column; columns that a row lacks stay empty.
        """
        lines = [{k: _text(row.get(k, "")) for k in self.columns} for row in rows]
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            clear_way(lock)
            with FileLock(lock, timeout=_PATIENCE_S):
                self.rows = self._read() | {_key(line): line for line in lines}
                self._write()
        except Timeout:
            raise ScanError(
                f"cannot write {printable(self.path)}: another run does not end with it"
            ) from None
        except OSError as error:
            raise ScanError(f"cannot write {printable(self.path)}: {reason_of(error)}") from error

    def _write(self) -> None:
        with (
            atomic_path(self.path, overwrite=True) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows[k] for k in sorted(self.rows))

    def _same(self, row: Mapping[str, str]) -> bool:
        there = self.rows.get(_key(row))
        return there is not None and all(there[k] == row[k] for k in ("weights", "digest"))


def cases_of(task: Task[CaseT, MethodT], folder: Path) -> Store:
    """Store of the numbers of each case and method.

    Parameters
    ----------
    task : Task
    folder : Path
        Folder of the evaluation.
    """
    columns = (*KEYS, "subject", "input", "weights", "digest", "failed", *task.numbers)
    return Store(folder / "cases.csv", columns, task.texts)


def pairs_of(task: Task[CaseT, MethodT], folder: Path) -> Store:
    """Store of the numbers of each pair of cases and method.

    Parameters
    ----------
    task : Task
    folder : Path
        Folder of the evaluation.
    """
    return Store(folder / "pairs.csv", (*KEYS, "subject", "weights", "digest", *task.pair_numbers))


def example_path(folder: Path, data: str, case: str) -> Path:
    """Where the example of a case is kept.

    Parameters
    ----------
    folder : Path
        Folder of the evaluation.
    data, case : str
        Names of the data set and of the case.
    """
    return folder / "examples" / f"{data}_{case}.npz"


def save_example(example: Example, path: Path) -> None:
    """Write an example.

    Parameters
    ----------
    example : mapping of str to array
    path : Path
        See `example_path`.
    """
    with atomic_path(path, overwrite=True) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **example)  # type: ignore[arg-type]


def load_example(path: Path) -> Example:
    """Arrays of an example, by name.

    Parameters
    ----------
    path : Path
        See `example_path`.
    """
    with np.load(path) as arrays:
        return dict(arrays)


def _key(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[k] for k in KEYS)


def _is_whole(row: Mapping[str, str], texts: tuple[str, ...]) -> bool:
    """Whether the numbers of a row are numbers, or not there, and its text is text."""
    if not all(row[key] for key in KEYS) or "\ufffd" in "".join(row.values()):
        return False
    try:
        for key in row.keys() - set(texts):
            for number in row[key].split() if key.endswith(_SEVERAL) else [row[key] or "0"]:
                float(number)
    except ValueError:
        return False
    return True


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
