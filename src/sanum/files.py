"""Files that appear whole or not at all, and what is in them."""

import contextlib
import errno
import hashlib
import json
import logging
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)

PARTIAL = ".sanum-"
"""What the name of a file that is not yet whole begins with; a killed process may leave one."""


@contextmanager
def whole_file(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Temporary path beside `path`; what was written there replaces `path` on success.

    The temporary name is hidden and keeps the extension; two processes never share one, not even in two
    containers with the same process ids. The file is flushed to disk before it replaces `path`, and
    removed if anything fails. So `path` is always absent, unchanged, or complete. Its permissions are those
    of any new file (the umask's): safetensors would let nobody else read it.

    Parameters
    ----------
    path : str or Path
        Where the file should be in the end. Missing folders are made.
    overwrite : bool
        Whether a file that is there may be replaced.

    Yields
    ------
    Path
        Where to write; no file is there yet.

    Raises
    ------
    FileExistsError
        The file exists, before or after it was written, and may not be replaced.
    IsADirectoryError
        `path` is a folder.
    OSError
        As the writer; nothing was written; the folder cannot be written to.
    """
    path = Path(path)
    temporary = path.parent / f"{PARTIAL}{secrets.token_hex(6)}{''.join(path.suffixes[-2:])[-16:]}"
    try:
        _require_free(path, overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        permissions = os.fstat(descriptor).st_mode & 0o777
        os.close(descriptor)
        temporary.unlink()  # it was there to see whether it can be: a writer that writes nothing must fail
        yield temporary
        if temporary.stat().st_mode & 0o777 != permissions:
            temporary.chmod(permissions)
        flush(temporary, os.O_RDWR)
        _require_free(path, overwrite)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    with contextlib.suppress(OSError):  # not every file system can flush a folder
        flush(path.parent)


def flush(path: Path, flags: int = os.O_RDONLY) -> None:
    """Flush a file, or the names in a folder, to the disk.

    Parameters
    ----------
    path : Path
        A file or a folder.
    flags : int
        How to open it, as of `os.open`.
    """
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: str | Path, *, folder: int | None = None, follow: bool = True) -> BufferedReader:
    """Open a regular file to read; whatever else stands there is refused at once, and never waited for.

    A pipe without a writer would be waited for, and a device may have no end. What counts is the open file,
    not what was at the path before.

    Parameters
    ----------
    path : str or Path
        Of the file. Links are followed, unless `folder` is given.
    folder : int, optional
        Descriptor of an open folder, to which `path` is then relative.
    follow : bool
        Whether `path` may be a link, where there is no `folder`.

    Raises
    ------
    OSError
        It cannot be opened, or (EINVAL) it is no regular file.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags | (0 if follow and folder is None else os.O_NOFOLLOW), dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_beside(path: Path, name: str) -> BufferedReader:
    """Open the regular file `name` of the folder of `path`; no name and no link leads out of that folder.

    Parameters
    ----------
    path : Path
        A file, which names the other.
    name : str
        What it says; "./" before it counts for nothing.

    Raises
    ------
    PermissionError
        The name, or the link of that name, leads elsewhere.
    OSError
        As `open_regular`.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            return open_regular(_own_name(name), folder=folder)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            target = os.readlink(_own_name(name), dir_fd=folder)
        return open_regular(_own_name(target), folder=folder)
    finally:
        os.close(folder)


def _own_name(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    if "/" in name or name in ("", ".", ".."):
        raise PermissionError(errno.EXDEV, "leads out of the folder", name)
    return name


def sha256(path: Path) -> str:
    """Hex digest of a regular file.

    Parameters
    ----------
    path : Path
        Read in blocks: it may be larger than the memory.
    """
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of(paths: Iterable[Path | None], start: bytes = b"") -> str:
    """Hex digest of files one after the other, as if they were one.

    Parameters
    ----------
    paths : iterable of Path or None
        Read in blocks; None counts as an empty file.
    start : bytes
        What comes before the first.
    """
    digest = hashlib.sha256(start)
    for path in paths:
        if path is not None:
            with path.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def read_small(path: Path, most: int, *, follow: bool = True) -> bytes:
    """Contents of a regular file that is no larger than it should be; waits for nobody.

    Parameters
    ----------
    path : Path
        Of the file.
    most : int
        Bytes that it may have.
    follow : bool
        Whether the file may be at the other end of a link.

    Raises
    ------
    OSError
        It cannot be read, or is a link that may not be followed.
    ValueError
        It is no regular file, or larger.
    """
    try:
        with open_regular(path, follow=follow) as stream:
            content = stream.read(most + 1)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise ValueError("it is no regular file") from None
        raise
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return content


def parse_json(text: str | bytes) -> Any:
    """Value of a JSON text that may hold anything; every fault of it is a `ValueError`.

    Parameters
    ----------
    text : str or bytes
        UTF-8. NaN and infinity, which JSON has not, and deep nesting are faults.

    Examples
    --------
    >>> parse_json("[" * 10_000)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def clear_way(path: Path) -> None:
    """Remove what stands where a file of ours should be, and warn; a link is never followed.

    Parameters
    ----------
    path : Path
        A link, a pipe and an empty folder are removed. A folder with something in it may be somebody's, so
        it gets another name. A regular file, and nothing, are left as they are.
    """
    with contextlib.suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return
        if not stat.S_ISDIR(mode):
            path.unlink()
            what = "link" if stat.S_ISLNK(mode) else "special file"
            _log.warning("removed %s: a %s stood where sanum keeps a file of its own", _name(path), what)
            return
        try:
            path.rmdir()
            _log.warning("removed %s: a folder stood where sanum keeps a file of its own", _name(path))
        except OSError:
            aside = path.with_name(f"{path.name[:200]}.aside-{secrets.token_hex(4)}")
            path.rename(aside)
            _log.warning(
                "a folder stood where sanum keeps a file of its own: %s is now %s", _name(path), _name(aside)
            )


def _name(path: Path) -> str:
    """A path on one line of a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(path))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _require_free(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if os.path.lexists(path) and not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
