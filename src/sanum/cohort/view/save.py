"""Saving what a person says of results."""

from pathlib import Path

from ...scan import atomic_path
from ..tables import alone
from ..tsv import to_cell
from ..verdicts import COLUMNS, QC, WORDS, Verdict, read_table, read_verdicts, with_verdicts

LONGEST_NOTE = 2000


def save_verdict(output: Path, results: str, verdict: Verdict) -> None:
    """Write a verdict into `qc.tsv`, whole or not at all, while no run writes the tables.

    Parameters
    ----------
    output : Path
        The output folder.
    results : str
        Folder and stem of the results below it.
    verdict : Verdict
        Takes the place of an earlier one.

    Raises
    ------
    ValueError
        The word is none of `WORDS`, the note is too long, or `qc.tsv` is no table of results.
    ScanError, OSError
        It cannot be written.
    """
    if verdict.word not in WORDS:
        raise ValueError(f"a verdict is pass, unsure or fail, not {verdict.word[:20]!r}")
    if len(verdict.note) > LONGEST_NOTE:
        raise ValueError(f"a note has at most {LONGEST_NOTE:,} characters, not {len(verdict.note):,}")
    path = output / QC
    with alone(output):
        head, rows = read_table(path)
        verdicts = read_verdicts(path) | {results: verdict}
        kept = [n for n, name in enumerate(head) if name not in COLUMNS]
        plain = [[row[n] for n in kept] for row in rows]
        head, rows = with_verdicts([head[n] for n in kept], plain, verdicts)
        with atomic_path(path, overwrite=True) as temporary:
            lines = ["\t".join(map(to_cell, row)) + "\n" for row in (head, *rows)]
            temporary.write_text("".join(lines), encoding="utf-8")
