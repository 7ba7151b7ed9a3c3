"""The text headers of NRRD and MetaImage, and the checks before ITK may read them.

ITK allocates the memory that a header claims. Its MetaIO writes `NDims` numbers into an array of ten, and
returns uninitialized memory if compressed voxels are damaged; a direction of 1e308 makes it loop for
ever. So all of this is checked here, in constant memory.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .checks import MOST_BESIDE, MOST_DEFLATED
from .errors import ScanError
from .names import printable

_LONGEST = 1 << 20
_BLOCK = 1 << 20
_LARGEST = 1e100
"""Of all numbers in a header: their cubes, as of determinants, are finite."""

_DIMENSIONS = ([b"2"], [b"3"], [b"4"], [b"5"])


@dataclass(frozen=True)
class TextHeader:
    """What a header says of its voxels.

    Parameters
    ----------
    fields : dict
        `key: value` or `key = value`; keys in lower case without blanks.
    data : Path
        The file that holds the voxels.
    start : int
        Byte at which they begin there.
    packing : str
        "raw", "gzip", "zlib", or whatever else the header names.
    """

    fields: dict[str, str]
    data: Path
    start: int
    packing: str

    @property
    def has_orientation(self) -> bool:
        """Whether the header gives the directions of the axes."""
        if "elementdatafile" in self.fields:
            return any(key in self.fields for key in ("transformmatrix", "rotation", "orientation"))
        return "space" in self.fields


def read_header(path: Path) -> TextHeader:
    """Header of a .nrrd, .nhdr, .mha or .mhd file.

    Parameters
    ----------
    path : Path
        The file with the header.

    Raises
    ------
    ScanError
        The file with the voxels is missing, or is not one file: a list, a pattern, a device.
    ValueError
        What MetaIO would take harm from, and what no program writes.
    """
    with path.open("rb") as stream:
        text = stream.read(_LONGEST)
    meta = path.suffix.lower() in (".mha", ".mhd")
    end = re.search(rb"ElementDataFile[^\n]*(\n|$)" if meta else rb"\r?\n\r?\n", text)
    text = text[: end.end()] if end else text
    if any(abs(number) > _LARGEST for number in _numbers(text)):
        raise ValueError(f"expected numbers of at most {_LARGEST:g}")
    fields: dict[str, str] = {}
    for line in text.decode("latin-1").split("\n"):
        if ":=" in line:  # NRRD's free pairs, which are no fields
            continue
        separator = ":" if ":" in line and "=" not in line.split(":")[0] else "="
        key, _, value = line.partition(separator)
        fields[key.strip().lower().replace(" ", "")] = value.strip()
    if meta:
        packing = _meta_packing(text, fields)
    else:
        packing = {"gz": "gzip"}.get(kind := fields.get("encoding", "raw").lower(), kind)
    name = fields.get("elementdatafile" if meta else "datafile") or "LOCAL"
    local = name.upper() == "LOCAL"
    data = path if local else path.parent / name
    if not data.is_file():
        raise ScanError(
            f"{printable(path.name)} names {printable(name)} for its voxels: that data file is missing; "
            "put it "
            "there, or convert the scan to one file"
        )
    return TextHeader(fields, data, len(text) if local else 0, packing)


def _numbers(text: bytes) -> Iterator[float]:
    """Whatever can be read as a number, under any key."""
    for word in re.split(rb"[^0-9eE.+-]+", text):
        with suppress(ValueError):
            yield float(word)


def _meta_packing(text: bytes, fields: dict[str, str]) -> str:
    """Packing of a MetaImage. Keys are counted wherever they stand, so that MetaIO finds no other ones."""
    if text.count(b"CompressedDataSize") > 1 or text.count(b"CompressedData") > 2:
        raise ValueError("expected CompressedData and CompressedDataSize once")
    if text.count(b"NDims") != 1 or re.findall(rb"NDims *= *([0-9]*)", text) not in _DIMENSIONS:
        raise ValueError("expected one NDims, of 2 to 5")
    if fields.get("compresseddata", "False")[:1] not in ("T", "t", "1"):
        return "raw"
    if not fields.get("compresseddatasize", "").isdecimal():
        raise ValueError("expected CompressedDataSize beside CompressedData")
    return "zlib"


def check_voxels(header: TextHeader, claimed: int, what: str) -> None:
    """Refuse voxels that are fewer than the `claimed` bytes, or packed and damaged.

    Parameters
    ----------
    header : TextHeader
        Of the file.
    claimed : int
        Bytes of all voxels, unpacked.
    what : str
        The file, for the message.

    Raises
    ------
    ScanError
        More is claimed than the file can hold.
    OSError, EOFError, ValueError, zlib.error
        What is packed does not unpack to `claimed` bytes.
    """
    size = header.data.stat().st_size
    packed = int(header.fields.get("compresseddatasize", 0)) if header.packing == "zlib" else 0
    if claimed > (size if header.packing == "raw" else size * MOST_DEFLATED) or packed > size:
        raise ScanError(
            f"{what} is cut short: its header claims {claimed} bytes of voxels "
            f"and {printable(header.data.name)} "
            f"has {size} bytes; copy or download it again"
        )
    if header.packing not in ("gzip", "zlib"):
        return
    if any(header.fields.get(key, "0") != "0" for key in ("lineskip", "byteskip", "headersize")):
        raise ValueError("expected packed voxels right after the header")
    unpacked = 0
    with header.data.open("rb") as stream:
        stream.seek(header.start)
        for length in _inflated_gzip(stream) if header.packing == "gzip" else _inflated_zlib(stream, packed):
            unpacked += length
            if unpacked > claimed + MOST_BESIDE:
                break
    if not claimed <= unpacked <= claimed + MOST_BESIDE:
        raise ValueError(f"expected {claimed} bytes of voxels, found {unpacked}")


def _inflated_gzip(stream: IO[bytes]) -> Iterator[int]:
    """Lengths of the blocks as they are unpacked, up to the checksum."""
    with gzip.GzipFile(fileobj=stream) as archive:
        while block := archive.read(_BLOCK):
            yield len(block)


def _inflated_zlib(stream: IO[bytes], length: int) -> Iterator[int]:
    """Lengths of the blocks as `length` bytes are unpacked, up to the checksum."""
    inflate = zlib.decompressobj()
    while not inflate.eof:
        piece = inflate.unconsumed_tail
        if not piece:
            piece = stream.read(min(_BLOCK, length))
            length -= len(piece)
        if not piece:
            raise EOFError("the packed voxels end too early")
        yield len(inflate.decompress(piece, _BLOCK))
