"""DICOM files of a zip archive, unpacked to a folder of their own for as long as they are needed."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from .dicom_file import begins_as_dicom
from .errors import ScanError
from .names import printable

MOST_ENTRIES = 50_000
MOST_BYTES = 4 << 30
"""Of all files of an archive, unpacked."""

MOST_PACKED = 200
"""Times that an archive over 100 MB may be smaller than what it unpacks to; of DICOM it is 2 to 20."""

_SMALL = 100 << 20
_START = 132
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A temporary folder with the DICOM files of an archive, which is removed at the end.

    Names are those of the archive's files with a number before them; folders are left out.

    Parameters
    ----------
    path : Path
        The archive.

    Raises
    ------
    ScanError
        No zip archive, or a damaged, encrypted or too large one; a name that leads out of it; a link; no
        DICOM.
    """
    what = printable(path.name)
    with TemporaryDirectory(prefix="sanum-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                entries = _checked(archive, path.stat().st_size, what)
                count = sum(_unpack(archive, entry, Path(folder), k) for k, entry in enumerate(entries))
        except ScanError:
            raise
        except _BROKEN as error:
            raise ScanError(
                f"{what} cannot be read as a zip archive: it is damaged, encrypted or not what its name "
                "says; copy it again, or unpack it and give the folder"
            ) from error
        except OSError as error:
            raise ScanError(
                f"{what} cannot be unpacked: {error.strerror or error}; unpack it elsewhere and give the "
                "folder"
            ) from error
        if not count:
            raise ScanError(f"{what} holds no DICOM images: expected a zip archive of one DICOM series")
        yield Path(folder)


def zip_holds_dicom(path: Path) -> bool:
    """Whether a file is a zip archive with DICOM files; at most some of its files are looked at.

    Parameters
    ----------
    path : Path
        Of the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir()]
            return any(_is_dicom(archive, entry) for entry in files[:20])
    except (OSError, *_BROKEN):
        return False


def unpacked_bytes(path: Path) -> int:
    """Bytes that an archive claims to unpack to.

    Parameters
    ----------
    path : Path
        The archive.

    Raises
    ------
    ValueError
        No zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (OSError, *_BROKEN) as error:
        raise ValueError("no zip archive") from error


def _checked(archive: zipfile.ZipFile, size: int, what: str) -> list[zipfile.ZipInfo]:
    """Files of an archive in the order of their names, once nothing speaks against them."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_ENTRIES or total > MOST_BYTES or total > max(_SMALL, MOST_PACKED * size):
        raise ScanError(
            f"{what} would unpack to {len(entries)} files with {total / 1e6:,.0f} MB: expected at most "
            f"{MOST_ENTRIES} files, {MOST_BYTES / 1e6:,.0f} MB and {MOST_PACKED} times its own size; unpack "
            "it and give the folder of one series"
        )
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/"))
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if parts.is_absolute() or ".." in parts.parts or kind not in (0, stat.S_IFREG):
            raise ScanError(
                f"{what} has a file that leads out of it or is a link, {printable(entry.filename)}: expected "
                "plain files; unpack it with care and give the folder"
            )
    return sorted(entries, key=lambda entry: entry.filename)


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, number: int) -> bool:
    """Write one file, if it is DICOM."""
    if not _is_dicom(archive, entry):
        return False
    name = "".join(c if c.isalnum() or c in "._-" else "_" for c in PurePosixPath(entry.filename).name)
    left = entry.file_size
    with archive.open(entry) as source, (folder / f"{number:05d}-{name[-100:]}").open("xb") as target:
        while chunk := source.read(min(1 << 20, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile("a file is longer than it says")
            target.write(chunk)
    return True


def _is_dicom(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(entry.filename).name
    if name.upper() == "DICOMDIR" or name.startswith("."):
        return False
    with archive.open(entry) as source:
        return begins_as_dicom(source.read(_START))
