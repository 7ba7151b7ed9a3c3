"""A lock file per scan, so that runs on one output folder share the work and harm nothing.

Plain files made with O_EXCL, which work on every shared file system; what a killed run left is taken over.
"""

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

LONGEST_S = 3600.0
"""A lock of another machine or container, whose processes cannot be seen, is left behind when it is older."""

_EMPTY_S = 10.0  # its maker fills it at once, unless it was killed in between


def acquire(path: Path, run: str) -> bool:
    """Make the lock `path` for the run of this name; False where somebody else who lives has it.

    Left behind is the lock of a process of this machine that is gone, of this run's name (a worker that was
    lost, whose work comes again), or of another machine or container after `LONGEST_S`.

    Raises
    ------
    OSError
        Nothing can be written there.
    """
    if _make(path, run):
        return True
    if not _left_behind(path, run):
        return False
    judge = path.with_name(path.name + "x")  # one at a time removes what was left, or a fresh one would go
    if not acquire(judge, run):
        return False
    try:
        if _left_behind(path, run):
            path.unlink(missing_ok=True)
        return _make(path, run)
    finally:
        release(judge)


def release(path: Path) -> None:
    """Remove a lock that this process holds."""
    path.unlink(missing_ok=True)


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
        return age > LONGEST_S or who["run"] == run
    gone = _started(who["pid"]) != who["started"]
    return gone or (who["run"] == run) != (who["pid"] == os.getpid())  # a lost worker, or an old process id


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
