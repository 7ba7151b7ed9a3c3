"""The cohort as a whole: a page per subject, a page of all, and a table joined with the participants'."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from ..measure.outliers import FEWEST, LIMIT, robust_z
from ..report.group import MEASURES, Row, render_group, render_subject
from ..report.thumbnail import thumbnail
from ..scan import Scan, ScanError, atomic_path, read
from ..scan.names import entities_of, shown
from .bids import require_data_set
from .cells import to_cell
from .record import Record
from .tables import records_below

RULE = (
    f"Rule: robust z = 0.6745 (x − median) / MAD above {LIMIT} or below −{LIMIT}, among the scans of one "
    f"contrast; the anomaly's volume as log(1 + mL). Contrasts of fewer than {FEWEST} scans are not judged."
)
_RECORD = "_record.json"


def write_subjects(output: Path) -> list[Path]:
    """Write `sub-X.html` of every subject with results that are newer; returns the pages written.

    Raises
    ------
    ScanError
        Something cannot be read or written.
    """
    written = []
    for subject, found in _by_subject(output).items():
        path = output / f"{subject}.html"
        newest = max((output / f"{results}{_RECORD}").stat().st_mtime_ns for results, _ in found)
        if path.exists() and path.stat().st_mtime_ns > newest:
            continue
        rows = [_row(output, results, record, planes=3, height=200) for results, record in found]
        _write(path, render_subject(subject, rows))
        written.append(path)
    return written


def write_group(root: Path, output: Path) -> list[Path]:
    """Write `group.tsv` and `group.html` of all results in `output`; returns both.

    Parameters
    ----------
    root : Path
        The BIDS data set, whose participants.tsv is joined by `participant_id` where there is one.

    Raises
    ------
    ScanError
        `root` is no BIDS data set; there are no results; something cannot be read or written.
    """
    require_data_set(root)
    found = [pair for many in _by_subject(output).values() for pair in many]
    if not found:
        raise ScanError(f"{shown(output)} holds no results: run sanum bids with participant first")
    participants = _participants(root / "participants.tsv")
    rows = [replace(_row(output, *pair), more=participants.get(_subject(pair[0]), {})) for pair in found]
    rows = judged(rows)
    _write(output / "group.tsv", _table(rows))
    _write(
        output / "group.html",
        render_group(f"Cohort {root.resolve().name}", rows, _notes(output, found), RULE),
    )
    return [output / "group.tsv", output / "group.html"]


def judged(rows: Iterable[Row]) -> list[Row]:
    """The same rows; those that stand apart from their contrast's say in what (see `RULE`)."""
    rows = list(rows)
    apart: list[dict[str, float]] = [{} for _ in rows]
    for contrast in {row.contrast for row in rows}:
        here = [n for n, row in enumerate(rows) if row.contrast == contrast]
        for name in MEASURES:
            values = np.array([rows[n].numbers[name] for n in here])
            z = robust_z(np.log1p(values) if name == "anomaly_ml" else values)
            for n, value in zip(here, z, strict=True):
                if abs(value) > LIMIT:
                    apart[n][name] = float(value)
    return [replace(row, outlier=out) for row, out in zip(rows, apart, strict=True)]


def _by_subject(output: Path) -> dict[str, list[tuple[str, Record]]]:
    found: dict[str, list[tuple[str, Record]]] = {}
    for results, record in sorted(records_below(output), key=lambda pair: os.fsencode(pair[0])):
        if subject := _subject(results):
            found.setdefault(subject, []).append((results, record))
    return found


def _subject(results: str) -> str:
    label = entities_of(results)[0].get("sub")
    return f"sub-{label}" if label else ""


def _row(output: Path, results: str, record: Record, *, planes: int = 1, height: int = 132) -> Row:
    folder = (output / results).parent
    anatomy, anomaly, mask, _, brain = (_image(folder / name) for name in record["outputs"][:5])
    source = Path(record["input"]["path"])
    warnings = tuple(record["warnings"])
    scan = None
    try:
        scan = read(source, volume=record["volume"])
    except ScanError:
        warnings += ("the scan itself is not where it was, and is not shown",)
    if scan is not None and not scan.grid.same_as(anatomy.grid):
        scan = None
    picture = thumbnail(
        scan=scan, anatomy=anatomy, anomaly=anomaly, anomaly_mask=mask, brain=brain,
        contrast=record["contrast"], planes=planes, height=height,
    )  # fmt: skip
    report = next((name for name in record["outputs"] if name.endswith(".html")), None)
    numbers = {name: np.nan if record[name] is None else float(record[name]) for name in MEASURES}
    return Row(
        Path(results).name, _subject(results), quote(f"{_subject(results)}.html"),
        quote((Path(results).parent / report).as_posix()) if report else "",
        record["contrast"], numbers, picture, warnings,
    )  # fmt: skip


def _image(path: Path) -> Scan:
    """A result as it was written; `read` refuses empty masks."""
    try:
        image: Any = nib.load(path)
        return Scan(np.asanyarray(image.dataobj), image.affine)
    except (ImageFileError, OSError, ValueError, EOFError) as error:
        raise ScanError(f"{shown(path)} cannot be read: run sanum bids with participant again") from error


def _participants(path: Path) -> dict[str, Mapping[str, str]]:
    """Columns by participant; none where there is no table."""
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval="n/a"))
    except (OSError, ValueError, csv.Error) as error:
        raise ScanError(f"{shown(path)} cannot be read: expected a table of participants") from error
    if lines and "participant_id" not in lines[0]:
        raise ScanError(f"{shown(path)} has no column participant_id: add it, or move the table away")
    return {
        line["participant_id"]: {k: v for k, v in line.items() if k not in (None, "participant_id")}
        for line in lines
    }


def _table(rows: list[Row]) -> str:
    more = list(dict.fromkeys(key for row in rows for key in row.more))
    lines = [["participant_id", "results", *more, "contrast", *MEASURES, "outlier", "warnings"]]
    for row in rows:
        numbers = [f"{row.numbers[n]:g}" if np.isfinite(row.numbers[n]) else "n/a" for n in MEASURES]
        joined = [row.more.get(key) or "n/a" for key in more]
        told = [", ".join(row.outlier), " | ".join(row.warnings)]
        lines.append(
            [row.subject, row.name, *joined, row.contrast or "n/a", *numbers, *(t or "n/a" for t in told)]
        )
    return "".join("\t".join(map(to_cell, line)) + "\n" for line in lines)


def _notes(output: Path, found: list[tuple[str, Record]]) -> list[str]:
    notes = []
    failed = output / "failed.tsv"
    count = len(failed.read_text(encoding="utf-8").splitlines()) - 1 if failed.exists() else 0
    if count > 0:
        notes.append(f"Scans that failed, and are not shown: {count}. failed.tsv says why.")
    for key, name in (("weights_sha256", "weights"), ("version", "versions of sanum")):
        used = Counter(record[key] for _, record in found)
        if len(used) > 1:
            told = ", ".join(f"{value[:12]} ({n})" for value, n in used.most_common())
            notes.append(f"Results of different {name} are mixed, and cannot be compared: {told}.")
    return notes


def _write(path: Path, content: str) -> None:
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text(content, encoding="utf-8")
