"""Which contrast a word, a file name or free text speaks of."""

import re
from pathlib import Path

from .names import ENTITIES, bare_name

_WORDS_OF = {
    "T1w": "t1 t1w t1wi t1n t1native t1wnative t1precontrast mprage mp2rage unit1 inplanet1 bravo spgr fspgr",
    "T1wCE": "t1ce t1wce t1c t1wc t1gd t1wgd t1gad t1wgad t1contrast t1wcontrast t1postcontrast t1postgd "
    "t1wpostcontrast t1wpostgd t1postgad t1enhanced t1km t1wkm",
    "T2w": "t2 t2w t2wi inplanet2",
    "FLAIR": "flair t2flair t2wflair t2f fla darkfluid t2darkfluid",
    "PD": "pd pdw protondensity",
    "DWI": "dwi trace tracew dwitrace isodwi",
    "ADC": "adc adcmap dwiadc",
    "CT": "ct ncct cect headct",
    "T2starw": "t2star t2starw",
    "SWI": "swi",
    "bold": "bold",
    "pet": "pet",
}
_CONTRAST_OF = {word: contrast for contrast, words in _WORDS_OF.items() for word in words.split()}
"""The last four are no contrasts that a network knows: they are told apart, so as not to be guessed."""

_PLAIN = frozenset(("t1", "t1w", "t2", "t2w", "dwi"))
"""First words of contrasts that are written in several, such as "t1 post gd"."""

_ALONE = frozenset(("pd", "fl", "trace"))
"""Words that mean something else in the middle of a name: Parkinson's disease, Florida."""

_PROCESSED = re.compile(
    r"brain|bet|(skull)?strip(ped)?|ss|defaced?|(co)?reg(istered)?|mni(152)?|sri(24)?|space|to|in|warped|"
    r"(non)?lin|iso(\d+mm)?|\d+mm(iso)?|n4|masked|bias(corr(ected)?)?|corr(ected)?|norm(ali[sz]ed)?|pp|"
    r"prep(roc(essed)?)?|resampled|[23]d|ax(ial)?|sag(ittal)?|cor(onal)?|tra"
)
_LINKS = frozenset(("to", "2", "in", "on", "onto", "over", "from", "minus", "vs", "and", "reg", "coreg"))
_GLUED = re.compile(r"(?<=[a-z0-9])(T1w|T1W|T2w|T2W|FLAIR|MPRAGE|PDw)$")
_NO_AGENT = frozenset(("", "none", "no", "n", "na", "0", "without", "native", "pre", "unknown", "false"))


def contrast_named(word: str) -> str | None:
    """Contrast that one word means, in any spelling that data sets use; None for other words.

    Parameters
    ----------
    word : str
        One of `contrast.CONTRASTS` ("unknown" too), a BIDS suffix, or another name of a contrast, in any
        case, with or without separators.

    Examples
    --------
    >>> contrast_named("T1-Gd"), contrast_named("t2f"), contrast_named("UNIT1"), contrast_named("flute")
    ('T1wCE', 'FLAIR', 'T1w', None)
    """
    plain = re.sub(r"[\s_.+-]", "", word.lower())
    return "unknown" if plain == "unknown" else _CONTRAST_OF.get("flair" if plain == "fl" else plain)


def is_agent(text: str) -> bool:
    """Whether the value of a tag or an entity names a contrast agent, rather than none.

    Parameters
    ----------
    text : str
        Such as "gadolinium", "Gadovist 7.5 ml" or "NONE".
    """
    words = re.split(r"[^a-z0-9]+", text.lower().strip())
    return words[0] not in _NO_AGENT and "without" not in words


def contrast_of(path: str | Path) -> str | None:
    """Contrast that a file name ends in, or None; words of processing may follow it.

    A name that speaks of two contrasts, as one registered to the other, has none.

    Parameters
    ----------
    path : str or Path
        A file or a folder; only its name counts.

    Returns
    -------
    str or None
        One of `contrast.CONTRASTS`, or the BIDS suffix of another kind of scan, such as "T2starw".

    Examples
    --------
    >>> contrast_of("sub-1_T2w.nii.gz"), contrast_of("head_ct.nii"), contrast_of("scan.nii.gz")
    ('T2w', 'CT', None)
    >>> contrast_of("sub-1_ce-gd_T1w_brain.nii.gz"), contrast_of("BraTS-GLI-00001-000-t2f.nii.gz")
    ('T1wCE', 'FLAIR')
    """
    name = re.sub(r"\d+[.,]\d+(?=mm)", "1", bare_name(path))
    parts = re.split(r"[_. ]+", name)
    if any(part.lower().startswith("inv-") for part in parts):  # one inversion of an MP2RAGE is no T1w
        return None
    agent = any(part.lower().startswith("ce-") and is_agent(part[3:]) for part in parts)
    words = [word for part in parts if not _is_entity(part) for word in part.split("-") if word]
    found, before = _last_contrast([_unglued(word) for word in words])
    if found is None or _speaks_of_another(found, before):
        return None
    return "T1wCE" if agent and found == "T1w" else found


def _is_entity(part: str) -> bool:
    """A part of a BIDS name such as "space-T1w", which says nothing of the contrast itself."""
    key, *labels = part.split("-")
    return len(labels) == 1 and key in ENTITIES


def _unglued(word: str) -> str:
    """A word in small letters, or the contrast that is glued to its end, as in "patient3FLAIR"."""
    glued = _GLUED.search(word)
    word = re.sub(r"^[23]d(?=t1|t2|flair)", "", word, flags=re.IGNORECASE)
    return "FL" if word == "FL" else (glued[0] if glued else word).lower()


def _last_contrast(words: list[str]) -> tuple[str | None, list[str]]:
    """The contrast at the end, and the words before it."""
    kept = list(words)
    while kept and _PROCESSED.fullmatch(kept[-1]) and len(kept) > 1:
        kept.pop()
    if not kept:
        return None, []
    if kept[-1] == "FL" or (kept[-1] == "fl" and len(words) == 1):
        return ("FLAIR", kept[:-1]) if len(kept) == len(words) else (None, [])
    for many in (3, 2):
        phrase = kept[-many:]
        if len(phrase) == many and phrase[0] in _PLAIN and "".join(phrase) in _CONTRAST_OF:
            return _CONTRAST_OF["".join(phrase)], kept[:-many]
    if kept[-1] in _ALONE and len(kept) < len(words):
        return None, []
    return _CONTRAST_OF.get(kept[-1]), kept[:-1]


def _speaks_of_another(found: str, before: list[str]) -> bool:
    """Whether the name is of an image in the space of `found`, a difference of two, or of two at once."""
    if not before:
        return False
    linked = before[-1] in _LINKS
    others = {_CONTRAST_OF[word] for word in before if word in _CONTRAST_OF} - {found}
    return (linked and bool(others)) or (found == "FLAIR" and before[-1] in ("t1", "t1w"))


def contrast_in_words(text: str) -> str | None:
    """Contrast that free text (a DICOM series description) speaks of, or None where it is unclear.

    Parameters
    ----------
    text : str
        Any words.

    Examples
    --------
    >>> contrast_in_words("FSE PD AXIAL OBL"), contrast_in_words("t2_tirm_tra_dark-fluid")
    ('PD', 'FLAIR')
    >>> contrast_in_words("T1 AX +C"), contrast_in_words("ep2d_diff_3scan_trace_p2_ADC")
    ('T1wCE', 'ADC')
    """
    lower = text.lower()
    words = set(re.split(r"[^a-z0-9*+]+", lower.replace("+c", " +c ").replace("+ c ", " +c ")))
    if words & {"inv1", "inv2"}:
        return None
    hits_of = {
        "DWI": words & {"dwi", "dti", "diff", "diffusion", "trace", "tracew"},
        "T2starw": words & {"t2*", "t2star", "t2starw", "swi", "swan", "hemo"},
        "T1w": words & {"t1", "t1w", "mprage", "mp2rage", "mpr", "spgr", "fspgr", "bravo"},
        "T2w": words & {"t2", "t2w"},
        "PD": words & {"pd", "pdw", "proton"},
    }
    found = [contrast for contrast, hits in hits_of.items() if hits]
    if set(found) <= {"DWI"} and (words & {"adc"} or "apparent diffusion coeff" in lower):
        return None if words & {"dwi", "eadc"} else "ADC"
    if words & {"flair", "fluid", "darkfluid"} and set(found) <= {"T2w"}:
        return "FLAIR"
    if words & {"t1c", "t1ce", "t1gd"} and not found:
        return "T1wCE"
    agent = words & {"+c", "gd", "gad", "gado", "ce", "km", "postcontrast"} or "post contrast" in lower
    if found == ["T1w"] and agent and not words & {"pre", "without", "native", "nativ", "no"}:
        return "T1wCE"
    return found[0] if len(found) == 1 else None
