"""What has been measured so far, in two CSV files that are always whole."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..scan.write import atomic_path
from .numbers import NUMBERS

Row = dict[str, str]
KEYS = ("data", "case", "method")
COLUMNS = (*KEYS, "subject", "input", "weights", "digest", "failed", *NUMBERS)
PAIR_COLUMNS = (*KEYS, "subject", "weights", "digest", "psnr", "brain_psnr", "l1")


class Store:
    """Rows of a CSV file by (data, case, method); each `put` rewrites the file, whole or not at all."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self.columns = path, columns
        self.rows: dict[tuple[str, ...], Row] = {}
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
        """Tell whether the numbers of this row are there, of the same weights and the same files."""
        there = self.rows.get(tuple(row[k] for k in KEYS))
        same = there is not None and all(there[k] == row[k] for k in ("weights", "digest"))
        return same and not (there or {}).get("failed")

    def put(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows, or put them in place of those of before, and write the file."""
        for row in rows:
            told = {k: _text(row.get(k, "")) for k in self.columns}
            self.rows[tuple(told[k] for k in KEYS)] = told
        with (
            atomic_path(self.path, overwrite=True) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows[k] for k in sorted(self.rows))


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
