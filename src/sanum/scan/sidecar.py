"""What the JSON file beside a NIfTI file, as dcm2niix writes it, says of the contrast, by DICOM's rules."""

import warnings as python_warnings
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from ..files import parse_json, read_small
from .contrast import ASKS_USER, Decided
from .contrast_words import contrast_of
from .dicom_contrast import contrast_by_times, contrast_by_words
from .names import printable

MOST_BYTES = 1 << 20
"""Sidecars have some kB."""

_TEXT = {
    "Modality": "Modality",
    "SeriesDescription": "SeriesDescription",
    "ProtocolName": "ProtocolName",
    "MRAcquisitionType": "MRAcquisitionType",
    "ContrastBolusIngredient": "ContrastBolusAgent",
}
"""Keys of a sidecar, and the DICOM tags of the same meaning."""

_LISTS = ("ImageType", "ScanningSequence", "SequenceVariant")
_SECONDS = {"EchoTime": 1.0, "RepetitionTime": 60.0, "InversionTime": 20.0}
"""Times, and what they are below: a file with larger ones has not seconds."""


def sidecar_of(path: Path) -> Path | None:
    """Where the JSON file of a NIfTI file would be; None for other files.

    Parameters
    ----------
    path : Path
        The scan.
    """
    ending = next((e for e in (".nii.gz", ".nii") if path.name.lower().endswith(e)), None)
    return path.with_name(f"{path.name[: -len(ending)]}.json") if ending and path.name != ending else None


def contrast_beside(path: Path) -> tuple[Decided, tuple[str, ...]]:
    """What a NIfTI file's name, or else its sidecar, says that it is, and warnings.

    The sidecar adds the contrast agent to a T1w; where it says something else than the name, the name counts.

    Parameters
    ----------
    path : Path
        The scan; the sidecar may lack.
    """
    named, told, warnings = contrast_of(path), None, list[str]()
    try:
        told = _contrast_in(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        beside = printable((sidecar_of(path) or path).name)
        warnings.append(f"{beside} beside the scan cannot be used ({why}): it says nothing of the contrast")
    adds_agent = (named, told) == ("T1w", "T1wCE")
    lacks_agent = (named, told) == ("T1wCE", "T1w")  # not everybody writes it down
    if told is not None and (named is None or adds_agent):
        return Decided(told, "sidecar"), tuple(warnings)
    if told not in (None, named) and not lacks_agent:
        warnings.append(
            f"named {named}, but the JSON file beside it is of a {told}: taken as {named}; {ASKS_USER}"
        )
    return Decided(named, "file name"), tuple(warnings)


def _contrast_in(path: Path) -> str | None:
    beside = sidecar_of(path)
    try:
        content = None if beside is None else read_small(beside, MOST_BYTES)
    except FileNotFoundError:
        return None
    if content is None:
        return None
    said = parse_json(content)
    if not isinstance(said, dict):
        raise ValueError("it is no table")
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # pydicom's, of values that are no DICOM
        header = _header(said)
        by_times = contrast_by_times(header)
        return contrast_by_words(header) or (by_times[0] if by_times else None)


def _header(said: dict[str, Any]) -> Dataset:
    """The tags of a DICOM file that a sidecar's entries come from; what has no usable value is left out."""
    header = Dataset()
    header.Modality = "MR"
    for key, tag in _TEXT.items():
        if isinstance(value := said.get(key), str):
            setattr(header, tag, value.replace("\\", " "))
    for tag in _LISTS:
        value = said.get(tag)
        values = value.replace("\\", "_").split("_") if isinstance(value, str) else value
        if isinstance(values, list) and all(isinstance(one, str) and "\\" not in one for one in values):
            setattr(header, tag, values)
    times = {tag: said[tag] for tag in _SECONDS if type(said.get(tag)) in (int, float)}
    if all(0 <= times[tag] < _SECONDS[tag] for tag in times):
        for tag, seconds in times.items():
            setattr(header, tag, round(1000 * seconds, 4))
    angle = said.get("FlipAngle")
    if isinstance(angle, (int, float)) and 0 <= angle <= 360:
        header.FlipAngle = round(angle, 4)
    return header
