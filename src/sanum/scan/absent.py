"""Files whose content is elsewhere: links and pointers of git-annex, git-lfs and the like."""

import os
from contextlib import suppress
from pathlib import Path

from ..files import open_regular
from .errors import ScanError
from .names import printable

_LARGEST_POINTER = 32 << 10  # as git-annex has it
_ANNEX = "annex/objects/"
_LFS = b"version https://git-lfs.github.com/spec/"


def require_content(path: Path, expected: str = "a scan file or a DICOM folder") -> None:
    """Raise `ScanError` where a file is not there, and say where its content is if the file tells.

    Parameters
    ----------
    path : Path
        Of a file or a folder that shall be read.
    expected : str
        What should be there.

    Raises
    ------
    ScanError
        It does not exist; is a link to what does not exist; or is a pointer to content that was not fetched.
    OSError
        It cannot be looked at.
    """
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        raise ScanError(_why_missing(path, expected)) from None
    if 0 < size <= _LARGEST_POINTER and path.is_file():
        with suppress(OSError), open_regular(path) as stream:  # reading tells why it cannot be opened
            _require_no_pointer(stream.read(200), path)


def _why_missing(path: Path, expected: str) -> str:
    """A sentence about a path that leads nowhere: a link on the way that is broken, or nothing there."""
    for part in (*reversed(path.parents), path):
        if os.path.islink(part) and not os.path.exists(part):
            target = os.readlink(part)
            if _is_annexed(target):
                return _of_annex(part)
            return (
                f"{printable(part)} is a link to {printable(target)}, which does not exist: mend the link or "
                "fetch what it leads to"
            )
    return f"{printable(path)} does not exist: expected {expected}"


def _require_no_pointer(start: bytes, path: Path) -> None:
    line = start.partition(b"\n")[0].decode("utf-8", errors="replace").strip()
    if start.startswith(_LFS):
        raise ScanError(
            f"{printable(path)} is a pointer of git-lfs, whose content was not fetched: run git lfs pull"
        )
    if line.isprintable() and _is_annexed(line) and line.startswith(("/annex/", ".git/", "../")):
        raise ScanError(_of_annex(path))


def _is_annexed(target: str) -> bool:
    return _ANNEX in target.replace("\\", "/")


def _of_annex(path: Path) -> str:
    return (
        f"{printable(path)} is in git-annex, and its content was not fetched: run datalad get or git annex "
        f"get with this file"
    )
