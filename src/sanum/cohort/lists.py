"""Lists of scans: tables of any maker, failed.tsv among them, and paths on standard input."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

from ..scan.errors import ScanError
from ..scan.names import EXTENSIONS, printable
from .tsv import from_cell

PATHS = ("path", "filename", "file")
"""Headers of the column of paths, the first that is there; in any case, also as "#path"."""

RESULTS_FOLDER = "results_folder"
"""Header of the column that says where a scan's results go, below the output folder."""

_EMPTY = ("", "n/a")

Listed = tuple[Path, str | None]
"""A path, and the folder of its results if the list says one."""


def read_list(path: Path) -> list[Listed]:
    """Read the paths of a table with tabs, relative to its folder.

    Without a header that is known, the first column; a first row that names no file there and does not end
    like a scan is taken for a header all the same.

    Parameters
    ----------
    path : Path
        Of the table.

    Raises
    ------
    ScanError
        It cannot be read, or a quoted cell does not end.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ScanError(f"{printable(path)} cannot be read: expected a list of paths") from error
    try:
        rows = [row for row in _rows(text) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ScanError(
            f'{printable(path)} is no table: {error}; a cell that starts with " ends with one'
        ) from error
    headers = [cell.strip().lstrip("#").strip().lower() for cell in rows[0]] if rows else []
    known = next((headers.index(name) for name in PATHS if name in headers), None)
    folder = headers.index(RESULTS_FOLDER) if known is not None and RESULTS_FOLDER in headers else None
    if known is not None or (rows and _is_header(path.parent, rows[0][0])):
        del rows[0]
    return [
        (path.parent / from_cell(there), None if to in _EMPTY else from_cell(to))
        for row in rows
        if (there := _cell(row, known or 0))
        for to in [_cell(row, folder)]
    ]


def read_lines(raw: bytes) -> list[Listed]:
    """Paths one a line, or separated by NUL where there is one.

    Parameters
    ----------
    raw : bytes
        From standard input.
    """
    lines = raw.split(b"\0" if b"\0" in raw else b"\n")
    return [(Path(os.fsdecode(line.removesuffix(b"\r"))), None) for line in lines if line.strip()]


def _rows(text: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text), delimiter="\t", strict=True)


def _cell(row: list[str], column: int | None) -> str:
    return row[column] if column is not None and column < len(row) else ""


def _is_header(folder: Path, cell: str) -> bool:
    """Whether a cell is a word of somebody's own rather than a path that is wrong."""
    looks_like_a_path = "/" in cell or os.sep in cell or cell.lower().endswith(EXTENSIONS)
    return not looks_like_a_path and not os.path.lexists(folder / from_cell(cell))
