"""Which contrast a DICOM series has: by its modality, its words, b-value, and the times of its sequence."""

import re
from math import isfinite

from pydicom.dataset import Dataset

from .contrast_words import contrast_in_words, is_agent
from .dicom_file import DAMAGED, kinds_of, number_of, text_of

_NO_IMAGE_OF_TISSUE = frozenset(
    (
        *("P", "PHASE", "PHASE_MAP", "PHASE MAP", "I", "IMAGINARY", "R", "REAL", "VELOCITY", "PC"),
        *("UNI", "T1 MAP", "T1_MAP", "T2 MAP", "T2_MAP", "T2_STAR MAP", "T2STAR_MAP", "R1", "R2"),
        *("ADC", "EADC", "FA", "TRACEW", "DIFFUSION", "B0", "FIELD_MAP", "CBF", "CBV", "MTT", "TTP", "ASL"),
        *("PROJECTION IMAGE", "MIP", "MNIP", "MINIP"),
    )
)
"""Values of ImageType of phases, maps and the like, of which times of the sequence say nothing."""

_STATED = {
    "T1": "T1w",
    "T2": "T2w",
    "PROTON_DENSITY": "PD",
    "FLUID_ATTENUATED": "FLAIR",
    "T2_STAR": "T2starw",
    "DIFFUSION": "DWI",
}
"""Values of AcquisitionContrast, which new scanners write."""

_MAPS = frozenset(
    (
        *("EADC", "FA", "CBF", "CBV", "MTT", "TTP", "FIELD_MAP", "T1 MAP", "T1_MAP", "T2 MAP", "T2_MAP"),
        *("T2_STAR MAP", "T2STAR_MAP", "R1", "R2"),
    )
)
"""Values of ImageType of maps, whose descriptions speak of the scan that they were made from."""

_PRIVATE_B = (
    (0x0019, "SIEMENS MR HEADER", 0x0C),
    (0x0043, "GEMS_PARM_01", 0x39),
    (0x2001, "Philips Imaging DD 001", 0x03),
)
"""Group, creator and element of the b-value where the standard tag lacks."""

_GE_OFFSET = 1_000_000_000  # that GE adds to a b-value of several directions
_LEAST_B, _NO_B = 500.0, 100.0  # s/mm²: from here an image is diffusion-weighted; to here it is none

CONTRAST_TAGS: tuple[str | int, ...] = (
    *("ImageType", "Modality", "SeriesDescription", "ProtocolName", "ScanningSequence", "SequenceVariant"),
    *("MRAcquisitionType", "RepetitionTime", "EchoTime", "InversionTime", "FlipAngle", "AngioFlag"),
    *("AcquisitionContrast", "ContrastBolusAgent", "ContrastBolusAgentSequence", "DiffusionBValue"),
    *(group << 16 | 0x10 for group, _, _ in _PRIVATE_B),
    *(group << 16 | 0x1000 | element for group, _, element in _PRIVATE_B),
)
"""All that is looked at here."""


def contrast_by_words(header: Dataset) -> str | None:
    """CT by the modality; otherwise what the kind of image and the description say.

    Where the description is silent, it and the protocol's name together, or the b-value. A T1w with a
    contrast agent is a T1wCE; an image without diffusion weighting, and a map, have none.

    Parameters
    ----------
    header : Dataset
        Of a slice.
    """
    if text_of(header, "Modality") == "CT":
        return "CT"
    kinds = set(kinds_of(header))
    if "ADC" in kinds:
        return "ADC"
    if kinds & _MAPS:
        return None
    description, b_value = text_of(header, "SeriesDescription"), b_value_of(header)
    found = (
        contrast_in_words(description)
        or contrast_in_words(f"{description} {text_of(header, 'ProtocolName')}")
        or _STATED.get(text_of(header, "AcquisitionContrast"))
        or ("DWI" if "TRACEW" in kinds or (b_value or 0) >= _LEAST_B else None)
    )
    if found == "DWI" and b_value is not None and b_value <= _NO_B:
        return None
    return _with_agent(found, header)


def b_value_of(header: Dataset) -> float | None:
    """Diffusion weighting in s/mm², by the standard tag or the scanner maker's own; None if not said.

    Parameters
    ----------
    header : Dataset
        Of a slice.
    """
    if (b_value := number_of(header, "DiffusionBValue")) is not None:
        return b_value
    for group, creator, element in _PRIVATE_B:
        try:
            value = header.private_block(group, creator)[element].value
            value = value.decode("ascii") if isinstance(value, bytes) else value
            first = str(value if isinstance(value, (str, int, float)) else value[0]).split("\\")[0]
            b_value = float(first) % _GE_OFFSET
        except DAMAGED:
            continue
        if isfinite(b_value):
            return b_value
    return None


def _with_agent(contrast: str | None, header: Dataset) -> str | None:
    """T1wCE for a T1w whose header names a contrast agent, unless its description says: before it."""
    if contrast != "T1w":
        return contrast
    named = text_of(header, "ContrastBolusAgent") or str(
        nested(header, "ContrastBolusAgentSequence", "CodeMeaning") or ""
    )
    before = {"pre", "native", "nativ", "without"} & set(
        re.split(r"[^a-z]+", text_of(header, "SeriesDescription").lower())
    )
    return "T1wCE" if is_agent(named) and not before else contrast


def contrast_by_times(header: Dataset) -> tuple[str, str] | None:
    """Contrast that the times of an MR sequence leave no doubt about, and these times in words.

    Echo planar images, phases, maps and whatever could be two things have none. The ranges are those of brain
    scans at 1 to 3 T.

    Parameters
    ----------
    header : Dataset
        Of a slice.
    """
    kinds = set(kinds_of(header))
    if text_of(header, "Modality") != "MR" or kinds & _NO_IMAGE_OF_TISSUE:
        return None
    echo, repetition = number_of(header, "EchoTime"), number_of(header, "RepetitionTime")
    inversion = number_of(header, "InversionTime") or 0.0
    if not echo or not repetition or min(echo, repetition, inversion) < 0:
        return None
    sequence = set(text_of(header, "ScanningSequence").upper().split())
    if "EP" in sequence:
        return None
    if inversion:
        found = _inverted(echo, repetition, inversion)
    elif "IR" in sequence:
        found = None
    elif "GR" in sequence:
        found = _gradient_echo(header, echo, repetition) if "SE" not in sequence else None
    else:
        found = _spin_echo(echo, repetition, known="SE" in sequence)
    if found is None:
        return None
    found = _with_agent(found, header) or found
    times = f"TE {echo:.4g} ms, TR {repetition:.4g} ms"
    return found, f"{times}, TI {inversion:.4g} ms" if inversion else times


def _inverted(echo: float, repetition: float, inversion: float) -> str | None:
    """FLAIR nulls fluid and has long echoes; MPRAGE and T1 FLAIR have short ones; STIR has a short TI."""
    if inversion >= 1500 and repetition >= 4000 and echo >= 70:
        return "FLAIR"
    if 400 <= inversion <= 1300 and echo <= 30 and (repetition <= 15 or 1000 <= repetition <= 3500):
        return "T1w"
    return None


def _spin_echo(echo: float, repetition: float, *, known: bool) -> str | None:
    """By TR and TE; without `known`, what could be a gradient echo or an inversion is left unknown."""
    if 250 <= repetition <= 900 and echo <= (30 if known else 20) and (known or echo >= 7):
        return "T1w"
    if known and repetition >= 2000 and 70 <= echo <= 500:
        return "T2w"
    if not known and 2000 <= repetition <= 6000 and 80 <= echo <= 130:
        return "T2w"
    return "PD" if known and repetition >= 2000 and 8 <= echo <= 35 else None


def _gradient_echo(header: Dataset, echo: float, repetition: float) -> str | None:
    """Late echoes are T2*; a spoiled one of a few ms in 3D at a middle flip angle is T1w."""
    flip = number_of(header, "FlipAngle") or 0.0
    if 15 <= echo <= 60 and flip <= 35 and repetition >= 25:
        return "T2starw"
    prepared = set(text_of(header, "SequenceVariant").upper().split()) & {"SP", "MP"}
    angiogram = text_of(header, "AngioFlag").upper() == "Y"
    in_3d = text_of(header, "MRAcquisitionType").upper() == "3D"
    if prepared and in_3d and not angiogram and echo <= 6 and repetition <= 15 and 8 <= flip <= 20:
        return "T1w"
    return None


def nested(header: Dataset, *path: str) -> object | None:
    """Value of a tag in the first items of sequences, None where one lacks.

    Parameters
    ----------
    header : Dataset
        Where the first sequence is.
    *path : str
        Keywords of the sequences, then of the tag.
    """
    try:
        for keyword in path[:-1]:
            header = header[keyword].value[0]
        value: object = header[path[-1]].value
    except DAMAGED:
        return None
    return value
