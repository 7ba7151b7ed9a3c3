"""The cohort as a whole: a page of all results, and a table joined with the participants'."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...metrics.outliers import FEWEST, LIMIT, robust_z
from ...report.group import MEASURES, ScanRow, render_group
from ...scan import ScanError, atomic_path
from ...scan.names import printable
from ..tables import alone
from ..tsv import to_cell
from .dataset import require_data_set
from .pages import Found, results_of, rows_of, subjects_in, write_subjects
from .participants import joined, read_participants

SMALLEST = {"brain_ml": 5.0, "anomaly_ml": 0.2, "mean_uncertainty": 0.001}
"""Least spread, of the anomaly's in log(1 + mL): what differs by less than 3.5 times this is no outlier.

17 mL of brain (1.4 %), as a second scan of the same head may differ by; 1 mL of anomaly among none (a ball of
12 mm), or a factor of 2 among large ones; 0.0035 of uncertainty.
"""

RULE = (
    f"Rule: robust z above {LIMIT} or below −{LIMIT}, among the scans of one contrast; the anomaly's volume "
    "as log(1 + mL). Robust z = 0.6745 (x − median) / MAD; where more than half of the values are the same, "
    "the MAD is 0, and z = (x − median) / (1.2533 × mean absolute deviation). Small differences are never "
    "outliers, however alike the others are: 17 mL of brain, 1 mL of anomaly among none, 0.0035 of "
    f"uncertainty. Contrasts of fewer than {FEWEST} scans are not judged."
)
_COLUMNS = ("results", "contrast", *MEASURES, "outlier", "warnings")


def write_group(root: Path, output: Path, *, on_note: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Paths of `group.tsv` and `group.html`, which are written from all results in `output`.

    Subjects' pages that are not there, or not true any more, are written first.

    Parameters
    ----------
    root : Path
        The BIDS data set, whose participants.tsv is joined by `participant_id` where there is one.
    output : Path
        The output folder.
    on_note : function
        Called with each note that the page has on top.

    Raises
    ------
    ScanError
        `root` is no BIDS data set; there are no results; something cannot be written.
    """
    require_data_set(root)
    damaged: list[str] = []
    found = {
        subject: results_of(
            output, subject, lambda path, error: damaged.append(f"{printable(path.name)}, {error}")
        )
        for subject in subjects_in(output)
    }
    if not found:
        raise ScanError(f"{printable(output)} holds no results: run sanum bids with participant first")
    write_subjects(output, found)
    table, notes = read_participants(
        root / "participants.tsv", ("participant_id", *_COLUMNS, *MEASURES.values(), "scan")
    )
    participants, unmatched = joined(table, found, _subjects(root)) if table else (table, [])
    notes += unmatched
    rows = [
        replace(row, more=participants.get(subject, {}))
        for subject, results in found.items()
        for row in rows_of(output, subject, results)
    ]
    if damaged:
        notes.append(
            f"Records that are damaged, and whose results are not shown: {len(damaged)} "
            f"({'; '.join(damaged)}); run sanum bids with participant again."
        )
    notes = [*_notes(output, [pair for results in found.values() for pair in results], rows), *notes]
    for note in notes:
        on_note(f"note: {note}")
    rows, unjudged = judged(rows)
    page = render_group(f"Cohort {root.resolve().name}", rows, notes, RULE, unjudged)
    written = {output / "group.tsv": _table(rows), output / "group.html": page}
    with alone(output):
        for path, content in written.items():
            with atomic_path(path, overwrite=True) as temporary:
                temporary.write_text(content, encoding="utf-8")
    return list(written)


def _subjects(root: Path) -> set[str]:
    return {path.name for path in root.glob("sub-*") if path.is_dir()}


def judged(rows: Iterable[ScanRow]) -> tuple[list[ScanRow], list[str]]:
    """The same rows with their outlying measures (see `RULE`), and what was not judged.

    Parameters
    ----------
    rows : iterable of ScanRow
        One for each scan.
    """
    rows = list(rows)
    outlying: list[dict[str, float]] = [{} for _ in rows]
    unjudged = []
    for contrast in sorted({row.contrast for row in rows}, key=str):
        here = [n for n, row in enumerate(rows) if row.contrast == contrast]
        for name, label in MEASURES.items():
            values = np.array([rows[n].numbers[name] for n in here])
            z = robust_z(np.log1p(values) if name == "anomaly_ml" else values, smallest=SMALLEST[name])
            for n, value in zip(here, z, strict=True):
                if abs(value) > LIMIT:
                    outlying[n][name] = float(value)
            if np.isnan(z).all():
                unjudged.append(f"{label.split(',')[0].split(' (')[0]} of {contrast or 'unknown contrast'}")
    return [replace(row, outlier=out) for row, out in zip(rows, outlying, strict=True)], unjudged


def _table(rows: list[ScanRow]) -> str:
    more = list(dict.fromkeys(key for row in rows for key in row.more))
    lines = [["participant_id", "results", *more, "contrast", *MEASURES, "outlier", "warnings"]]
    for row in rows:
        numbers = [f"{row.numbers[n]:g}" if np.isfinite(row.numbers[n]) else "n/a" for n in MEASURES]
        joined = [row.more.get(key) or "n/a" for key in more]
        remarks = [", ".join(row.outlier) or "n/a", " | ".join(row.warnings) or "n/a"]
        lines.append([row.subject, row.name, *joined, row.contrast or "n/a", *numbers, *remarks])
    return "".join("\t".join(map(to_cell, line)) + "\n" for line in lines)


def _notes(output: Path, found: Found, rows: list[ScanRow]) -> list[str]:
    notes = []
    failed = output / "failed.tsv"
    count = len(failed.read_text(encoding="utf-8").splitlines()) - 1 if failed.exists() else 0
    if count > 0:
        notes.append(f"Scans that failed, and are not shown: {count}. failed.tsv says why.")
    if damaged := [row for row in rows if not row.picture]:
        names = "; ".join(row.warnings[-1] for row in damaged)
        notes.append(f"Results that cannot be read, and have no picture: {len(damaged)} ({names}).")
    for key, name in (("weights_sha256", "weights"), ("version", "versions of sanum")):
        used = Counter(str(record.get(key)) for _, record in found)
        if len(used) > 1:
            counts = ", ".join(f"{value[:12]} ({n})" for value, n in used.most_common())
            notes.append(f"Results of different {name} are mixed, and cannot be compared: {counts}.")
    return notes
