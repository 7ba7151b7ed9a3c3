"""A sample's parameters as JSON and back: written by `sanum generate` beside each scan, and replayed."""

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from types import EllipsisType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ..files import parse_json
from ..space.box import Box
from .anatomy import Target
from .params import SampleParams

FORMAT = 3


class RecordError(ValueError):
    """A file that is no record, or one of another version."""


@dataclass(frozen=True)
class SampleRecord:
    """One sample of a run.

    Parameters
    ----------
    seed, index : int
        The run's seed and the sample's number in it.
    anatomy : str
        Its T1w, or its labels where there are only these, relative to the source.
    sha256 : str
        Of the T1w, if there is one, and its parcellation, one after the other.
    target : "real" or "rendered"
        Whether the healthy T1w was measured, or rendered from labels.
    labels : str
        Numbering of the labels: "dlmuse" or "freesurfer".
    shape : (3,) int
        Voxels of the sample's box.
    spacing_mm : float
        Edge of its voxels in mm.
    ignore_unknown : bool
        Unknown labels went to their neighbours.
    masks : tuple of (str, str)
        Name and SHA-256 of the lesion masks that the sample starts from.
    params : SampleParams
        Lesion masks by name, without their folder.
    """

    seed: int
    index: int
    anatomy: str
    sha256: str
    target: Target
    labels: str
    shape: tuple[int, int, int]
    spacing_mm: float
    ignore_unknown: bool
    masks: tuple[tuple[str, str], ...]
    params: SampleParams

    @property
    def box(self) -> Box:
        """Of the sample."""
        return Box(self.shape, self.spacing_mm)


def to_json(record: SampleRecord) -> str:
    """JSON text; numbers keep every bit.

    Parameters
    ----------
    record : SampleRecord
        Of a sample.
    """
    return json.dumps({"sanum_generate": FORMAT, **asdict(record)}, indent=2) + "\n"


def from_json(text: str) -> SampleRecord:
    """SampleRecord of a JSON text.

    Parameters
    ----------
    text : str
        Of `to_json`.

    Raises
    ------
    RecordError
        Not a record; one of another version.
    """
    try:
        data = parse_json(text)
    except ValueError as error:
        raise RecordError(f"not a record of sanum generate: no JSON ({error})") from None
    version = data.pop("sanum_generate", None) if isinstance(data, dict) else None
    if version is None:
        raise RecordError("not a record of sanum generate: expected its JSON file beside a generated scan")
    if version != FORMAT:
        raise RecordError(f"the record has version {version}, this sanum reads version {FORMAT}")
    try:
        record: SampleRecord = _decode(SampleRecord, data)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"the record is damaged: {error}") from None
    return record


def _decode(kind: Any, value: Any) -> Any:
    """Value of the annotated type `kind`: dataclasses and tuples are rebuilt, the rest is as in JSON."""
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        if set(value) != {f.name for f in fields(kind)}:
            raise KeyError(f"other fields than {kind.__name__} has")
        return kind(**{name: _decode(hints[name], x) for name, x in value.items()})
    if get_origin(kind) is UnionType:  # one thing, or None
        return None if value is None else _decode(get_args(kind)[0], value)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if isinstance(kinds[-1], EllipsisType):
            kinds = kinds[:1] * len(value)
        return tuple(_decode(k, x) for k, x in zip(kinds, value, strict=True))
    return value
