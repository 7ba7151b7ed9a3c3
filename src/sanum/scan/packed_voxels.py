"""Voxels behind a text header: unpacked piece by piece, each piece put where it belongs."""

import bz2
import gzip
import math
import os
import re
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from typing import BinaryIO

import numpy as np

from ..types import AnyArray
from .checks import MOST_BESIDE, MOST_DEFLATED
from .errors import ScanError
from .text_header import TextHeader

_BLOCK = 1 << 20
_TEXT_BLOCK = 1 << 16  # each number in it becomes an object of Python
_LONGEST_NUMBER = 400  # characters, as of -1e-308 written out
_PLAIN = ("raw", "text", "hex")
"""Packings in which bytes are skipped before what is packed, not in it."""

_GAP = re.compile(rb"[\s,]+")


def check_size(stream: BinaryIO, header: TextHeader, what: str, name: str) -> None:
    """Refuse a header that claims more voxels than its file can hold.

    Parameters
    ----------
    stream : binary stream
        The open file that holds the voxels.
    header : TextHeader
        What is claimed.
    what, name : str
        The scan and the file with its voxels, for the message.
    """
    count = math.prod(header.sizes)
    claimed = count * header.dtype.itemsize
    skipped = max(0, header.skip_bytes) if header.packing in _PLAIN else 0
    size = max(0, os.fstat(stream.fileno()).st_size - header.start - skipped)
    least = {"raw": claimed, "text": 2 * count - 1, "hex": 2 * claimed}.get(
        header.packing, max(-(-claimed // MOST_DEFLATED), header.packed or 0)
    )
    if least > size:
        raise ScanError(
            f"{what} is cut short: its header claims {claimed} bytes of voxels and {name} has {size} bytes "
            "for them; copy or download it again"
        )


def read_voxels(stream: BinaryIO, header: TextHeader, index: int) -> AnyArray:
    """One volume, once `check_size` has seen that there can be so many voxels.

    Parameters
    ----------
    stream : binary stream
        The open file that holds the voxels.
    header : TextHeader
        What they are.
    index : int
        Which of several volumes, from 0.

    Returns
    -------
    (X, Y, Z) array
        In native byte order; floating point as float32.

    Raises
    ------
    OSError, EOFError, ValueError, OverflowError, zlib.error
        What is there does not unpack to what the header claims, or its checksum is wrong.
    """
    shape, count = header.shape[:3], math.prod(header.sizes)
    dtype = np.dtype(np.float32) if header.dtype.kind == "f" else header.dtype.newbyteorder("=")
    voxels: AnyArray = np.empty(math.prod(shape), dtype)
    axis = header.series
    inner = count if axis is None else math.prod(header.sizes[:axis])
    volumes = 1 if axis is None else header.sizes[axis]
    apart = inner * volumes == count  # the volumes follow each other, as is usual
    first = index * inner if apart else 0
    filled = 0
    for at, values in _values(stream, header, first, first + voxels.size if apart else count):
        if apart:
            part = values[max(0, first - at) : max(0, first + voxels.size - at)]
        else:
            part = values[np.arange(at, at + values.size) // inner % volumes == index]
        voxels[filled : filled + part.size] = part
        filled += part.size
    if filled != voxels.size:
        raise EOFError(f"expected {voxels.size} voxels, found {filled}")
    return voxels.reshape(shape, order="F")


def _values(stream: BinaryIO, header: TextHeader, first: int, end: int) -> Iterator[tuple[int, AnyArray]]:
    """Pieces of the stored values, at least those from `first` to `end`, and the place of each piece."""
    width, count = header.dtype.itemsize, math.prod(header.sizes)
    stream.seek(header.start)
    _skip_lines(stream, header.skip_lines)
    at = first if header.packing == "raw" else 0
    if header.packing in _PLAIN:
        begin = stream.tell() + header.skip_bytes
        if header.skip_bytes < 0:
            begin = stream.seek(0, os.SEEK_END) - count * width
        stream.seek(begin + at * width)
    if header.packing == "raw":
        blocks = _pieces(stream, (end - first) * width)
    else:
        skip = 0 if header.packing in _PLAIN else header.skip_bytes
        blocks = _checked(_unpacked(stream, header), skip, count * width)
    rest = b""
    for block in blocks:
        rest += block
        whole = len(rest) // width * width
        if whole:
            yield at, np.frombuffer(rest[:whole], header.dtype)
        at += whole // width
        rest = rest[whole:]


def _skip_lines(stream: BinaryIO, lines: int) -> None:
    left = MOST_BESIDE
    for _ in range(lines):
        line = stream.readline(left)
        left -= len(line)
        if not line.endswith(b"\n"):
            raise EOFError("the lines before the voxels are fewer or longer than expected")


def _pieces(stream: BinaryIO | BufferedIOBase, length: int) -> Iterator[bytes]:
    """`length` bytes of a stream, or what is left of it."""
    while length > 0 and (block := stream.read(min(_BLOCK, length))):
        length -= len(block)
        yield block


def _checked(blocks: Iterator[bytes], skip: int, claimed: int) -> Iterator[bytes]:
    """`claimed` bytes after `skip` others; the blocks are taken to their end, unless that is far beyond."""
    length = -skip
    if skip > MOST_BESIDE:
        raise ValueError(f"expected at most {MOST_BESIDE} bytes before the voxels, got {skip}")
    for block in blocks:
        if (length := length + len(block)) > claimed + MOST_BESIDE:
            raise ValueError(f"expected {claimed} bytes of voxels, found far more")
        before = length - len(block)
        yield block[max(0, -before) : max(0, claimed - before)]
    if length < claimed:
        raise EOFError(f"expected {claimed} bytes of voxels, found {length}")


def _unpacked(stream: BinaryIO, header: TextHeader) -> Iterator[bytes]:
    match header.packing:
        case "gzip":
            with gzip.GzipFile(fileobj=stream) as archive:
                yield from _pieces(archive, 1 << 62)
        case "bzip2":
            with bz2.BZ2File(stream) as archive:
                yield from _pieces(archive, 1 << 62)
        case "zlib":
            yield from _inflated(stream, 1 << 62 if header.packed is None else header.packed)
        case "hex":
            digits = b""
            while block := stream.read(_BLOCK):
                digits += _GAP.sub(b"", block)
                even = len(digits) // 2 * 2
                yield bytes.fromhex(digits[:even].decode("ascii"))
                digits = digits[even:]
        case _:
            for words in _words(stream):
                yield _numbers(words, header.dtype).tobytes()


def _inflated(stream: BinaryIO, length: int) -> Iterator[bytes]:
    """`length` bytes of zlib or gzip, unpacked up to the checksum."""
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    while not inflate.eof:
        piece = inflate.unconsumed_tail
        if not piece:
            piece = stream.read(min(_BLOCK, length))
            length -= len(piece)
        if not piece:
            raise EOFError("the packed voxels end too early")
        yield inflate.decompress(piece, _BLOCK)


def _words(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Words between blanks and commas."""
    rest = b""
    while block := stream.read(_TEXT_BLOCK):
        *words, rest = _GAP.split(rest + block)
        if len(rest) > _LONGEST_NUMBER:
            raise ValueError(f"expected numbers of at most {_LONGEST_NUMBER} digits")
        yield [word for word in words if word]
    if rest:
        yield [rest]


def _numbers(words: list[bytes], dtype: np.dtype[np.generic]) -> AnyArray:
    """Numbers written in decimals; ValueError or OverflowError where one is none of its type."""
    if dtype.kind == "f":
        return np.array(words, "S").astype(np.float64).astype(dtype) if words else np.empty(0, dtype)
    numbers = [int(word) for word in words]
    limits = np.iinfo(dtype.str)
    if numbers and not limits.min <= min(numbers) <= max(numbers) <= limits.max:
        raise OverflowError(f"expected numbers from {limits.min} to {limits.max}")
    return np.array(numbers, dtype)
