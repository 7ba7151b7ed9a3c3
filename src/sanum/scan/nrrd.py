"""Headers of NRRD (.nrrd, .nhdr), read strictly.

After "Definition of NRRD File Format", https://teem.sourceforge.net/nrrd/format.html.
"""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .text_header import (
    LPS_TO_RAS,
    UNKNOWN_SIZE,
    BadHeaderError,
    TextHeader,
    mm_in,
    one_file,
    real,
    reals,
    several_values,
    shown,
    sides_unknown,
    sizes_of,
    skipped,
    whole,
)

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        *("longlong", "long long", "long long int", "signed long long", "signed long long int"),
        *("int64", "int64_t"),
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_PACKINGS = {
    **{"raw": "raw", "gz": "gzip", "gzip": "gzip", "bz2": "bzip2", "bzip2": "bzip2", "hex": "hex"},
    **{"txt": "text", "text": "text", "ascii": "text"},
}
_AFTER_LPS = LPS_TO_RAS[:3, :3]
_SPACES = {
    "right-anterior-superior": np.eye(3),
    "left-anterior-superior": np.diag([-1.0, 1, 1]),
    "left-posterior-superior": _AFTER_LPS,
}
"""From the directions of a named space to RAS+."""

_SHORT = {"".join(word[0] for word in name.split("-")): name for name in _SPACES}
_NAMELESS = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
"""Spaces that say nothing of left and right; taken for LPS, as ITK does."""

_FIELDS = {
    *("type", "dimension", "sizes", "encoding", "endian", "data file", "line skip", "byte skip", "kinds"),
    *("space", "space dimension", "space units", "space origin", "space directions", "measurement frame"),
    *("spacings", "units", "thicknesses", "axis mins", "axis maxs", "centers", "labels", "content", "number"),
    *("min", "max", "old min", "old max", "block size", "sample units"),
}
_OTHER_NAMES = {name.replace(" ", ""): name for name in _FIELDS} | {"centerings": "centers"}
_OF_SPACE = (None, "domain", "space")
_OF_SERIES = (*_OF_SPACE, "time", "list", "scalar", "stub")
_VECTOR = re.compile(r"\(([^()]*)\)|none")
_MAGIC = re.compile(rb"NRRD(000[1-6]|00\.01)\r?\n")


def parse_nrrd(raw: bytes, what: str) -> TextHeader:
    """Header of a NRRD.

    Parameters
    ----------
    raw : bytes
        The beginning of the file, as long as a header may be.
    what : str
        The file, for messages.

    Raises
    ------
    BadHeaderError
        What is wrong with it.
    ScanError
        Voxels in several files.
    """
    fields, end = _fields(raw)
    dimensions = whole(_needed(fields, "dimension"), "dimension")
    if not 1 <= dimensions <= 16:
        raise BadHeaderError(f"expected a dimension of 1 to 16, got {dimensions}")
    sizes = sizes_of(_needed(fields, "sizes"), dimensions, "sizes")
    packing = _PACKINGS.get(_needed(fields, "encoding").lower())
    if packing is None:
        raise BadHeaderError(
            f"expected encoding raw, gzip, bzip2, ascii or hex, got {shown(fields['encoding'])}"
        )
    skip_lines = whole(fields.get("line skip", "0"), "line skip")
    skip_bytes = skipped(fields.get("byte skip", "0"), "byte skip")
    if skip_bytes < 0 and packing != "raw":
        raise BadHeaderError("expected byte skip -1 with encoding raw alone")
    kinds = _kinds(fields, dimensions)
    spatial, affine, warnings = _geometry(fields, kinds, dimensions)
    name = fields.get("data file")
    return TextHeader(
        sizes,
        spatial,
        _dtype(fields, packing),
        affine,
        packing=packing,
        data=None if name is None else one_file(name, what),
        start=end if name is None else 0,
        skip_lines=skip_lines,
        skip_bytes=skip_bytes,
        components=_components(sizes, spatial, kinds),
        warnings=warnings,
    )


def _fields(raw: bytes) -> tuple[dict[str, str], int]:
    """Fields by their names in lower case, and the byte after the empty line that ends them."""
    magic = _MAGIC.match(raw)
    if magic is None:
        raise BadHeaderError(f"expected NRRD0004 or the like as first line, got {shown(_text(raw[:20]))}")
    fields: dict[str, str] = {}
    at = magic.end()
    while at < len(raw):
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        line = _text(raw[at:end]).rstrip("\r")
        at = end + 1
        if not line.strip():
            return fields, min(at, len(raw))
        if line.startswith("#"):
            continue
        key, _, value = line.partition(":")
        if value.startswith("="):  # a free pair, which is no field
            continue
        key = key.strip().lower()
        key = _OTHER_NAMES.get(key, key)
        if key not in _FIELDS or key in fields:
            raise BadHeaderError(f"expected known fields, each once, got {shown(line)}")
        fields[key] = value.strip()
    if "data file" not in fields:
        raise BadHeaderError("expected an empty line after the header, found none")
    return fields, len(raw)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _needed(fields: Mapping[str, str], key: str) -> str:
    if not fields.get(key):
        raise BadHeaderError(f"expected a line with {key}, found none")
    return fields[key]


def _dtype(fields: Mapping[str, str], packing: str) -> np.dtype[np.generic]:
    name = " ".join(_needed(fields, "type").lower().split())
    kind = next((kind for kind, names in _TYPES.items() if name in names), None)
    if kind is None:
        raise BadHeaderError(f"expected a type like short or float, got {shown(name)}")
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower(), "")
    if not order and ("endian" in fields or (kind[1] != "1" and packing != "text")):
        raise BadHeaderError(f"expected endian little or big, got {shown(fields.get('endian', ''))}")
    return np.dtype(f"{order or '<'}{kind}")


def _kinds(fields: Mapping[str, str], dimensions: int) -> list[str | None]:
    if "kinds" not in fields:
        return [None] * dimensions
    words = fields["kinds"].lower().split()
    if len(words) != dimensions:
        raise BadHeaderError(f"expected {dimensions} kinds, got {shown(fields['kinds'])}")
    return [None if word in ("???", "none") else word for word in words]


def _components(sizes: Sequence[int], spatial: Sequence[int], kinds: Sequence[str | None]) -> str:
    """That a voxel has several values; "" where it has one."""
    for axis, kind in enumerate(kinds):
        if axis not in spatial and sizes[axis] != 1 and kind not in _OF_SERIES:
            if kind == "complex":
                return "is a complex image: expected real values; give its magnitude"
            return several_values(sizes[axis])
    return ""


def _geometry(
    fields: Mapping[str, str], kinds: Sequence[str | None], dimensions: int
) -> tuple[tuple[int, ...], npt.NDArray[np.float64], tuple[str, ...]]:
    """The axes of a volume, its affine (RAS+, mm), and what is not known of it."""
    to_ras, width, named = _space(fields)
    if width is None or "space directions" not in fields:
        spatial, axes, known = _spacings(fields, kinds, dimensions)
        named, missing = False, () if known else (UNKNOWN_SIZE,)
    else:
        spatial, axes = _directions(fields["space directions"], dimensions, width)
        _require_no_other(fields, spatial)
        missing = ()
    if any(kinds[n] not in _OF_SPACE for n in spatial):
        raise BadHeaderError(f"expected axes of space of kind domain, got kinds {shown(fields['kinds'])}")
    affine = np.eye(4)
    if len(spatial) < 3:
        return spatial, affine, ()
    affine[:3, :3] = axes
    if width is not None and "space origin" in fields:
        affine[:3, 3] = _vector(fields["space origin"], width)[:3]
    affine[:3] *= _factors(fields, width)[:, None]
    affine[:3] = to_ras @ affine[:3]
    return spatial, affine, sides_unknown(named) + missing


def _space(fields: Mapping[str, str]) -> tuple[npt.NDArray[np.float64], int | None, bool]:
    """From the world of the header to RAS+; numbers of a vector in it, if it has one; whether it is named."""
    if "space" not in fields:
        width = whole(fields["space dimension"], "space dimension") if "space dimension" in fields else None
        if width is not None and not 1 <= width <= 4:
            raise BadHeaderError(f"expected a space dimension of 1 to 4, got {width}")
        return _AFTER_LPS, width, False
    if "space dimension" in fields:
        raise BadHeaderError("expected space or space dimension, got both")
    name = fields["space"].lower()
    name = _SHORT.get(name, f"{_SHORT[name[:-1]]}-time" if name[:-1] in _SHORT and name[-1] == "t" else name)
    width = 4 if name.endswith("-time") else 3
    name = name.removesuffix("-time")
    if name not in _SPACES and name not in _NAMELESS:
        raise BadHeaderError(f"expected a space like left-posterior-superior, got {shown(fields['space'])}")
    return _SPACES.get(name, _AFTER_LPS), width, name in _SPACES


def _directions(text: str, dimensions: int, width: int) -> tuple[tuple[int, ...], npt.NDArray[np.float64]]:
    """The axes that lead through space, and where each leads (a column)."""
    words = [found[0] for found in _VECTOR.finditer(text)]
    if len(words) != dimensions or _VECTOR.sub("", text).strip():
        raise BadHeaderError(f"expected {dimensions} space directions, got {shown(text)}")
    vectors = [None if word == "none" else _vector(word, width) for word in words]
    if any(v is not None and v[:3].any() and v[3:].any() for v in vectors):
        raise BadHeaderError("expected directions of space and time that are not mixed")
    spatial = tuple(n for n, v in enumerate(vectors) if v is not None and v[:3].any())
    axes = np.eye(3)
    if len(spatial) > 3 or (len(spatial) < 3 <= min(dimensions, width)):
        raise BadHeaderError(f"expected three directions of space, got {shown(text)}")
    for place, n in enumerate(spatial):
        axes[: min(width, 3), place] = vectors[n][:3]  # type: ignore[index]
    return spatial, axes


def _require_no_other(fields: Mapping[str, str], spatial: Sequence[int]) -> None:
    """Refuse what says another size of voxels than the directions do."""
    for key in ("spacings", "axis mins", "axis maxs"):
        if set(fields.get(key, "").lower().split()) - {"nan"}:
            raise BadHeaderError(f"expected space directions or {key}, got both")
    units = _quoted(fields.get("units", ""))
    if any(mm_in(units[n]) != 1 for n in spatial if n < len(units)):
        raise BadHeaderError(
            f"expected space units beside space directions, got units {shown(fields['units'])}"
        )


def _vector(text: str, width: int) -> npt.NDArray[np.float64]:
    found = _VECTOR.fullmatch(text.strip())
    if found is None or found[1] is None:
        raise BadHeaderError(f"expected a vector like (1,0,0), got {shown(text)}")
    return reals(found[1].replace(",", " "), width, "a vector")


def _spacings(
    fields: Mapping[str, str], kinds: Sequence[str | None], dimensions: int
) -> tuple[tuple[int, ...], npt.NDArray[np.float64], bool]:
    """The axes that have a spacing, what each measures in mm, and whether all that is known."""
    words = fields.get("spacings", "nan " * dimensions).lower().split()
    units = _quoted(fields.get("units", "")) or [""] * dimensions
    if len(words) != dimensions or len(units) != dimensions:
        raise BadHeaderError(f"expected {dimensions} spacings and units, got {shown(' '.join(words))}")
    spacings = [math.nan if word == "nan" else real(word, "spacings") for word in words]
    able = [n for n, kind in enumerate(kinds) if kind in _OF_SPACE]
    if len(able) > 3 and "spacings" in fields:
        able = [n for n in able if not math.isnan(spacings[n])]
    spatial = tuple(able[:3])
    axes = np.eye(3)
    known = not any(math.isnan(spacings[n]) for n in spatial)
    for place, n in enumerate(spatial):
        axes[place, place] = 1.0 if math.isnan(spacings[n]) else spacings[n] * mm_in(units[n])
    return spatial, axes, known


def _factors(fields: Mapping[str, str], width: int | None) -> npt.NDArray[np.float64]:
    """Millimetres in the unit of each coordinate of the world."""
    units = _quoted(fields.get("space units", ""))
    if not units:
        return np.ones(3)
    if len(units) != (width or 0):
        raise BadHeaderError(
            f"expected one of the space units a coordinate, got {shown(fields['space units'])}"
        )
    return np.array([mm_in(unit) for unit in units[:3]])


def _quoted(text: str) -> list[str]:
    """Words, in quotes or not."""
    return [bare or quoted for quoted, bare in re.findall(r'"([^"]*)"|([^\s"]+)', text)]
