"""What has been measured so far, in two CSV files that are always whole."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..scan.write import atomic_path
from .task import CaseRow, CaseT, Example, MethodT, Task

KEYS = ("data", "case", "method")


class Store:
    """Rows of a CSV file by (data, case, method); each `put` rewrites the file, whole or not at all.

    Parameters
    ----------
    path : Path
        The CSV file; it need not exist.
    columns : tuple of str
        Its columns, `KEYS` among them.

    Raises
    ------
    ValueError
        The file has other columns.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self.columns = path, columns
        self.rows: dict[tuple[str, ...], CaseRow] = {}
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if tuple(reader.fieldnames or ()) != columns:
                    raise ValueError(
                        f"{path} has other columns than this sanum writes: choose another folder, or move "
                        "the file away"
                    )
                self.rows = {tuple(row[k] for k in KEYS): row for row in reader}

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

        Parameters
        ----------
        rows : iterable of mapping
            Values by column; columns that a row lacks stay empty.
        """
        for row in rows:
            line = {k: _text(row.get(k, "")) for k in self.columns}
            self.rows[_key(line)] = line
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
    return Store(folder / "cases.csv", columns)


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


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
