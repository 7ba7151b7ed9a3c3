"""One DICOM file, opened with care: what it claims is not believed beyond its size."""

import io
import os
import struct
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

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

_SOI = b"\xff\xd8"
_SIZ = b"\xff\x4f\xff\x51"
_SOF = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


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


def open_dicom(path: Path, *, pixels: bool) -> FileDataset:
    """Read a file's tags, with or without those of its pixels.

    Parameters
    ----------
    path : Path
        One file of a series.
    pixels : bool
        Whether to read the pixels too.

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
        read_preamble(stream, force=False)
        meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            raise ScanError(
                f"{printable(path.name)} is a deflated DICOM file: export the series uncompressed"
            )
        stream.seek(0)
        return pydicom.dcmread(stream, stop_before_pixels=not pixels)


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
