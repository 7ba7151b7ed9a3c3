"""Warnings without names of files and folders, which may be a patient's: for what is burnt into pixels."""

import re
from collections.abc import Iterable
from pathlib import Path

from ..healthy.result import Reconstruction
from ..scan.names import bare_name, printable

_COMMON = frozenset(("brain", "dicom", "head", "image", "images", "mask", "scan", "series", "volume"))
"""Names that are nobody's, and words of warnings."""


def unnamed_warnings(result: Reconstruction) -> list[str]:
    """All warnings of a result, each once, with "…" where they name the scan or the mask.

    Parameters
    ----------
    result : Reconstruction
        Of the main job.

    Examples
    --------
    >>> without("no head found in Miller_J.nii: Miller_J", ["Miller_J", "Miller_J.nii"])
    'no head found in …: …'
    """
    said = (result.scan.path, result.provenance.get("input"), result.provenance.get("mask"))
    given = [Path(one) for one in said if one]
    paths = [path for one in given for path in (one, one.resolve())]  # a link, and what it leads to
    names = {name for path in paths for name in (path.name, bare_name(path))} | {result.name}
    return list(
        dict.fromkeys(without(warning, names) for warning in (*result.warnings, *result.scan.warnings))
    )


def without(text: str, names: Iterable[str]) -> str:
    """Text with "…" in place of names that stand alone in it.

    Parameters
    ----------
    text : str
        Of a user's message, printable.
    names : iterable of str
        As they are on disk; the longest goes first.
    """
    shown = {printable(name) for name in names if name.casefold() not in _COMMON} - {""}
    for name in sorted(shown, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return text
