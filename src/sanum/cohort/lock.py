"""A lock file per scan, so that runs on one output folder share the work and harm nothing.

Plain files made with O_EXCL, which work on every shared file system; what a killed run left is taken over.
"""

import contextlib
import errno
import json
import os
import secrets
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypedDict

from ..files import clear_way, parse_json, read_small

BEAT_S = 60.0
"""So often a run says, by the time of its locks, that it lives."""

LONGEST_S = 10 * BEAT_S
"""A lock of another machine or container, whose processes cannot be seen, is left behind when it is older."""

_BEAT_ENDS_S = 10.0  # a disk that does not answer for so long must not keep the run from ending
_TRIES = 1000  # to make a file in a folder that other runs tidy away
_EMPTY_S = 10.0  # its maker fills it at once, unless it was killed in between
_MOST_BYTES = 1 << 14


class Place(TypedDict):
    """Where a process id means what it means here; empty where the system does not tell."""

    host: str
    boot: str
    namespace: str


class Holder(Place):
    """Who holds a lock: a process, and the run that it is of."""

    pid: int
    started: str
    run: str


def acquire(path: Path, run: str) -> bool:
    """Make the lock `path` for the run of this name; False where somebody else who lives has it.

    Left behind is the lock of a process of this machine that is gone, of this run's name (a worker that was
    lost, whose work comes again), or of another machine or container after `LONGEST_S`. So is what is no lock
    at all, such as a link or a folder, which is removed with a warning, and a lock with a time so far in the
    future that no holder can have set it: the clock went back.

    Parameters
    ----------
    path : Path
        Of the lock.
    run : str
        Name of the run; its processes take over from each other.

    Raises
    ------
    OSError
        Nothing can be written there.
    """
    judge = path.with_name(path.name + "x")  # one at a time removes what was left, or a fresh one would go
    if _make(path, run):
        _remove_left(judge, run)  # by a process that was killed while it judged
        return True
    if not _left_behind(path, run):
        return False
    if not acquire(judge, run):
        return False
    try:
        if _left_behind(path, run):
            clear_way(path)
            path.unlink(missing_ok=True)
        return _make(path, run)
    finally:
        release(judge)


def release(path: Path) -> None:
    """Remove a lock that this process holds.

    Parameters
    ----------
    path : Path
        Of the lock.
    """
    path.unlink(missing_ok=True)


def is_held(path: Path, run: str) -> bool:
    """Whether a lock is still this process's: if it slept, another machine may have taken it over.

    Parameters
    ----------
    path : Path
        Of the lock.
    run : str
        Name of the run.
    """
    try:
        who = _read(path)
    except OSError:
        return False
    return who is not None and (who["run"], who["pid"]) == (run, os.getpid())


def wait_for_makers(paths: Iterable[Path]) -> None:
    """Wait until these locks, where they exist, name their makers or can be told to be left behind.

    Parameters
    ----------
    paths : iterable of Path
        Of the locks.
    """
    unnamed = [file for path in paths for file in (path, path.with_name(path.name + "x"))]
    until = time.monotonic() + _EMPTY_S + 0.5
    while time.monotonic() < until and (unnamed := [path for path in unnamed if _names_nobody(path)]):
        time.sleep(0.05)


@contextlib.contextmanager
def kept_fresh(held: Callable[[], Iterable[Path]]) -> Iterator[None]:
    """Tell other machines every `BEAT_S` that the holder of these locks lives.

    Parameters
    ----------
    held : function
        Gives the locks that are held now.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_S):
            for path in held():
                with contextlib.suppress(OSError):
                    os.utime(path, follow_symlinks=False)

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_BEAT_ENDS_S)


def make_empty(path: Path) -> None:
    """Make a file that is not there yet, in a folder that others tidy away when it is empty.

    Parameters
    ----------
    path : Path
        Of the file.

    Raises
    ------
    OSError
        Something is there; nothing can be written there.
    """
    os.close(_open_new(path))


def _make(path: Path, run: str) -> bool:
    pid = os.getpid()
    who: Holder = {**_here(), "pid": pid, "started": _started(pid), "run": run}
    try:
        descriptor = _open_new(path)
    except FileExistsError:
        if os.path.lexists(path):
            return False
        raise
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(json.dumps(who))
    except BaseException:
        release(path)
        raise
    return True


def _open_new(path: Path) -> int:
    """Descriptor of a new file, in a folder that is made, and no link to one elsewhere."""
    for _ in range(_TRIES):
        if path.parent.is_symlink():
            clear_way(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another run has just tidied the empty folder away
            return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    raise FileNotFoundError(errno.ENOENT, "its folder vanishes whenever it is made", str(path))


def _read(path: Path) -> Holder | None:
    """Who holds a lock; None if nobody that makes sense is named in it. `OSError` as `read_small`."""
    try:
        who = parse_json(read_small(path, _MOST_BYTES, follow=False))
    except ValueError:
        return None
    if not isinstance(who, dict) or type(who.get("pid")) is not int or not 0 < who["pid"] < 1 << 31:
        return None
    words = [
        who.get("host"),
        who.get("boot", ""),
        who.get("namespace", ""),
        who.get("started"),
        who.get("run"),
    ]
    if not all(isinstance(word, str) for word in words):
        return None
    host, boot, namespace, started, run = words
    return Holder(host=host, boot=boot, namespace=namespace, pid=who["pid"], started=started, run=run)


def _names_nobody(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file() and not path.is_symlink() and _read(path) is None
    return False


def _remove_left(path: Path, run: str) -> None:
    with contextlib.suppress(OSError):
        if os.path.lexists(path) and acquire(path, run):
            release(path)


def _left_behind(path: Path, run: str) -> bool:
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return True
        who = _read(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link has taken its place
            return True
        raise
    if who is None:
        return _age_s(found, path.parent) > _EMPTY_S
    here = _here()
    if any(who[key] != here[key] for key in here):  # type: ignore[literal-required]
        return who["run"] == run or _age_s(found, path.parent) > LONGEST_S
    gone = _started(who["pid"]) != who["started"]
    return gone or (who["run"] == run) != (who["pid"] == os.getpid())  # a lost worker, or an old process id


def _age_s(found: os.stat_result, folder: Path) -> float:
    """How far from now a file was changed, by the clock of the file system, which all machines share.

    A time in the future counts as well: the holder of a lock gives it the time of now every `BEAT_S`.
    """
    probe = folder / f"{secrets.token_hex(8)}.clock"
    try:
        descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        now = os.fstat(descriptor).st_mtime
        os.close(descriptor)
        probe.unlink(missing_ok=True)
    except OSError:
        now = time.time()
    return abs(now - found.st_mtime)


def _here() -> Place:
    """Where a process id means what it means here: one boot of one machine, and in it one container.

    Each container counts its processes from 1 and sees no others. Empty where the system does not tell.
    """
    boot = namespace = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return {"host": socket.gethostname(), "boot": boot, "namespace": namespace}


def _started(pid: int) -> str:
    """When a process of this machine began, in ticks since boot where known; "gone" if it has ended."""
    try:
        os.kill(pid, 0)
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "gone" if state in "ZX" else rest[18]
    except ProcessLookupError:
        return "gone"
    except OSError:  # a process of another user; no /proc
        return "lives"
