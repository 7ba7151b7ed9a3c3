"""One DICOM file, opened with care: what it claims is not believed beyond its size."""

import io
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ..files import open_regular
from .errors import ScanError
from .names import printable

DAMAGED = (
    OSError,
    EOFError,
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
    BytesLengthException,
)
"""What pydicom raises on damaged files and unusable tags."""


MOST_READS = 100_000
"""Tags of one slice are hundreds, with two reads each; a file of nothing but empty tags takes hours."""

_PREAMBLE = 128  # bytes before a DICOM file's mark
_FIRST_GROUPS = (0x0002, 0x0008)  # of a file without preamble and mark, as ACR-NEMA and old archives wrote it
_LAST_FIRST_ELEMENT = 0x0020
_LONGEST_FIRST_VALUE = 1024

_SOI = b"\xff\xd8"
_SIZ = b"\xff\x4f\xff\x51"
_SOF = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


class DamagedFile(ScanError):
    """One file of a series that cannot be used; `skip_damaged` leaves it out."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"{sentence}, or leave it out with --skip-damaged")


class _Bounded(io.BufferedReader):
    """A file that reads at most as many bytes as it has: pydicom allocates memory before it reads.

    The number of reads is limited too.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(open_regular(path).detach())
        self.size = os.fstat(self.fileno()).st_size
        self.reads = 0

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes."""
        self.reads += 1
        if self.reads > MOST_READS:
            raise ValueError("more tags than an image has")
        if size is not None and size > self.size:
            size = self.size
        return super().read(size)


def is_dicom(path: Path) -> bool:
    """Whether a regular file begins as DICOM does, whatever its name; a DICOMDIR does not count.

    Parameters
    ----------
    path : Path
        Of the file.
    """
    if path.name.upper() == "DICOMDIR" or path.name.startswith(".") or not path.is_file():
        return False
    with open_regular(path) as stream:
        return begins_as_dicom(stream.read(_PREAMBLE + 4))


def has_mark(path: Path) -> bool:
    """Whether a regular file has a preamble and the mark DICM, and so is meant as DICOM without doubt.

    Parameters
    ----------
    path : Path
        Of the file.
    """
    with open_regular(path) as stream:
        return stream.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"


def begins_as_dicom(start: bytes) -> bool:
    """Whether bytes are a preamble and the mark DICM or, without both, a first tag in little endian.

    Parameters
    ----------
    start : bytes
        The first 132 or more.
    """
    if start[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return True
    if len(start) < _PREAMBLE:
        return False
    group, element, kind, length = struct.unpack_from("<HH2sH", start)
    if group not in _FIRST_GROUPS or element > _LAST_FIRST_ELEMENT:
        return False
    if kind.isalpha() and kind.isupper():
        return bool(length <= _LONGEST_FIRST_VALUE)
    return int.from_bytes(start[4:8], "little") <= _LONGEST_FIRST_VALUE


def open_dicom(path: Path, *, pixels: bool, tags: Sequence[str | int] | None = None) -> FileDataset:
    """Read a file's tags, with or without those of its pixels.

    Parameters
    ----------
    path : Path
        One file of a series.
    pixels : bool
        Whether to read the pixels too.
    tags : sequence of str or int, optional
        Keywords of the only tags to keep.

    Raises
    ------
    InvalidDicomError
        No DICOM file.
    ScanError
        Deflated as a whole, which would be inflated to whatever size.
    Exception
        One of `DAMAGED`.
    """
    with _Bounded(path) as stream:
        if not begins_as_dicom(stream.read(_PREAMBLE + 4)):
            raise InvalidDicomError("neither a mark nor a first tag")
        stream.seek(0)
        read_preamble(stream, force=True)
        meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            raise ScanError(
                f"{printable(path.name)} is a deflated DICOM file: export the series uncompressed"
            )
        stream.seek(0)
        wanted = None if tags is None else [Tag(tag) for tag in tags]
        found = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True, specific_tags=wanted)
    if "TransferSyntaxUID" not in found.file_meta:  # as in files without preamble
        implicit, little = found.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        found.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return found


def text_of(header: Dataset, tag: str) -> str:
    """Value of a tag as text, "" where it is missing or unreadable.

    Parameters
    ----------
    header : Dataset
        Of the file.
    tag : str
        Its keyword.
    """
    try:
        value = header.get(tag)
    except DAMAGED:
        return ""
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, (list, pydicom.multival.MultiValue)) else str(value)


def kinds_of(header: Dataset) -> list[str]:
    """Values of ImageType in capitals.

    Parameters
    ----------
    header : Dataset
        Of the file.
    """
    try:
        value = header.get("ImageType")
    except DAMAGED:
        return []
    return [value.upper()] if isinstance(value, str) else [str(v).upper() for v in value or ()]


def number_of(header: Dataset, tag: str) -> float | None:
    """First value of a tag as a finite number, None where there is none.

    Parameters
    ----------
    header : Dataset
        Of the file.
    tag : str
        Its keyword.
    """
    try:
        value = float(text_of(header, tag).split()[0])
    except (ValueError, IndexError):
        return None
    return value if abs(value) < float("inf") else None


def codestream_size(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream claims by itself; None for other streams.

    The decoder allocates memory for these, whatever the tags say. They are defined in ISO/IEC
    15444-1 A.5.1 (SIZ), ITU-T T.81 B.2.2 (SOF) and, for JPEG-LS, T.87 C.2.2.

    Parameters
    ----------
    stream : bytes
        The beginning of the compressed pixels.
    """
    try:
        if stream[:4] == _SIZ:
            right, bottom, left, top = struct.unpack_from(">4I", stream, 8)
            return bottom - top, right - left
        at = 2
        while stream[:2] == _SOI and stream[at] == 0xFF:
            marker, length = struct.unpack_from(">BH", stream, at + 1)
            if marker in _SOF:
                return struct.unpack_from(">HH", stream, at + 5)
            at += 2 + length
    except (struct.error, IndexError):
        pass
    return None
