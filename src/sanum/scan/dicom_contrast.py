"""Which contrast a DICOM series has: by its modality, its words, and the times of its sequence."""

from pydicom.dataset import Dataset

from .dicom_file import DAMAGED, kinds_of, number_of, text_of
from .names import contrast_in_words

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
    "PROTON_DENSITY": "PDw",
    "FLUID_ATTENUATED": "FLAIR",
    "T2_STAR": "T2starw",
    "DIFFUSION": "dwi",
}
"""Values of AcquisitionContrast, which new scanners write."""


def contrast_by_words(header: Dataset) -> str | None:
    """CT by the modality; otherwise what the description, or it and the protocol's name, say.

    Parameters
    ----------
    header : Dataset
        Of a slice.
    """
    if text_of(header, "Modality") == "CT":
        return "CT"
    description = text_of(header, "SeriesDescription")
    return (
        contrast_in_words(description)
        or contrast_in_words(f"{description} {text_of(header, 'ProtocolName')}")
        or _STATED.get(text_of(header, "AcquisitionContrast"))
    )


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
    return "PDw" if known and repetition >= 2000 and 8 <= echo <= 35 else None


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
