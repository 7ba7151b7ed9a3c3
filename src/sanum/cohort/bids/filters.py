"""Filter files, as fMRIPrep's: which scans of a BIDS data set are wanted."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ...files import parse_json
from ...scan import ScanError
from ...scan.bids import ENTITIES, entities_of
from ...scan.names import printable

ANATOMICAL = ("T1w", "T2w", "PDw", "FLAIR", "T2starw", "UNIT1")
"""Suffixes of the scans that are done."""

_LONG = {
    **{"subject": "sub", "session": "ses", "acquisition": "acq", "nucleus": "nuc", "volume": "voi"},
    **{"ceagent": "ce", "tracer": "trc", "staining": "stain", "reconstruction": "rec", "direction": "dir"},
    **{"modality": "mod", "inversion": "inv", "mtransfer": "mt", "processing": "proc", "hemisphere": "hemi"},
    **{"segmentation": "seg", "resolution": "res", "density": "den", "description": "desc"},
}
_KEYS = _LONG | {key: key for key in ENTITIES}
_NUMBERS = {"run", "echo", "flip", "inv", "split", "chunk"}
_ELSEWHERE = {"asl", "bold", "dwi", "eeg", "fmap", "m0scan", "meg", "pet", "roi", "sbref"}
"""Filters of these names are of other scans, in fMRIPrep and its relatives, and may leave that unsaid."""

Filter = dict[str, Any]
"""Entity → label, as one entry of a filter file."""


def read_filters(path: Path, *, on_note: Callable[[str], None] = lambda _: None) -> list[Filter]:
    """Filters of a filter file: `{"t1w": {"session": "01", "run": [1, 2]}}`.

    A filter named after a suffix asks for that suffix, unless it says another. Values: a label or number, a
    list of them, null (the entity must be absent) or "*" (must be there). Entities have their long or short
    names; `suffix`, `datatype` and `extension` can be asked for too.

    Parameters
    ----------
    path : Path
        Of the file.
    on_note : function
        Called with a note on the filters that are left out because they are of no anatomical scans.

    Raises
    ------
    ScanError
        The file is none, names what no scan has, or is of no anatomical scans at all.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScanError(f"{printable(path)} cannot be read: expected a filter file in JSON") from error
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise ScanError(
            f'{printable(path)} is no filter file: expected {{"t1w": {{"session": "01"}}}} or the like'
        )
    _refuse_unknown(path, content.values())
    suffixes = {suffix.lower(): suffix for suffix in ANATOMICAL}
    named = {
        name: {**({"suffix": suffixes[name]} if name in suffixes else {}), **one}
        for name, one in content.items()
    }
    anatomical = {name: one for name, one in named.items() if _is_anatomical(name, one)}
    left_out = ", ".join(printable(name) for name in named if name not in anatomical)
    if named and not anatomical:
        raise ScanError(f"{printable(path)} asks for no anatomical scan: it has {left_out}")
    if left_out:
        on_note(f"note: {printable(path)} asks for {left_out} too, which are no anatomical scans")
    return list(anatomical.values())


def fits(path: Path, wanted: Filter) -> bool:
    """Whether a scan in `anat` is one of those that a filter asks for.

    Parameters
    ----------
    path : Path
        Of the scan.
    wanted : dict
        See `read_filters`.
    """
    entities, suffix = entities_of(path)
    has = {name: entities.get(key) for name, key in _KEYS.items()}
    has |= {"suffix": suffix, "datatype": "anat", "extension": "".join(path.suffixes[-2:]).lstrip(".")}
    return all(_fits_one(name, has[name], value) for name, value in wanted.items())


def _refuse_unknown(path: Path, filters: Iterable[Filter]) -> None:
    known = {*_KEYS, "suffix", "datatype", "extension"}
    if unknown := sorted({key for one in filters for key in one} - known):
        expected = ", ".join((*_LONG, *sorted(known - {*_LONG, *_LONG.values()})))
        raise ScanError(f"{printable(path)} asks for {printable(unknown[0])}: expected one of {expected}")


def _is_anatomical(name: str, wanted: Filter) -> bool:
    if name in _ELSEWHERE and not wanted.keys() & {"suffix", "datatype"}:
        return False
    asked = (("datatype", ("anat",)), ("suffix", ANATOMICAL))
    return all(any(_fits_one(key, one, wanted.get(key, one)) for one in some) for key, some in asked)


def _fits_one(name: str, label: str | None, value: Any) -> bool:
    if value == "*" or value is None:
        return (label is None) == (value is None)
    values = [str(v) for v in (value if isinstance(value, list) else [value])]
    if _KEYS.get(name) in _NUMBERS and label is not None and label.isdecimal():
        return int(label) in [int(v) for v in values if v.isdecimal()]
    if name == "extension":
        values = [v.lstrip(".") for v in values]
    return label in values
