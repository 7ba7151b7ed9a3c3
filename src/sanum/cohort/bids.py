"""A BIDS data set: which of its scans are done, and what describes the results.

Results go to the folder of the scan below the output folder, which is a BIDS derivative.
"""

import json
import os
from collections.abc import Collection, Generator, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..scan import ScanError, atomic_path
from ..scan.names import entities_of, folder_name, shown
from .inputs import Item, refuse_collisions
from .memory import BASE, NETWORK, need_of
from .record import Record
from .work import Outcome

ANATOMICAL = ("T1w", "T2w", "PDw", "FLAIR", "T2starw", "UNIT1")
"""Suffixes of the scans that are done."""

DESCRIPTION = "dataset_description.json"
IGNORED = (".sanum*", "*_map.nii.gz", "*_map.json", "*_record.json", "*.html", "run.json", "*.tsv")
"""What BIDS has no names for: the uncertainty, the records, the pages, the tables over all scans."""

_LONG = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "ceagent": "ce", "reconstruction": "rec",
    "inv": "inv", "run": "run", "echo": "echo", "part": "part",
}  # fmt: skip
_NUMBERS = ("run", "echo", "inv")

Query = dict[str, Any]

_SIDECARS: tuple[Record, ...] = (
    {
        "Description": "Predicted healthy anatomy, as T1w; not measured",
        "SkullStripped": True,
        "Units": "arbitrary (white matter is near 1)",
    },
    {"Description": "Probability of an anomaly", "Units": "arbitrary (0 to 1)"},
    {"Description": "Probability of an anomaly above 0.5", "Type": "Lesion"},
    {
        "Description": "Expected absolute error of the healthy anatomy",
        "Units": "arbitrary (white matter is 1)",
    },
    {"Description": "Brain", "Type": "Brain"},
)  # in the order of `reconstruction.output_names`


def read_queries(path: Path) -> list[Query]:
    """Queries of a filter file, as fMRIPrep's: `{"t1w": {"session": "01", "run": [1, 2]}}`.

    A query named after a suffix asks for that suffix, unless it says another. Values: a label or number, a
    list of them, null (the entity must be absent) or "*" (must be there).

    Raises
    ------
    ScanError
        The file is none, or names what no scan here has.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScanError(f"{shown(path)} cannot be read: expected a filter file in JSON") from error
    if not isinstance(told, dict) or not all(isinstance(query, dict) for query in told.values()):
        raise ScanError(
            f'{shown(path)} is no filter file: expected {{"t1w": {{"session": "01"}}}} or the like'
        )
    suffixes = {suffix.lower(): suffix for suffix in ANATOMICAL}
    queries = [
        {**({"suffix": suffixes[name]} if name in suffixes else {}), **query} for name, query in told.items()
    ]
    known = (*_LONG, "suffix", "datatype")
    if unknown := sorted({key for query in queries for key in query} - set(known)):
        raise ScanError(f"{shown(path)} asks for {shown(unknown[0])}: expected one of {', '.join(known)}")
    return queries


def select(
    root: Path,
    *,
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    queries: Iterable[Query] | None = None,
) -> list[Item]:
    """List the anatomical scans of a BIDS data set, sorted.

    Parameters
    ----------
    participants, sessions : labels
        With or without "sub-" and "ses-"; none: all.
    queries : list of dict, optional
        See `read_queries`; a scan is taken if one of them fits.

    Raises
    ------
    ScanError
        No BIDS data set, a label that nobody has, or no scan is left.
    """
    require_data_set(root)
    asked = {"sub": {p.removeprefix("sub-") for p in participants},
             "ses": {s.removeprefix("ses-") for s in sessions}}  # fmt: skip
    found = [
        path
        for pattern in ("sub-*/anat/*", "sub-*/ses-*/anat/*")
        for path in sorted(root.glob(pattern))
        if path.name.endswith((".nii", ".nii.gz")) and entities_of(path)[1] in ANATOMICAL
    ]
    for key, labels in asked.items():
        if missing := sorted(labels - {entities_of(path)[0].get(key) for path in found}):
            raise ScanError(
                f"no anatomical scan of {key}-{shown(missing[0])} in {shown(root)}: check the label"
            )
        found = [path for path in found if not labels or entities_of(path)[0].get(key) in labels]
    wanted = None if queries is None else list(queries)
    items = [
        Item(path, folder_name(path.parent.relative_to(root)))
        for path in found
        if wanted is None or any(_fits(path, query) for query in wanted)
    ]
    if not items:
        raise ScanError(f"no scan of {shown(root)} is left: expected {', '.join(ANATOMICAL)} in anat")
    refuse_collisions(items)
    return items


def require_data_set(root: Path) -> None:
    """Raise `ScanError` unless `root` says that it is a BIDS data set."""
    if not (root / DESCRIPTION).is_file():
        raise ScanError(f"{shown(root)} is no BIDS data set: expected {DESCRIPTION} in it")


def _fits(path: Path, query: Query) -> bool:
    entities, suffix = entities_of(path)
    has = {name: entities.get(key) for name, key in _LONG.items()} | {"suffix": suffix, "datatype": "anat"}
    return all(_one_fits(name, has[name], value) for name, value in query.items())


def _one_fits(name: str, label: str | None, value: Any) -> bool:
    if value == "*" or value is None:
        return (label is None) == (value is None)
    values = value if isinstance(value, list) else [value]
    if name in _NUMBERS and label is not None and label.isdecimal():
        return int(label) in [int(v) for v in map(str, values) if v.isdecimal()]
    return label in [str(v) for v in values]


def processes_within(items: Iterable[Item], wanted: int, limit_gb: float | None) -> int:
    """How many processes of `wanted`, one at least, stay below a limit of memory with the largest scan.

    An estimate, read off the headers; see `memory`.
    """
    items = list(items)
    wanted = min(wanted, len(items))
    if limit_gb is None or wanted == 1:
        return wanted
    need = BASE + NETWORK + max(need_of(item.path) for item in items)
    return max(1, min(wanted, int(limit_gb * 1e9 / need)))


def describe(root: Path, output: Path) -> None:
    """Write what makes `output` a BIDS derivative of `root`.

    Raises
    ------
    ScanError
        `output` is a data set of something else, or cannot be written to.
    """
    path = output / DESCRIPTION
    if path.exists():
        with suppress(OSError, ValueError, KeyError, TypeError, IndexError):
            if json.loads(path.read_text(encoding="utf-8"))["GeneratedBy"][0]["Name"] == "sanum":
                return
        raise ScanError(f"{shown(output)} is a data set that sanum did not make: choose another folder")
    to_raw = quote(Path(os.path.relpath(root, output)).as_posix())
    description = {
        "Name": "sanum: healthy anatomy, anomalies and uncertainty",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "sanum", "Version": __version__}],
        "DatasetLinks": {"raw": to_raw},
    }
    _write(output / ".bidsignore", "".join(f"{pattern}\n" for pattern in IGNORED))
    _write(path, json.dumps(description, indent=2) + "\n")


def described(work: Generator[Outcome], root: Path, output: Path) -> Generator[Outcome]:
    """Hand on outcomes, once the images of each have their JSON sidecars."""
    with closing(work):
        for outcome in work:
            for path, sidecar in _sidecars(outcome, root).items():
                text = json.dumps(sidecar, indent=2) + "\n"
                here = output / path
                if not here.exists() or here.read_text(encoding="utf-8") != text:
                    _write(here, text)
            yield outcome


def _sidecars(outcome: Outcome, root: Path) -> dict[Path, Record]:
    """Path below the output folder and content of each; none of a scan without results."""
    if not outcome.record:
        return {}
    place, record = outcome.item.place, outcome.record
    raw = quote(outcome.item.path.relative_to(root).as_posix())
    told = {
        "Sources": [f"bids:raw:{raw}"],
        "SpatialReference": f"bids:raw:{raw}",
        "SoftwareName": "sanum",
        "SoftwareVersion": record["version"],
        "Weights": record["weights"],
        "WeightsSHA256": record["weights_sha256"],
    }
    return {
        place / f"{name.removesuffix('.nii.gz')}.json": {**sidecar, **told}
        for name, sidecar in zip(record["outputs"], _SIDECARS, strict=False)
    }


def _write(path: Path, text: str) -> None:
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
