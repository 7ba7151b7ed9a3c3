"""DICOM pixels of the JPEG family, decoded in a process of its own.

The decoders of this family (GDCM's, Pillow's) are native code: what crashes or hangs them ends that process,
and is one sentence here. It is started with the first such file, serves the next ones, and ends when it has
had nothing to do for a while, or when this process ends.
"""

import atexit
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..types import AnyArray

SECONDS = 60
"""Allowed for one slice, which takes milliseconds."""

IDLE_SECONDS = 10

WORKER = Path(__file__).with_name("native_worker.py")

_END_SECONDS = 5
_LONGEST_ANSWER = 1000  # characters of JSON

_LOCK = threading.Lock()
_running: dict[int, "subprocess.Popen[bytes]"] = {}  # by the id of this process, which may have been forked


class DecoderDiedError(RuntimeError):
    """A file crashed its decoder or kept it busy for too long; says which."""


def decode(raw: bytes, shape: tuple[int, ...]) -> tuple[AnyArray, bool]:
    """Pixels of a DICOM file, and whether they are rescaled already.

    Parameters
    ----------
    raw : bytes
        The whole file.
    shape : tuple of int
        Of the pixels, as the header says.

    Raises
    ------
    DecoderDiedError
        The file ended its decoder.
    RuntimeError
        No decoder reads it.
    ValueError
        It is damaged, or its pixels have another shape.
    """
    with _LOCK:
        for _ in range(2):  # the second time where the process had just ended, with nothing to do
            worker = _running.get(os.getpid()) or _started()
            try:
                error, pixels, rescaled = _asked(worker, raw, shape)
            except (BrokenPipeError, EOFError):
                if code := _ended(worker):
                    raise DecoderDiedError(_reason(code)) from None
            except BaseException:  # no answer, or an interrupt: the next answer would be that of this file
                worker.kill()
                _ended(worker)
                raise
            else:
                if error == "unreadable":
                    raise RuntimeError("no decoder reads it")
                if error:
                    raise ValueError("it is damaged")
                return pixels, rescaled
    raise DecoderDiedError("could not start its decoder")


def _asked(
    worker: "subprocess.Popen[bytes]", raw: bytes, shape: tuple[int, ...]
) -> tuple[str, AnyArray, bool]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(struct.pack("<Q", len(raw)))
    worker.stdin.write(raw)
    worker.stdin.flush()
    said = json.loads(_exactly(worker.stdout.readline(_LONGEST_ANSWER)))
    if error := said.get("error", ""):
        return str(error), np.empty(0), False
    dtype = np.dtype(said["dtype"])
    if tuple(said["shape"]) != shape or dtype.kind not in "iuf":
        raise ValueError(f"expected pixels {shape}, got {said}")
    length = math.prod(shape) * dtype.itemsize
    pixels = np.frombuffer(_exactly(worker.stdout.read(length), length), dtype)
    return "", pixels.reshape(shape), bool(said["rescaled"])


def _exactly(raw: bytes, length: int = 1) -> bytes:
    if len(raw) < length:
        raise EOFError("the decoder ended")
    return raw


def _started() -> "subprocess.Popen[bytes]":
    """A worker; in a session of its own, so that a key which stops this process does not stop it first."""
    words = [sys.executable, "-P", "-W", "ignore", str(WORKER), str(SECONDS), str(IDLE_SECONDS)]
    worker = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _running[os.getpid()] = worker
    return worker


def _ended(worker: "subprocess.Popen[bytes]") -> int:
    """End a worker that has ended or has nothing to do; its exit code."""
    _running.pop(os.getpid(), None)
    for stream in (worker.stdin, worker.stdout):
        with suppress(OSError):
            assert stream is not None
            stream.close()
    try:
        return worker.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        return worker.wait()


def _reason(code: int) -> str:
    if code == -signal.SIGALRM:
        return f"kept its decoder busy for more than {SECONDS} s"
    return f"crashed its decoder ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"


@atexit.register
def _end_all() -> None:
    if (worker := _running.get(os.getpid())) is not None:
        _ended(worker)
