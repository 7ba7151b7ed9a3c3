"""Downloading one file, bounded in bytes and in time, and never through a link that somebody has planted."""

import logging
import os
import queue
import stat
import threading
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ..files import clear_way

TIMEOUT_S = 30.0
"""So long a host may say nothing."""

SLOWEST = 20_000.0
"""Bytes a second that a host must send on average, beside the first minute."""

_FIRST_S = 60.0
_BLOCK = 1 << 18
_log = logging.getLogger(__name__)

OnBlock = Callable[[int, int], object]
"""Called with the bytes that are there and the bytes that there will be."""


def download(url: str, partial: Path, size: int, on_block: OnBlock) -> None:
    """Go on with `partial`, or begin anew where the host cannot; never more than `size` bytes and a block.

    Parameters
    ----------
    url : str
        Of the file.
    partial : Path
        What is there so far.
    size : int
        Bytes that the file has.
    on_block : function
        See `OnBlock`.

    Raises
    ------
    OSError, HTTPException, ValueError
        The host does not send it all, or takes too long for it; `partial` cannot be written to.
    """
    until = time.monotonic() + _FIRST_S + size / SLOWEST
    with open_own(partial) as file:
        done = os.fstat(file.fileno()).st_size
        done = 0 if done >= size else done
        request = Request(url, headers={"Range": f"bytes={done}-"} if done else {})
        with closing(_answer(request, until)) as answer:
            if getattr(answer, "status", None) != 206:
                done = 0
            file.truncate(done)
            file.seek(done)
            while (block := answer.read1(_BLOCK)) and file.tell() <= size:
                file.write(block)
                on_block(file.tell(), size)
                if time.monotonic() > until:
                    raise TimeoutError(f"too slow: {file.tell()} of {size} bytes came")
        file.flush()
        os.fsync(file.fileno())
        if file.tell() < size:
            raise HTTPException(f"ended after {file.tell()} of {size} bytes")


def open_own(partial: Path) -> IO[bytes]:
    """Open the beginning of a download to write; what is not a file of this user alone is removed first.

    Judged is what was opened: neither a link nor a second name of somebody's file is written to.

    Parameters
    ----------
    partial : Path
        Made if it is not there.

    Raises
    ------
    OSError
        It cannot be written to.
    """
    clear_way(partial)
    for _ in range(2):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.fdopen(os.open(partial, flags, 0o666), "r+b")
        found = os.fstat(file.fileno())
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid():
            return file
        file.close()
        partial.unlink(missing_ok=True)
        _log.warning("removed %s: it was no download of this user alone", partial)
    raise OSError(f"somebody else keeps putting something at {partial}")


def host_of(url: str) -> str:
    """Name of the host for messages, or the address as it is where it names none.

    Parameters
    ----------
    url : str
        Any text.
    """
    try:
        return urlsplit(url).netloc or url
    except ValueError:
        return url


def _answer(request: Request, until: float) -> Any:
    """What `urlopen` gives, unless it takes too long: a host may send its headers byte by byte."""
    told: queue.Queue[Any] = queue.Queue()

    def ask() -> None:
        try:
            told.put(urlopen(request, timeout=TIMEOUT_S))
        except BaseException as error:  # noqa: BLE001 raised where it is waited for
            told.put(error)

    threading.Thread(target=ask, name="download", daemon=True).start()
    try:
        answer = told.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        raise TimeoutError("too slow: no answer came") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer
