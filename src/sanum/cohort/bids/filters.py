"""Filter files, as fMRIPrep's: which scans of a BIDS data set are wanted."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ...scan import ScanError
from ...scan.names import ENTITIES, entities_of, printable

ANATOMICAL = ("T1w", "T2w", "PDw", "FLAIR", "T2starw", "UNIT1")
"""Suffixes of the scans that are done."""

_LONG = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "nucleus": "nuc", "volume": "voi",
    "ceagent": "ce", "tracer": "trc", "staining": "stain", "reconstruction": "rec", "direction": "dir",
    "modality": "mod", "inversion": "inv", "mtransfer": "mt", "processing": "proc", "hemisphere": "hemi",
    "segmentation": "seg", "resolution": "res", "density": "den", "description": "desc",
}  # fmt: skip
_KEYS = _LONG | {key: key for key in ENTITIES}
_NUMBERS = {"run", "echo", "flip", "inv", "split", "chunk"}
_ELSEWHERE = {"asl", "bold", "dwi", "eeg", "fmap", "m0scan", "meg", "pet", "roi", "sbref"}
"""Queries of these names are of other scans, in fMRIPrep and its relatives, and may leave that unsaid."""

Query = dict[str, Any]


def read_queries(path: Path, *, tell: Callable[[str], None] = lambda _: None) -> list[Query]:
    """Queries of a filter file: `{"t1w": {"session": "01", "run": [1, 2]}}`.

    A query named after a suffix asks for that suffix, unless it says another. Values: a label or number, a
    list of them, null (the entity must be absent) or "*" (must be there). Entities have their long or short
    names; `suffix`, `datatype` and `extension` can be asked for too.

    Parameters
    ----------
    tell : function
        Told of the queries that are left out because they are of no anatomical scans.

    Raises
    ------
    ScanError
        The file is none, names what no scan has, or is of no anatomical scans at all.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScanError(f"{printable(path)} cannot be read: expected a filter file in JSON") from error
    if not isinstance(told, dict) or not all(isinstance(query, dict) for query in told.values()):
        raise ScanError(
            f'{printable(path)} is no filter file: expected {{"t1w": {{"session": "01"}}}} or the like'
        )
    _refuse_unknown(path, told.values())
    suffixes = {suffix.lower(): suffix for suffix in ANATOMICAL}
    named = {
        name: {**({"suffix": suffixes[name]} if name in suffixes else {}), **query}
        for name, query in told.items()
    }
    anatomical = {name: query for name, query in named.items() if _is_anatomical(name, query)}
    left_out = ", ".join(printable(name) for name in named if name not in anatomical)
    if named and not anatomical:
        raise ScanError(f"{printable(path)} asks for no anatomical scan: it has {left_out}")
    if left_out:
        tell(f"note: {printable(path)} asks for {left_out} too, which are no anatomical scans")
    return list(anatomical.values())


def fits(path: Path, query: Query) -> bool:
    """Whether a scan in `anat` is one of those that a query asks for."""
    entities, suffix = entities_of(path)
    has = {name: entities.get(key) for name, key in _KEYS.items()}
    has |= {"suffix": suffix, "datatype": "anat", "extension": "".join(path.suffixes[-2:]).lstrip(".")}
    return all(_fits_one(name, has[name], value) for name, value in query.items())


def _refuse_unknown(path: Path, queries: Iterable[Query]) -> None:
    known = {*_KEYS, "suffix", "datatype", "extension"}
    if unknown := sorted({key for query in queries for key in query} - known):
        expected = ", ".join((*_LONG, *sorted(known - {*_LONG, *_LONG.values()})))
        raise ScanError(f"{printable(path)} asks for {printable(unknown[0])}: expected one of {expected}")


def _is_anatomical(name: str, query: Query) -> bool:
    if name in _ELSEWHERE and not query.keys() & {"suffix", "datatype"}:
        return False
    asked = (("datatype", ("anat",)), ("suffix", ANATOMICAL))
    return all(any(_fits_one(key, one, query.get(key, one)) for one in some) for key, some in asked)


def _fits_one(name: str, label: str | None, value: Any) -> bool:
    if value == "*" or value is None:
        return (label is None) == (value is None)
    values = [str(v) for v in (value if isinstance(value, list) else [value])]
    if _KEYS.get(name) in _NUMBERS and label is not None and label.isdecimal():
        return int(label) in [int(v) for v in values if v.isdecimal()]
    if name == "extension":
        values = [v.lstrip(".") for v in values]
    return label in values
