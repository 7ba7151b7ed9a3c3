"""A lock file per scan, so that runs on one output folder share the work and harm nothing.

Plain files made with O_EXCL, which work on every shared file system; what a killed run left is taken over.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

BEAT_S = 60.0
"""So often a run says, by the time of its locks, that it lives."""

LONGEST_S = 10 * BEAT_S
"""A lock of another machine or container, whose processes cannot be seen, is left behind when it is older."""

_EMPTY_S = 10.0  # its maker fills it at once, unless it was killed in between


def acquire(path: Path, run: str) -> bool:
    """Make the lock `path` for the run of this name; False where somebody else who lives has it.

    Left behind is the lock of a process of this machine that is gone, of this run's name (a worker that was
    lost, whose work comes again), or of another machine or container after `LONGEST_S`.

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
        who = json.loads(path.read_text())
        return (who["run"], who["pid"]) == (run, os.getpid())
    except (OSError, ValueError, KeyError):
        return False


def wait_for_makers(paths: Iterable[Path]) -> None:
    """Wait until these locks, where they exist, name their makers or can be told to be left behind.

    Parameters
    ----------
    paths : iterable of Path
        Of the locks.
    """
    empty = [file for path in paths for file in (path, path.with_name(path.name + "x"))]
    until = time.monotonic() + _EMPTY_S + 0.5
    while time.monotonic() < until and (empty := [path for path in empty if _is_empty(path)]):
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
                    os.utime(path)

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _make(path: Path, run: str) -> bool:
    pid = os.getpid()
    who = json.dumps({**_here(), "pid": pid, "started": _started(pid), "run": run})
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            break
        except FileExistsError:
            return False
        except FileNotFoundError:  # another run has just tidied the empty folder away
            continue
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(who)
    except BaseException:
        release(path)
        raise
    return True


def _is_empty(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_size == 0
    return False


def _remove_left(path: Path, run: str) -> None:
    with contextlib.suppress(OSError):
        if path.exists() and acquire(path, run):
            release(path)


def _left_behind(path: Path, run: str) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
        text = path.read_text()
    except FileNotFoundError:
        return True
    who: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        who = json.loads(text)
    if not who:
        return age > _EMPTY_S
    here = _here()
    if {key: who.get(key) for key in here} != here:
        return age > LONGEST_S or bool(who["run"] == run)
    gone = _started(who["pid"]) != who["started"]
    return gone or bool(
        (who["run"] == run) != (who["pid"] == os.getpid())
    )  # a lost worker, or an old process id


def _here() -> dict[str, str]:
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
