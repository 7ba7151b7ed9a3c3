"""Doing many scans: while one is computed, the next is read and the one before is written."""

import errno
import hashlib
import json
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
from ..scan import Scan, ScanError, atomic_path
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
    """A scan that is locked and read, and later its result."""

    item: Item
    scan: Scan
    described: Input
    overwrite: bool
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
    work = _Work(output, predictor, settings, name or uuid.uuid4().hex)
    reader, writer = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "write")
    try:
        yield from _overlapped(work, items, reader, writer, on_step or (lambda *_: None))
    finally:
        reader.shutdown(wait=True, cancel_futures=True)
        writer.shutdown(wait=True)
        work.release_all()


def _overlapped(
    work: "_Work",
    items: Iterable[Item],
    reader: ThreadPoolExecutor,
    writer: ThreadPoolExecutor,
    on_step: Callable[[Item, str], None],
) -> Iterator[Outcome]:
    queue, again = iter(items), list[Item]()
    behind: Future[Outcome] | None = None

    def next_read() -> Future[_Taken | Outcome] | None:
        item = next(queue, None)
        return None if item is None else reader.submit(work.take, item)

    ahead, second = next_read(), False
    while True:
        if ahead is None and again and not second:  # once more what others had
            queue, second = iter(again), True
            ahead = next_read()
        if ahead is None:
            break
        taken = ahead.result()
        ahead = next_read()
        made: Outcome | tuple[_Taken, Reconstruction]
        if isinstance(taken, Outcome) and taken.state == "busy" and not second:
            again.append(taken.item)
            continue
        made = taken if isinstance(taken, Outcome) else work.compute(taken, on_step)
        del taken
        if behind is not None and (isinstance(made, tuple) or behind.done()):
            yield (ended := behind.result())
            behind = None
            if ended.last:
                return
        if isinstance(made, tuple):
            behind = writer.submit(work.write, *made)
        else:
            yield made
            if made.last:
                break
        del made
    if behind is not None:
        yield behind.result()


class _CannotLock(ScanError):
    """Nothing can be written into the output folder."""


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
            check_free(item.stem, folder, overwrite=True)  # before minutes of work, not after
            if not self._lock(item):
                return Outcome(item, "busy")
            settle(folder, item.stem, last=record_name(item.stem))
            record = read_record(folder / record_name(item.stem))
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

    def compute(
        self, taken: _Taken, on_step: Callable[[Item, str], None]
    ) -> tuple[_Taken, Reconstruction] | Outcome:
        """Reconstruct a scan that is in memory."""
        began, how = time.monotonic(), self.settings
        try:
            result = reconstruct(
                taken.scan, space=how.space, compose=how.compose, predictor=self.predictor,
                on_step=lambda step: on_step(taken.item, step),
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 as above
            return self._failed(taken.item, error, began - taken.seconds)
        told = {key: value for key, value in result.provenance.items() if key not in _TIMES}
        result = replace(result, provenance=told)
        return replace(taken, scan=result.scan, seconds=taken.seconds + time.monotonic() - began), result

    def write(self, taken: _Taken, result: Reconstruction) -> Outcome:
        """Write what was computed, its record last."""
        began, item, report = time.monotonic(), taken.item, self.settings.report
        try:
            record = make_record(result, item.path, taken.described, self.decides, report=report)
            folder = self.output / item.place
            result.save(folder, overwrite=taken.overwrite, report=report, record=record)
        except Exception as error:  # noqa: BLE001 as above
            return self._failed(item, error, began - taken.seconds, writing=True)
        return self._end(item, Outcome(item, "done", record, "", taken.seconds + time.monotonic() - began))

    def release_all(self) -> None:
        """Release the locks of scans that were not brought to an end."""
        for item in list(self.held):
            self._release(item)

    def _failed(self, item: Item, error: Exception, began: float, *, writing: bool = False) -> Outcome:
        last = writing and isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_MORE
        outcome = Outcome(item, "failed", {}, _sentence(item, error), time.monotonic() - began, last)
        return self._end(item, outcome)

    def _end(self, item: Item, outcome: Outcome) -> Outcome:
        """Note a failure, or that it is one no more, and unlock."""
        note = self.output / STATE / f"{_key(item)}.failed.json"
        if outcome.state != "failed":
            note.unlink(missing_ok=True)
        elif self.settings.keep_failures:
            with suppress(ScanError), atomic_path(note, overwrite=True) as temporary:
                told = {"path": str(item.path.absolute()), "reason": outcome.reason}
                temporary.write_text(json.dumps(told) + "\n", encoding="utf-8")
        if item in self.held:
            self._release(item)
        return outcome

    def _lock(self, item: Item) -> bool:
        try:
            mine = lock.acquire(self._lock_path(item), self.name)
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
