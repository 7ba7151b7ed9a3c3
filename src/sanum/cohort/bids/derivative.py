"""What makes the output folder a BIDS derivative: its description, and a sidecar for each image."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from ... import __version__
from ...files import parse_json
from ...methods.api import OutputSpec
from ...methods.common.saving import sidecar_of
from ...scan import ScanError, atomic_path
from ...scan.names import printable
from ..inputs import Item
from ..record import Record
from ..tables import alone
from .dataset import DESCRIPTION

IGNORED = (
    *(".sanum*", "*_map.nii.gz", "*_map.json", "*_lesions.json", "*_record.json"),
    *("*.html", "run*.json", "*.tsv"),
)
"""What BIDS has no names for: the uncertainty, the records, the pages, the tables."""

README = """\
# sanum: healthy anatomy, anomalies and uncertainty

Made by sanum from the data set that dataset_description.json links to.
Research use only. Not a medical device.

sub-*/**/anat/ holds, for each scan and on its grid:

* *_desc-anatomy_T1w.nii.gz: the healthy anatomy as T1w, predicted, not measured; white matter is near 1
* *_desc-anomaly_probseg.nii.gz: probability of an anomaly
* *_desc-anomaly_mask.nii.gz: where it is above 0.5
* *_lesions.tsv, *_lesions.json: the parts of that mask, one row each, and what the columns are
* *_desc-uncertainty_map.nii.gz: expected absolute error of the anatomy
* *_desc-brain_mask.nii.gz: the brain
* *_report.html: a page to look at
* *_record.json: what these were made from

sub-*.html shows the scans of a subject. volumes.tsv and qc.tsv have one line a scan, failed.tsv one for each
scan that failed; group.html and group.tsv are about the whole cohort. BIDS has no names for the uncertainty
map, the records, the pages and the tables: .bidsignore lists them.
"""

_IMAGE = ".nii.gz"
_READMES = ("README", "README.md", "README.rst", "README.txt")


def require_own(output: Path) -> None:
    """Raise `ScanError` if `output` is a data set of something else.

    Parameters
    ----------
    output : Path
        The output folder; it may be missing.
    """
    path = output / DESCRIPTION
    if os.path.lexists(path) and _own(path) is None:
        raise ScanError(f"{printable(output)} is a data set that sanum did not make: choose another folder")


def raw_of(output: Path) -> Path:
    """The data set that a derivative says it was made from; where it does not say, the output folder itself.

    Parameters
    ----------
    output : Path
        The output folder.
    """
    with suppress(KeyError, TypeError, AttributeError):
        link = (_own(output / DESCRIPTION) or {})["DatasetLinks"]["raw"]
        return output / os.fsdecode(unquote_to_bytes(link))
    return output


def describe(root: Path, output: Path) -> None:
    """Write what makes `output` a BIDS derivative of `root`, by this version; what others added stays.

    Parameters
    ----------
    root : Path
        A BIDS data set.
    output : Path
        The output folder.

    Raises
    ------
    ScanError
        It cannot be written.
    """
    with alone(output):
        path, ignored = output / DESCRIPTION, output / ".bidsignore"
        lines = ignored.read_text(encoding="utf-8", errors="replace").splitlines() if ignored.exists() else []
        lines += [pattern for pattern in IGNORED if pattern not in lines]
        _write_changed(ignored, "".join(f"{line}\n" for line in lines))
        if not any((output / name).exists() for name in _READMES):
            _write_changed(output / "README", README)
        description: Record = {
            "Name": "sanum: healthy anatomy, anomalies and uncertainty",
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{}],
            "DatasetLinks": {},
            **(_own(path) or {}),
        }
        by, *others = description["GeneratedBy"]
        description["GeneratedBy"] = [{**by, "Name": "sanum", "Version": __version__}, *others]
        to_raw = quote(os.fsencode(Path(os.path.relpath(root, output)).as_posix()))
        description["DatasetLinks"] = {**description["DatasetLinks"], "raw": to_raw}
        _write_changed(path, json.dumps(description, indent=2) + "\n")


def sidecars(item: Item, record: Record, *, root: Path, specs: Mapping[str, OutputSpec]) -> dict[str, str]:
    """Name and text of the JSON file beside each image of an item.

    Parameters
    ----------
    item : Item
        Of the data set.
    record : dict
        Of its results.
    root : Path
        Of the data set, absolute.
    specs : mapping of str to OutputSpec
        The outputs of the job; those that are images get a file.
    """
    raw = f"bids:raw:{quote(os.fsencode(Path(os.path.relpath(item.path, root)).as_posix()))}"
    source = {
        "Sources": [raw],
        "SpatialReference": raw,
        "SoftwareName": "sanum",
        "SoftwareVersion": record["version"],
        "Weights": record.get("weights"),
        "WeightsSHA256": record.get("weights_sha256"),
    }
    known = {key: value for key, value in source.items() if value is not None}
    return {
        f"{record['outputs'][name].removesuffix(_IMAGE)}.json": json.dumps(
            {**sidecar_of(spec), **known}, indent=2
        )
        + "\n"
        for name, spec in specs.items()
        if spec.extension == _IMAGE and name in record["outputs"]
    }


def _own(path: Path) -> dict[str, Any] | None:
    """A description that sanum wrote; None where there is none."""
    with suppress(OSError, ValueError, KeyError, TypeError, IndexError):
        description = parse_json(path.read_text(encoding="utf-8"))
        if description["GeneratedBy"][0]["Name"] == "sanum":
            return dict(description)
    return None


def _write_changed(path: Path, text: str) -> None:
    if path.exists() and path.read_bytes() == text.encode():
        return
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
