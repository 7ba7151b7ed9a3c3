"""NRRD and MetaImage files: a text header, and voxels in the same file or in one beside it.

All is read here, in memory that the file's size bounds. ITK, whose readers believe a header, sees nothing
of it.
"""

import errno
import zlib
from pathlib import Path
from typing import BinaryIO

from ..files import open_beside, open_regular
from .checks import check_shape, pick_volume, usable_scan
from .contrast import Decided
from .contrast_words import contrast_of
from .errors import ScanError
from .metaimage import parse_metaimage
from .names import printable
from .nrrd import parse_nrrd
from .packed_voxels import check_size, read_voxels
from .scan import Scan
from .text_header import LONGEST_HEADER, BadHeaderError, TextHeader, shown

_BROKEN = (OSError, EOFError, zlib.error, ValueError, OverflowError, MemoryError)
"""What damaged voxels raise while they are unpacked."""


def read_raw_volume(path: Path, *, volume: int | None = None) -> Scan:
    """Read .nrrd, .nhdr, .mha or .mhd.

    Parameters
    ----------
    path : Path
        The file; a header may name a second one with the voxels, in the same folder.
    volume : int, optional
        Which volume of a 4D file, from 0.

    Returns
    -------
    Scan
        (X, Y, Z) voxels as stored, floating point as float32; world in mm, RAS+.

    Raises
    ------
    ScanError
        As `sanum.scan.read`; a header that is not to the letter; voxels that are spread over several files,
        lie outside the folder, or are fewer than the header claims.
    """
    what = printable(path.name)
    try:
        with open_regular(path) as stream:
            header = _parse(stream, path, what)
            check_shape(header.shape, what)
            if header.components:
                raise ScanError(f"{what} {header.components}")
            index = pick_volume(header.shape, volume, what)
            with _data_of(header, path, what, stream) as data:
                check_size(data, header, what, printable(header.data or path.name))
                voxels = read_voxels(data, header, index or 0)
    except _BROKEN as error:
        if isinstance(error, ScanError):
            raise
        reason = f" ({error})" if isinstance(error, BadHeaderError) else ""
        raise ScanError(
            f"{what} cannot be read as NRRD or MetaImage: it is damaged, cut short or not what its name "
            f"says{reason}; copy or convert it again"
        ) from error
    return usable_scan(
        voxels,
        header.affine,
        contrast=Decided(contrast_of(path), "file name"),
        path=path,
        what=what,
        warnings=header.warnings,
        ours=True,
    )


def read_header(path: Path) -> TextHeader:
    """Header of a .nrrd, .nhdr, .mha or .mhd file.

    Parameters
    ----------
    path : Path
        The file with the header.

    Raises
    ------
    ScanError
        Voxels in several files.
    ValueError
        What is wrong with the header.
    OSError
        The file cannot be opened, or is none.
    """
    with open_regular(path) as stream:
        return _parse(stream, path, printable(path.name))


def data_file(path: Path) -> Path | None:
    """The second file of a scan, with its voxels; None where they are in the file of the header.

    Parameters
    ----------
    path : Path
        The file with the header.

    Raises
    ------
    ScanError
        As `read_raw_volume`, where the file with the voxels cannot be used.
    ValueError, OSError
        As `read_header`.
    """
    header = read_header(path)
    if header.data is None:
        return None
    with _beside(path, header.data, printable(path.name)):
        return path.parent / header.data


def _parse(stream: BinaryIO, path: Path, what: str) -> TextHeader:
    parse = parse_metaimage if path.suffix.lower() in (".mha", ".mhd") else parse_nrrd
    return parse(stream.read(LONGEST_HEADER), what)


def _data_of(header: TextHeader, path: Path, what: str, stream: BinaryIO) -> BinaryIO:
    return stream if header.data is None else _beside(path, header.data, what)


def _beside(path: Path, name: str, what: str) -> BinaryIO:
    names = f"{what} names {shown(name)} for its voxels"
    try:
        return open_beside(path, name)
    except FileNotFoundError:
        raise ScanError(
            f"{names}: that data file is missing; put it there, or convert the scan to one file"
        ) from None
    except (OSError, ValueError) as error:
        kinds = {errno.EXDEV: "is not in the header's own folder", errno.EINVAL: "is no regular file"}
        number = error.errno if isinstance(error, OSError) else None
        kind = kinds.get(number or 0, "cannot be opened")
        raise ScanError(
            f"{names}, which {kind}: expected a file beside the header; "
            "put it there, or convert the scan to one file"
        ) from error
