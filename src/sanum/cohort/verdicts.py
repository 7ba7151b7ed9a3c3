"""What a person says of results: two columns of `qc.tsv`, kept when the tables are written anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ..files import read_small
from .tsv import from_cell

QC = "qc.tsv"
COLUMNS = ("verdict", "note")
VerdictWord = Literal["", "pass", "unsure", "fail"]
WORDS: tuple[str, ...] = get_args(VerdictWord)
"""What can be said; "": nothing yet."""

_MOST = 200_000_000  # bytes of a table
_KEY, _UNKNOWN = "results", "n/a"
_FIRST = ("path", _KEY)


@dataclass(frozen=True)
class Verdict:
    """Of one scan's results.

    Parameters
    ----------
    word : str
        One of `WORDS`.
    note : str
        Any text; "": none.
    """

    word: str = ""
    note: str = ""


Head = Sequence[str]
Row = Sequence[str]


def read_verdicts(path: Path) -> dict[str, Verdict]:
    """Verdicts by the results' name; none if the table is not there, or has neither column.

    Parameters
    ----------
    path : Path
        Of a `qc.tsv`.

    Raises
    ------
    ValueError
        It is no table of results.
    OSError
        It cannot be read.
    """
    head, rows = read_table(path)
    found = {}
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        found[cells[_KEY]] = Verdict(*(_known(cells.get(name, _UNKNOWN)) for name in COLUMNS))
    return {name: verdict for name, verdict in found.items() if verdict != Verdict()}


def with_verdicts(
    head: Head, rows: Sequence[Row], verdicts: Mapping[str, Verdict]
) -> tuple[list[str], list[list[str]]]:
    """A table of results with its verdicts; unchanged if there are none.

    Verdicts on results that the table does not list have rows of their own, at the end.

    Parameters
    ----------
    head : sequence of str
        Names of the columns, among them "results".
    rows : sequence of sequence of str
        Cells, as text.
    verdicts : mapping of str to Verdict
        By the results' name.
    """
    if not verdicts:
        return list(head), [list(row) for row in rows]
    key, listed = list(head).index(_KEY), []
    for row in rows:
        verdict = verdicts.get(row[key], Verdict())
        listed.append([*row, verdict.word or _UNKNOWN, verdict.note or _UNKNOWN])
    there = {row[key] for row in rows}
    for name, verdict in verdicts.items():
        if name not in there:
            cells = [name if n == key else _UNKNOWN for n in range(len(head))]
            listed.append([*cells, verdict.word or _UNKNOWN, verdict.note or _UNKNOWN])
    return [*head, *COLUMNS], listed


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a table of results, as text; lines that are too short are filled up.

    A spreadsheet may have saved it with a mark at its beginning, or in Windows' code page.

    Parameters
    ----------
    path : Path
        Of a `qc.tsv`; need not be there.

    Raises
    ------
    ValueError
        It is no table of results.
    OSError
        It cannot be read.
    """
    try:
        raw = read_small(path, _MOST, follow=False)
    except FileNotFoundError:
        return list(_FIRST), []
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    lines = [[from_cell(cell) for cell in line.rstrip("\r").split("\t")] for line in text.split("\n") if line]
    head = lines[0] if lines else []
    if _KEY not in head:
        raise ValueError(f"{path.name} is no table of results: move it away")
    return head, [(line + [_UNKNOWN] * len(head))[: len(head)] for line in lines[1:]]


def _known(cell: str) -> str:
    return "" if cell == _UNKNOWN else cell
