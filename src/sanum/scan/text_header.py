"""What a NRRD or MetaImage header says of its voxels, and how its words are read: strictly."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .checks import UNKNOWN_SIDES
from .errors import ScanError
from .names import printable

LONGEST_HEADER = 1 << 20
"""Bytes of a text header; those of real scans have thousands."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

UNKNOWN_SIZE = "the file gives no size of its voxels: 1 mm was assumed along each axis"

_LARGEST = 1e100
"""Of all numbers in a header: their cubes, as of determinants, are finite."""

_WHOLE = re.compile(r"[0-9]{1,10}")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")

_MM = {
    1e-6: ("nm", "nanometer", "nanometre"),
    1e-3: ("um", "µm", "μm", "\udcb5m", "micron", "micrometer", "micrometre"),
    1.0: ("mm", "millimeter", "millimetre", "", "?", "???"),
    10.0: ("cm", "centimeter", "centimetre"),
    1000.0: ("m", "meter", "metre"),
}


class BadHeaderError(ValueError):
    """What is wrong with a text header: "expected …, got …", to be put into a sentence."""


@dataclass(frozen=True, eq=False)
class TextHeader:
    """What a header says of its voxels.

    Parameters
    ----------
    sizes : tuple of int
        Voxels along each stored axis; the first runs fastest.
    spatial : tuple of int
        The axes of a volume, in rising order; as a rule three.
    dtype : dtype
        Of a voxel as stored, with its byte order.
    affine : (4, 4) float64
        Voxel index (of the spatial axes) to world mm, RAS+.
    packing : str
        "raw", "gzip", "zlib", "bzip2", "text" or "hex".
    data : str or None
        Name of the file that holds the voxels; None for the file of the header itself.
    start : int
        Byte at which the voxels, or what is to be skipped before them, begin there.
    packed : int or None
        How many bytes the packed voxels take, where the header says so.
    skip_lines, skip_bytes : int
        What else stands before the voxels; -1 bytes: the voxels are the end of the file.
    components : str
        That a voxel has several values, for a message; "" for one value.
    warnings : tuple of str
        What is not known.
    """

    sizes: tuple[int, ...]
    spatial: tuple[int, ...]
    dtype: np.dtype[np.generic]
    affine: npt.NDArray[np.float64]
    packing: str = "raw"
    data: str | None = None
    start: int = 0
    packed: int | None = None
    skip_lines: int = 0
    skip_bytes: int = 0
    components: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def series(self) -> int | None:
        """The axis along which there are several volumes."""
        others = [axis for axis, size in enumerate(self.sizes) if axis not in self.spatial and size != 1]
        return others[0] if others else None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes with those of a volume first; ones that add nothing come last."""
        others = [size for axis, size in enumerate(self.sizes) if axis not in self.spatial]
        return (*(self.sizes[axis] for axis in self.spatial), *sorted(others, key=lambda size: size == 1))


def whole(text: str, what: str) -> int:
    """A whole number, without sign.

    Parameters
    ----------
    text : str
        Nothing but digits.
    what : str
        The field, for the message.
    """
    if not _WHOLE.fullmatch(text):
        raise BadHeaderError(f"expected a whole number as {what}, got {shown(text)}")
    return int(text)


def skipped(text: str, what: str) -> int:
    """How many bytes or lines to skip; -1 is left to the caller.

    Parameters
    ----------
    text : str
        A whole number or -1.
    what : str
        The field, for the message.
    """
    return -1 if text == "-1" else whole(text, what)


def real(text: str, what: str) -> float:
    """A number of at most 1e100.

    Parameters
    ----------
    text : str
        Decimal, perhaps with an exponent.
    what : str
        The field, for the message.
    """
    if not _REAL.fullmatch(text) or abs(number := float(text)) > _LARGEST:
        raise BadHeaderError(f"expected a number of at most {_LARGEST:g} in {what}, got {shown(text)}")
    return number


def sizes_of(text: str, count: int, what: str) -> tuple[int, ...]:
    """Sizes of `count` axes.

    Parameters
    ----------
    text : str
        Whole numbers with blanks between them.
    count : int
        How many there must be.
    what : str
        The field, for the message.
    """
    return tuple(whole(word, what) for word in _words(text, count, what))


def reals(text: str, count: int, what: str) -> npt.NDArray[np.float64]:
    """`count` numbers.

    Parameters
    ----------
    text : str
        With blanks between them.
    count : int
        How many there must be.
    what : str
        The field, for the message.
    """
    return np.array([real(word, what) for word in _words(text, count, what)], np.float64)


def _words(text: str, count: int, what: str) -> list[str]:
    words = text.split()
    if len(words) != count:
        raise BadHeaderError(f"expected {count} numbers in {what}, got {shown(text)}")
    return words


def mm_in(unit: str) -> float:
    """Millimetres in a unit of length; no unit counts as mm.

    Parameters
    ----------
    unit : str
        Its name or its sign, in English.
    """
    name = unit.strip().lower()
    for factor, names in _MM.items():
        if name in names or (len(name) > 2 and name.removesuffix("s") in names):
            return factor
    raise BadHeaderError(f"expected mm, cm, m, um or nm as unit of length, got {shown(unit)}")


def one_file(name: str, what: str) -> str:
    """Name of a file with voxels, once it is neither a list nor a pattern.

    Parameters
    ----------
    name : str
        What the header says.
    what : str
        The file of the header, for the message.
    """
    if name.split()[:1] == ["LIST"] or re.search(r"%[0-9]*d", name):
        raise ScanError(
            f"{what} spreads its voxels over several files ({shown(name)}): expected one; save the scan as "
            "one file"
        )
    return name


def several_values(count: int) -> str:
    """The message's words for several values a voxel.

    Parameters
    ----------
    count : int
        How many.
    """
    return f"has {count} values a voxel, a colour (RGB) or vector image: expected one grey value a voxel"


def sides_unknown(known: bool) -> tuple[str, ...]:
    """The warning that left and right are not known, if they are not.

    Parameters
    ----------
    known : bool
        Whether the header says where its axes lead.
    """
    return () if known else (UNKNOWN_SIDES,)


def shown(text: str) -> str:
    """Text of a header for a message: printable and short.

    Parameters
    ----------
    text : str
        Any.
    """
    return printable(text if len(text) <= 40 else f"{text[:40]}…") or "nothing"
