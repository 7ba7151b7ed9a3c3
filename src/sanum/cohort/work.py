"""Doing many scans: while one is computed, the next is read and the one before is written."""

import errno
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..composition import Compose
from ..methods.registry import Predictor
from ..reconstruction import Reconstruction, Space, check_free, reconstruct, record_name
from ..scan import Scan, ScanError
from ..scan.names import shown
from ..scan.write import reason_of, settle
from . import lock
from .inputs import Item
from .record import Input, Record, is_finished, make_record, read_described, read_record, settings_of

STATE = ".sanum"
"""Folder in the output folder for locks, and for notes of what failed."""

State = Literal["done", "finished", "busy", "failed"]
_NO_MORE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
_TIMES = ("date", "seconds")  # what is written is the same whenever it is made; run.json has the times


@dataclass(frozen=True)
class Settings:
    """How every scan of a run is done.

    Parameters
    ----------
    space, compose, volume
        As in `reconstruct`.
    overwrite : bool
        Do again what is finished, and replace what is there.
    report : bool
        Write the HTML report.
    keep_failures : bool
        Leave a note of each scan that failed, for the table of failures.
    """

    space: Space = "input"
    compose: Compose = "anatomy"
    volume: int | None = None
    overwrite: bool = False
    report: bool = True
    keep_failures: bool = True


@dataclass(frozen=True)
class Outcome:
    """What became of one scan.

    Parameters
    ----------
    state : str
        "done"; "finished": was done before; "busy": another run has it; "failed".
    record : dict
        Of the results, if there are any.
    reason : str
        Why it failed.
    seconds : float
        Reading, computing and writing.
    last : bool
        No scan after it could be written either: the run ends.
    """

    item: Item
    state: State
    record: Record = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    last: bool = False


@dataclass(frozen=True, eq=False)
class _Taken:
    """A scan that is locked and read."""

    item: Item
    scan: Scan
    described: Input
    overwrite: bool
    seconds: float


@dataclass(frozen=True, eq=False)
class _Made:
    """What became of it, to be written."""

    taken: _Taken
    result: Reconstruction
    seconds: float


def run(
    items: Iterable[Item],
    output: Path,
    predictor: Predictor,
    settings: Settings,
    *,
    on_step: Callable[[Item, str], None] | None = None,
    name: str | None = None,
) -> Generator[Outcome]:
    """Do what is not finished, and tell of each scan as it ends.

    At most three scans are in memory. What another run has at the moment is looked at again in the end. When
    the caller stops, or is interrupted, what is being written is written to its end.

    Parameters
    ----------
    name : str
        Of the run, in its locks; processes of one name take over from each other.
    """
    work, busy = _Work(output, predictor, settings, name or uuid.uuid4().hex), list[Item]()
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:

        def overlapped(items: Iterable[Item]) -> Iterator[Outcome]:
            taken = _ahead(reader, work.take, items)
            made = (work.compute(t, on_step) if isinstance(t, _Taken) else t for t in taken)
            return _behind(writer, work.write, made)

        try:
            for outcome in overlapped(items):
                if outcome.state == "busy":
                    busy.append(outcome.item)
                else:
                    yield outcome
                if outcome.last:
                    return
            yield from overlapped(busy)
        finally:
            reader.shutdown(wait=True, cancel_futures=True)
            writer.shutdown(wait=True)
            work.release_all()


def _ahead(
    reader: ThreadPoolExecutor, take: Callable[[Item], _Taken | Outcome], items: Iterable[Item]
) -> Iterator[_Taken | Outcome]:
    """Take every item, always the next one while the caller has this one."""
    now: Future[_Taken | Outcome] | None = None
    for item in items:
        now, then = reader.submit(take, item), now
        if then is not None:
            yield then.result()
    if now is not None:
        yield now.result()


def _behind(
    writer: ThreadPoolExecutor, write: Callable[["_Made"], Outcome], many: Iterable["_Made | Outcome"]
) -> Iterator[Outcome]:
    """Write everything that was made, always one while the caller makes the next."""
    writing: Future[Outcome] | None = None
    for made in many:
        if isinstance(made, Outcome):
            yield made
            continue
        if writing is not None:
            yield writing.result()
        writing = writer.submit(write, made)
    if writing is not None:
        yield writing.result()


class _CannotLock(ScanError):
    """Nothing can be written where the results should go."""


class _Work:
    """The three steps of one scan, and the locks that are held between them."""

    def __init__(self, output: Path, predictor: Predictor, settings: Settings, name: str) -> None:
        self.output, self.predictor, self.settings, self.name = output, predictor, settings, name
        self.held: set[Item] = set()
        self.made_folders = [p for p in (output, *output.absolute().parents) if not p.exists()]
        self.decides = settings_of(
            space=settings.space, compose=settings.compose, volume=settings.volume,
            weights_sha256=predictor.weights_sha256,
        )  # fmt: skip

    def take(self, item: Item) -> _Taken | Outcome:
        """Lock and read a scan, unless it is finished or another run has it."""
        began = time.monotonic()
        folder, how = self.output / item.place, self.settings
        try:
            if not self._lock(item):  # before minutes of work, not after
                return Outcome(item, "busy")
            settle(folder, item.stem, last=record_name(item.stem))
            there = folder / record_name(item.stem)
            record = read_record(there)
            if record is None and there.exists() and not how.overwrite:
                raise ScanError(
                    f"{shown(there)} exists and is no record of sanum: pass --overwrite to replace it"
                )
            if (
                record
                and not how.overwrite
                and is_finished(record, folder, item, self.decides, report=how.report)
            ):
                return self._end(item, Outcome(item, "finished", record))
            overwrite = how.overwrite or record is not None
            check_free(item.stem, folder, overwrite=overwrite)
            scan, described = read_described(item.path, how.volume)
            return _Taken(item, scan, described, overwrite, time.monotonic() - began)
        except Exception as error:  # noqa: BLE001 a night's work does not end with one scan; it is told
            return self._failed(item, error, began, writing=isinstance(error, _CannotLock))

    def compute(self, taken: _Taken, on_step: Callable[[Item, str], None] | None) -> _Made | Outcome:
        """Reconstruct a scan that is in memory."""
        began, how = time.monotonic() - taken.seconds, self.settings
        try:
            result = reconstruct(
                taken.scan, space=how.space, compose=how.compose, predictor=self.predictor,
                on_step=(lambda step: on_step(taken.item, step)) if on_step else None,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 as above
            return self._failed(taken.item, error, began)
        told = {key: value for key, value in result.provenance.items() if key not in _TIMES}
        return _Made(taken, replace(result, provenance=told), time.monotonic() - began)

    def write(self, made: _Made) -> Outcome:
        """Write what was computed, its record last."""
        began, item, report = time.monotonic() - made.seconds, made.taken.item, self.settings.report
        try:
            record = make_record(made.result, item.path, made.taken.described, self.decides, report=report)
            folder = self.output / item.place
            made.result.save(folder, overwrite=made.taken.overwrite, report=report, record=record)
        except Exception as error:  # noqa: BLE001 as above
            return self._failed(item, error, began, writing=True)
        return self._end(item, Outcome(item, "done", record, seconds=time.monotonic() - began))

    def release_all(self) -> None:
        """Release the locks of scans that were not brought to an end."""
        for item in list(self.held):
            self._release(item)

    def _failed(self, item: Item, error: Exception, began: float, *, writing: bool = False) -> Outcome:
        nearest = next(p for p in (self.output.absolute(), *self.output.absolute().parents) if p.exists())
        last = writing and (
            getattr(error.__cause__, "errno", None) in _NO_MORE or not os.access(nearest, os.W_OK)
        )
        outcome = Outcome(item, "failed", {}, _sentence(item, error), time.monotonic() - began, last)
        return self._end(item, outcome)

    def _end(self, item: Item, outcome: Outcome) -> Outcome:
        """Note a failure, or that it is one no more, and unlock."""
        note_outcome(outcome, self.output, self.settings)
        if item in self.held:
            self._release(item)
        return outcome

    def _lock(self, item: Item) -> bool:
        try:
            check_free(item.stem, self.output / item.place, overwrite=True)
            mine = lock.acquire(self._lock_path(item), self.name)
        except ScanError as error:
            raise _CannotLock(str(error)) from error
        except OSError as error:
            raise _CannotLock(f"cannot write to {shown(self.output)}: {reason_of(error)}") from error
        if mine:
            self.held.add(item)
        return mine

    def _release(self, item: Item) -> None:
        lock.release(self._lock_path(item))
        self.held.discard(item)
        for folder in (self.output / STATE, *self.made_folders):
            with suppress(OSError):  # not empty
                folder.rmdir()

    def _lock_path(self, item: Item) -> Path:
        return self.output / STATE / f"{_key(item)}.lock"


def note_outcome(outcome: Outcome, output: Path, settings: Settings) -> None:
    """Leave a note of a scan that failed, or take away that of one that did before, if it can be written."""
    note = output / STATE / f"{_key(outcome.item)}.failed.json"
    part = note.with_suffix(".part")  # a name that the next run finds, if this one is killed
    with suppress(OSError):
        if outcome.state != "failed":
            note.unlink(missing_ok=True)
            part.unlink(missing_ok=True)
        elif settings.keep_failures:
            told = {"path": os.path.abspath(outcome.item.path), "reason": outcome.reason}
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(told) + "\n", encoding="utf-8")
            part.replace(note)


def _key(item: Item) -> str:
    """Name of a scan's files in the folder of states."""
    digest = hashlib.sha256(bytes(item.place / item.stem)).hexdigest()
    return f"{item.stem}-{digest[:8]}"


def _sentence(item: Item, error: Exception) -> str:
    name = shown(item.path.name)
    if isinstance(error, ScanError):
        return str(error)
    if isinstance(error, OSError):
        return f"{name} cannot be read: {error.strerror or error}; check it and run it again"
    reason = str(error).splitlines()[0] if str(error) else "not enough memory"
    if isinstance(error, (MemoryError, RuntimeError)):  # torch's lack of memory is a RuntimeError
        return f"{name} could not be reconstructed: {reason}; close other programs or try --device cpu"
    return f"{name} could not be reconstructed: {type(error).__name__}, {reason}; please report this"
