"""How a run does its items, and what becomes of each."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..methods.common.memory_plan import OutOfMemory
from ..scan import ScanError
from ..scan.names import printable
from .inputs import Item
from .record import Record

State = Literal["done", "finished", "busy", "failed"]
_NO_MORE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class RunSettings:
    """How a run treats its items, whatever the job.

    Parameters
    ----------
    overwrite : bool
        Do again what is finished, and replace what is there.
    without : tuple of str
        Names of outputs that are not written.
    keep_failures : bool
        Remember each item that failed, for `failed.tsv`.
    memory : int, optional
        Bytes that the process may take: larger items are refused, and the model is made to fit. Default:
        items are not read ahead where less memory than they need is free.
    beside : function, optional
        Name and text of further files that belong to an item's results, from its record.
    """

    overwrite: bool = False
    without: tuple[str, ...] = ()
    keep_failures: bool = True
    memory: int | None = None
    beside: Callable[[Item, Record], dict[str, str]] | None = None


@dataclass(frozen=True)
class ItemOutcome:
    """What became of one item.

    Parameters
    ----------
    item : Item
        What was to be done.
    state : str
        "done"; "finished": was done before; "busy": another run has it; "failed".
    record : dict
        Of the results, if there are any.
    reason : str
        Why it failed.
    seconds : float
        Reading, computing and writing.
    memory : tuple of str
        What was done so that it fits into memory.
    last : bool
        No item after it could be written either: the run ends.
    otherwise : str
        How the results that were replaced differed in weights, settings or version.
    worker : mapping
        Process of another machine that did it: host, process, device, memory; empty: this process did.
    """

    item: Item
    state: State
    record: Record = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    memory: tuple[str, ...] = ()
    last: bool = False
    otherwise: str = ""
    worker: Mapping[str, Any] = field(default_factory=dict)


class CannotWrite(ScanError):
    """Nothing can be written where the results should go."""


def ends_the_run(error: Exception, output: Path) -> bool:
    """Whether nothing else could be written either: the disk is full, or may only be read.

    Parameters
    ----------
    error : Exception
        From writing.
    output : Path
        The output folder; it may be missing.
    """
    nearest = next(p for p in (output.absolute(), *output.absolute().parents) if p.exists())
    return getattr(error.__cause__, "errno", None) in _NO_MORE or not os.access(nearest, os.W_OK)


def sentence_of(item: Item, error: Exception, past: str) -> str:
    """Why an item failed, in one sentence; lines below it, such as DICOM series, are for the terminal only.

    Parameters
    ----------
    item : Item
        That failed.
    error : Exception
        What was raised.
    past : str
        What it would be if all had gone well, such as "reconstructed".
    """
    name = printable(item.path.name)
    if isinstance(error, ScanError):
        return str(error)
    if isinstance(error, OSError):
        return f"{name} cannot be read: {error.strerror or error}; check it and run it again"
    reason = str(error).splitlines()[0] if str(error) else "not enough memory"
    if isinstance(error, OutOfMemory):
        return f"{name} could not be {past}: {reason}; give more memory with --mem-gb"
    if isinstance(error, (MemoryError, RuntimeError)):  # torch's lack of memory is a RuntimeError
        return f"{name} could not be {past}: {reason}; close other programs or try --device cpu"
    return f"{name} could not be {past}: {type(error).__name__}, {reason}; please report this"
