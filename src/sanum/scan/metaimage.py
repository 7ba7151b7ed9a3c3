"""Headers of MetaImage (.mha, .mhd), read strictly.

After the description of the format in the MetaIO documentation (https://itk.org/Wiki/MetaIO). What MetaIO
guesses, ignores or takes for something else is refused: a field twice, or in words that contradict each
other; numbers that are no numbers; too few or too many of them.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .text_header import (
    LPS_TO_RAS,
    UNKNOWN_SIZE,
    BadHeaderError,
    TextHeader,
    mm_in,
    one_file,
    reals,
    several_values,
    shown,
    sides_unknown,
    sizes_of,
    skipped,
    whole,
)

_TYPES = {
    **{"CHAR": "i1", "ASCII_CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4"},
    **{"UINT": "u4", "LONG": "i4", "ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8"},
    **{"FLOAT": "f4", "DOUBLE": "f8"},
}
"""NumPy's names of the types of elements; a long has 4 bytes everywhere."""

_DIRECTIONS = ("transformmatrix", "rotation", "orientation")
_ORIGINS = ("offset", "position", "origin")
_BIG_ENDIAN = ("binarydatabyteordermsb", "elementbyteordermsb")
_FIELDS = {
    *("objecttype", "ndims", "dimsize", "headersize", "elementtype", "elementspacing", "elementsize"),
    *("elementnumberofchannels", "elementdatafile", "binarydata", "compresseddata", "compresseddatasize"),
    *("distanceunits", "elementtointensityfunctionslope", "elementtointensityfunctionoffset"),
    *_DIRECTIONS,
    *_ORIGINS,
    *_BIG_ENDIAN,
}
"""What is read; other fields may say what they like."""


def parse_metaimage(raw: bytes, what: str) -> TextHeader:
    """Header of a MetaImage.

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
    if fields.get("objecttype", "Image").lower() != "image":
        raise BadHeaderError(f"expected ObjectType = Image, got {shown(fields['objecttype'])}")
    dimensions = whole(_needed(fields, "ndims"), "NDims")
    if not 2 <= dimensions <= 5:
        raise BadHeaderError(f"expected NDims of 2 to 5, got {dimensions}")
    name = one_file(_needed(fields, "elementdatafile"), what)
    local = name.lower() == "local"
    skip = skipped(fields.get("headersize", "0"), "HeaderSize")
    packed = _is_true(fields, "compresseddata", False)
    text = not _is_true(fields, "binarydata", True)
    if skip and (packed or (local and skip > 0) or (text and skip < 0)):
        raise BadHeaderError(f"expected no HeaderSize before these voxels, got {skip}")
    affine, warnings = _geometry(fields, dimensions)
    if text and packed:
        raise BadHeaderError("expected BinaryData = True beside CompressedData = True")
    channels = whole(fields.get("elementnumberofchannels", "1"), "ElementNumberOfChannels")
    return TextHeader(
        sizes_of(_needed(fields, "dimsize"), dimensions, "DimSize"),
        tuple(range(min(dimensions, 3))),
        _dtype(fields),
        affine,
        packing="text" if text else "zlib" if packed else "raw",
        data=None if local else name,
        start=end if local else 0,
        packed=whole(fields["compresseddatasize"], "CompressedDataSize")
        if packed and "compresseddatasize" in fields
        else None,
        skip_bytes=skip,
        components=several_values(channels) if channels != 1 else "",
        warnings=warnings + _unscaled(fields),
    )


def _fields(raw: bytes) -> tuple[dict[str, str], int]:
    """Fields by their names in lower case, and the byte after the line of ElementDataFile, the last one."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(raw):
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        line = raw[at:end].decode("utf-8", "surrogateescape").strip()
        at = end + 1
        if not line:
            continue
        key, separator, value = line.partition("=" if ":" not in line.partition("=")[0] else ":")
        key = key.strip().lower()
        if not separator or not key:
            raise BadHeaderError(f"expected lines like DimSize = 256 256 128, got {shown(line)}")
        if key in fields and key in _FIELDS:
            raise BadHeaderError(f"expected {key} once")
        fields[key] = value.strip()
        if key == "elementdatafile":
            return fields, min(at, len(raw))
    raise BadHeaderError("expected a line with ElementDataFile at the end of the header, found none")


def _needed(fields: Mapping[str, str], key: str) -> str:
    if not fields.get(key):
        raise BadHeaderError(f"expected a line with {key}, found none")
    return fields[key]


def _is_true(fields: Mapping[str, str], key: str, default: bool) -> bool:
    value = fields.get(key, str(default)).lower()
    if value not in ("true", "t", "1", "false", "f", "0"):
        raise BadHeaderError(f"expected {key} = True or False, got {shown(value)}")
    return value in ("true", "t", "1")


def _dtype(fields: Mapping[str, str]) -> np.dtype[np.generic]:
    orders = {_is_true(fields, key, False) for key in _BIG_ENDIAN if key in fields}
    if len(orders) > 1:
        raise BadHeaderError("expected one byte order, got two")
    name = _needed(fields, "elementtype").upper().removeprefix("MET_")
    if name not in _TYPES:
        raise BadHeaderError(f"expected an ElementType like MET_SHORT, got {shown(fields['elementtype'])}")
    return np.dtype(f"{'>' if orders == {True} else '<'}{_TYPES[name]}")


def _geometry(fields: Mapping[str, str], dimensions: int) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Affine (RAS+, mm), and what is not known of it. Rows of the matrix are the axes' directions in LPS."""
    matrix = _same(fields, _DIRECTIONS, dimensions**2)
    offset = _same(fields, _ORIGINS, dimensions)
    size = next((key for key in ("elementspacing", "elementsize") if key in fields), None)
    spacing = np.ones(dimensions) if size is None else reals(fields[size], dimensions, size)
    warnings = sides_unknown(matrix is not None) + (() if size else (UNKNOWN_SIZE,))
    directions = np.eye(dimensions) if matrix is None else matrix.reshape(dimensions, dimensions)
    if directions[:3, 3:].any() or directions[3:, :3].any():
        raise BadHeaderError("expected directions of space and time that are not mixed")
    used = min(dimensions, 3)
    affine = np.eye(4)
    affine[:used, :used] = directions[:used, :used].T * spacing[:used]
    if offset is not None:
        affine[:used, 3] = offset[:used]
    affine[:3] *= mm_in(fields.get("distanceunits", "mm"))
    return LPS_TO_RAS @ affine, warnings


def _same(fields: Mapping[str, str], keys: tuple[str, ...], count: int) -> npt.NDArray[np.float64] | None:
    """Numbers under any of several names for the same; None without them."""
    found = [reals(fields[key], count, key) for key in keys if key in fields]
    if any((other != found[0]).any() for other in found):
        raise BadHeaderError(f"expected one of {', '.join(keys)}, got several that differ")
    return found[0] if found else None


def _unscaled(fields: Mapping[str, str]) -> tuple[str, ...]:
    """That the values are taken as stored, where the header asks for others."""
    names = ("elementtointensityfunctionslope", "elementtointensityfunctionoffset")
    slope, offset = (reals(fields.get(key, plain), 1, key)[0] for key, plain in zip(names, "10", strict=True))
    if (slope, offset) == (1, 0):
        return ()
    return (f"the header asks for values times {slope:g} plus {offset:g}: they were taken as stored",)
