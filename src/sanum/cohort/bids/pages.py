"""A page per subject; each holds what it was made from, so that runs that share OUT keep it true."""

import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from ... import __version__
from ...files import parse_json
from ...report.group import MEASURES, ScanRow, render_subject
from ...report.thumbnail import thumbnail
from ...scan import Scan, ScanError, atomic_path, read
from ...scan.maps import read_map
from ...scan.names import printable
from ..record import DamagedRecord, Record
from ..tables import alone, records_below
from .derivative import raw_of

_MARK = re.compile(r"<!-- sanum (\{.*\}) -->\n\Z")
_DRAWN = {
    "anatomy": "the anatomy",
    "anomaly": "the anomaly",
    "anomaly_mask": "the mask",
    "brain": "the brain",
}  # outputs that a picture needs, and what messages call them
_MISSING = "the scan itself is not where it was, and is not shown"


@dataclass(frozen=True)
class Drawn:
    """Pictures of one result.

    Parameters
    ----------
    wide, tile : bytes
        JPEG of three planes, and of one; empty where the result cannot be read.
    warning : str
        What there is to say of them.
    """

    wide: bytes
    tile: bytes
    warning: str = ""


Found = list[tuple[str, Record]]
"""Where results are (folder and stem below the output folder), and their records."""


def subjects_in(output: Path) -> list[str]:
    """The folders of subjects with results, sorted.

    Parameters
    ----------
    output : Path
        The output folder.
    """
    names = sorted((path.name for path in output.glob("sub-*") if path.is_dir()), key=os.fsencode)
    return [name for name in names if results_of(output, name)]


def results_of(
    output: Path, subject: str, on_damaged: Callable[[Path, DamagedRecord], None] = lambda *_: None
) -> Found:
    """All results of a subject, sorted; their records name the scans where they are now.

    Parameters
    ----------
    output : Path
        The output folder.
    subject : str
        Name of its folder.
    on_damaged : function
        As in `records_below`.
    """
    records = records_below(output / subject, MEASURES, on_damaged)
    raw = raw_of(output)
    found = ((f"{subject}/{results}", _located(record, raw)) for results, record in records)
    return sorted(found, key=lambda pair: os.fsencode(pair[0]))


def _located(record: Record, raw: Path) -> Record:
    """A record with the whole path of its input."""
    return record | {"input": record["input"] | {"path": os.path.abspath(raw / record["input"]["path"])}}


def write_subjects(
    output: Path,
    subjects: Collection[str] | None = None,
    *,
    on_note: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Pages `sub-X.html` that were written: those that were not made from the results as they are now.

    Parameters
    ----------
    output : Path
        The output folder.
    subjects : collection of str, optional
        Names of folders; default: all.
    on_note : function
        Called with a sentence on results that cannot be read; their page says so.

    Raises
    ------
    ScanError
        A page cannot be written; those of the other subjects are.
    """
    written, failed = list[Path](), list[ScanError]()
    for subject in subjects_in(output) if subjects is None else sorted(subjects):
        try:
            if _write_subject(output, subject, on_note):
                written.append(output / f"{subject}.html")
        except ScanError as error:
            failed.append(error)
    if failed:
        more = f" (and {len(failed) - 1} more pages)" if len(failed) > 1 else ""
        raise ScanError(f"{failed[0]}{more}") from failed[0].__cause__
    return written


def rows_of(output: Path, subject: str, found: Found) -> list[ScanRow]:
    """Rows of the cohort's page: their pictures are those that the subject's page keeps, where it is true.

    Parameters
    ----------
    output : Path
        The output folder.
    subject : str
        Name of its folder.
    found : list
        All its results; see `results_of`.
    """
    kept = _kept(output / f"{subject}.html", made_from(found), len(found))
    drawn = kept or [_draw(output, *pair) for pair in found]
    return [
        _row(subject, results, record, d.tile, d.warning)
        for (results, record), d in zip(found, drawn, strict=True)
    ]


def made_from(found: Found) -> str:
    """Digest of everything that a page shows.

    Parameters
    ----------
    found : list
        Results; see `results_of`.
    """
    there = [os.path.exists(record["input"]["path"]) for _, record in found]
    return hashlib.sha256(json.dumps([__version__, found, there]).encode()).hexdigest()


def _write_subject(output: Path, subject: str, on_note: Callable[[str], None]) -> bool:
    """Write a page unless it is true; drawn again if another run finishes a scan meanwhile."""
    path = output / f"{subject}.html"
    while found := results_of(output, subject):
        digest = made_from(found)
        if _kept(path, digest, len(found)):
            return False
        drawn = [_draw(output, *pair) for pair in found]
        html = _page(subject, found, drawn, digest)
        with alone(output):
            if made_from(results_of(output, subject)) != digest:
                continue
            with atomic_path(path, overwrite=True) as temporary:
                temporary.write_text(html, encoding="utf-8")
        for one in drawn:
            if not one.wide:
                on_note(one.warning)
        return True
    return False


def _page(subject: str, found: Found, drawn: list[Drawn], digest: str) -> str:
    rows = [
        _row(subject, results, record, d.wide, d.warning)
        for (results, record), d in zip(found, drawn, strict=True)
    ]
    kept = {
        "made_from": digest if all(d.wide for d in drawn) else "",  # mended when what is damaged is
        "tiles": [[base64.b64encode(d.tile).decode("ascii"), d.warning] for d in drawn],
    }
    mark = json.dumps(kept).replace("-", "\\u002d").replace(">", "\\u003e")  # would end the comment
    return f"{render_subject(subject, rows)}<!-- sanum {mark} -->\n"


def _kept(path: Path, digest: str, count: int) -> list[Drawn]:
    """What a page keeps for the cohort's; nothing if it is not there, or made from something else."""
    try:
        mark = _MARK.search(path.read_text(encoding="utf-8"))
        kept = parse_json(mark[1]) if mark else {}
        if kept.get("made_from") != digest or len(kept["tiles"]) != count:
            return []
        drawn = [Drawn(b"", base64.b64decode(tile), str(warning)) for tile, warning in kept["tiles"]]
        for tile in (one.tile for one in drawn if one.tile):
            Image.open(io.BytesIO(tile)).verify()
        return drawn
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _row(subject: str, results: str, record: Record, picture: bytes, warning: str) -> ScanRow:
    report = record["outputs"].get("report")
    numbers = {name: _number(record.get(name)) for name in MEASURES}
    return ScanRow(
        name=Path(results).name,
        subject=subject,
        page=quote(os.fsencode(f"{subject}.html")),
        report=quote(os.fsencode((Path(results).parent / report).as_posix())) if report else "",
        contrast=_contrast(record),
        numbers=numbers,
        picture=picture,
        warnings=(*record["warnings"], *[warning] * bool(warning)),
    )


def _contrast(record: Record) -> str | None:
    contrast = record.get("contrast")
    return contrast if isinstance(contrast, str) else None


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _draw(output: Path, results: str, record: Record) -> Drawn:
    try:
        maps = _maps(output / results, record)
    except ScanError as error:
        mended_by = "delete it, and run sanum bids with participant again"
        return Drawn(b"", b"", f"{error}, and is not shown: {mended_by}")
    scan, warning = None, ""
    try:
        volume = record.get("volume")
        scan = read(Path(record["input"]["path"]), volume=volume if type(volume) is int else None)
    except ScanError:
        warning = _MISSING
    if scan is not None and not scan.grid.same_as(maps["anatomy"].grid):
        scan = None
    wide, tile = (
        thumbnail(scan=scan, **maps, contrast=_contrast(record), planes=planes, height=height)
        for planes, height in ((3, 200), (1, 132))
    )
    return Drawn(wide, tile, warning)


def _maps(results: Path, record: Record) -> dict[str, Scan]:
    """The maps that a picture shows, by name, all on one grid."""
    files, name = record["outputs"], printable(results.name)
    if missing := [key for key in _DRAWN if key not in files]:
        raise ScanError(f"{name} has no {missing[0]}, as results of another version")
    maps = {key: read_map(results.parent / files[key]) for key in _DRAWN}
    for key, what in _DRAWN.items():
        if not maps[key].grid.same_as(maps["anatomy"].grid):
            raise ScanError(f"{what} of {name} is not on its anatomy's grid")
    return maps
