"""Which series are worked on: rules of a file about geometry and tags.

Whether it is a head, its image says: the job refuses what is none.
"""

import tomllib
from dataclasses import dataclass, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints
from warnings import catch_warnings, simplefilter

import numpy as np

from ...scan import ScanError
from ...scan.dicom_file import DAMAGED, open_dicom, text_of
from ...scan.dicom_planes import SourcePlanes, read_planes
from ...scan.dicom_series import DERIVED, contents_of, files_in, series_in
from ...scan.errors import MissingPlanes
from ...scan.names import printable
from ..maker import NAME
from ..reference import reference_of
from .errors import NodeError

DEFAULT = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True)
class Rules:
    """What a series must be; the file `rules.toml` says what each means.

    Parameters
    ----------
    modalities : tuple of str
        Such as MR.
    derived : bool
        Whether derived images are taken.
    least_planes : int
        Fewer are no volume.
    thickest_mm : float
        Largest distance of planes.
    least_mm, most_mm : float
        Of the volume, along each of its sides.
    only, without : tuple of str
        Words of the description.
    """

    modalities: tuple[str, ...]
    derived: bool
    least_planes: int
    thickest_mm: float
    least_mm: float
    most_mm: float
    only: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """What is to be done with a series.

    Parameters
    ----------
    discarded, lacking, wrong : str
        Why it is not wanted; what it may still be waited for; why it cannot be used. All empty: it is taken.
    """

    discarded: str = ""
    lacking: str = ""
    wrong: str = ""


def read_rules(path: Path | None = None) -> Rules:
    """Rules of a file, over the default ones.

    Parameters
    ----------
    path : Path, optional
        TOML.

    Raises
    ------
    NodeError
        It cannot be read, has a line that is no rule, or one of another type.
    """
    given = _table(DEFAULT)
    kinds = get_type_hints(Rules)
    if path is not None:
        own = _table(path)
        if unknown := sorted(own.keys() - kinds.keys()):
            raise NodeError(f"{path.name} has no rule {unknown[0]}: expected {', '.join(kinds)}")
        given |= own
    values: dict[str, Any] = {}
    for one in fields(Rules):
        value, kind = given[one.name], kinds[one.name]
        if get_origin(kind) is tuple:
            fits = isinstance(value, list) and all(isinstance(v, get_args(kind)[0]) for v in value)
            values[one.name] = tuple(value) if fits else value
        else:
            fits = type(value) is kind or (kind is float and type(value) is int)
            values[one.name] = kind(value) if fits else value
        if not fits:
            word = "a list of texts" if get_origin(kind) is tuple else kind.__name__
            raise NodeError(f"{path and path.name} has {one.name} = {value!r}: expected {word}")
    rules = Rules(**values)
    if wrong := _contradiction(rules):
        raise NodeError(f"{path and path.name} would discard all series: {wrong}")
    return replace(rules, modalities=tuple(one.strip().upper() for one in rules.modalities))


def _contradiction(rules: Rules) -> str:
    """Why no series can be as these rules say; empty where one can."""
    for name in ("modalities", "only", "without"):
        if not all(word.strip() for word in getattr(rules, name)):
            return f"{name} has an empty word"
    if not rules.modalities:
        return "modalities names none"
    for name in ("least_planes", "thickest_mm", "least_mm", "most_mm"):
        if not (isfinite(value := getattr(rules, name)) and value > 0):
            return f"{name} = {value:g} is no size"
    if rules.least_mm > rules.most_mm:
        return f"least_mm = {rules.least_mm:g} is more than most_mm = {rules.most_mm:g}"
    return ""


def judge(folder: Path, rules: Rules) -> Judgement:
    """What is to be done with a series, by its headers.

    Parameters
    ----------
    folder : Path
        With its objects.
    rules : Rules
        That hold.
    """
    with catch_warnings():
        simplefilter("ignore")  # pydicom's, of values
        return _judged(folder, rules)


def _judged(folder: Path, rules: Rules) -> Judgement:
    try:
        if discarded := _by_tags(folder, rules):
            return Judgement(discarded=discarded)
        planes = read_planes(folder)
        reference_of(planes)
    except MissingPlanes as error:
        return Judgement(lacking=_sentence(error))
    except ScanError as error:
        return Judgement(wrong=_sentence(error))
    except DAMAGED as error:  # tags that nobody thought of
        return Judgement(
            wrong=f"{folder.name} cannot be used: {type(error).__name__} when its tags were read"
        )
    return Judgement(discarded=_by_geometry(planes, rules))


def _by_tags(folder: Path, rules: Rules) -> str:
    found = series_in(contents_of(files_in(folder, deep=False)))
    if not found:
        return ""  # reading it says why
    path, first = found[0].images[0]
    description = found[0].description.casefold()
    if text_of(open_dicom(path, pixels=False, tags=["Manufacturer"]), "Manufacturer") == NAME:
        return f"{NAME} made it"
    asides = {one.aside for one in found} - {""}
    if rules.derived:
        asides -= {DERIVED}
    if asides and all(one.aside for one in found):
        return f"it is {sorted(asides)[0]}"
    if (modality := text_of(first, "Modality").upper()) not in rules.modalities:
        return f"its modality is {printable(modality) or 'not said'}, not {' or '.join(rules.modalities)}"
    for word in rules.without:
        if word.casefold() in description:
            return f'its description has the word "{word}"'
    if rules.only and not any(word.casefold() in description for word in rules.only):
        return f"its description has none of the words {', '.join(rules.only)}"
    return ""


def _by_geometry(source: SourcePlanes, rules: Rules) -> str:
    count = len(source.planes)
    if count < rules.least_planes:
        return f"it has {count} planes, less than {rules.least_planes}"
    steps = np.linalg.norm(source.affine[:3, :3], axis=0)
    if steps[2] > rules.thickest_mm:
        return f"its planes are {steps[2]:.1f} mm apart, more than {rules.thickest_mm:g}"
    sides = steps * source.shape
    if sides.min() < rules.least_mm:
        return f"it shows {sides.min():.0f} mm along one side, less than {rules.least_mm:g}"
    if sides.max() > rules.most_mm:
        return f"it shows {sides.max():.0f} mm along one side, more than {rules.most_mm:g}"
    return ""


def _sentence(error: ScanError) -> str:
    return str(error).partition("\n")[0]


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise NodeError(f"{path.name} cannot be read: expected rules in TOML") from error
    except tomllib.TOMLDecodeError as error:
        raise NodeError(f"{path.name} is no TOML: {error}") from error
