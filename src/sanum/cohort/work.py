"""Doing many scans: while two are computed, the next is read and the one before is written."""

import errno
import hashlib
import json
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch

from ..healthy.compose import Compose
from ..healthy.outputs import check_free, record_name
from ..healthy.reconstruction import Space, reconstruct
from ..healthy.result import Reconstruction
from ..learn.memory import available
from ..methods.common.anatomy import Predictor
from ..methods.common.memory_plan import OutOfMemory
from ..scan import Scan, ScanError
from ..scan.names import printable
from ..scan.write import reason_of, settle, together
from . import failures, lock
from .failures import STATE
from .inputs import Item
from .memory import Budget
from .record import (
    Input,
    Record,
    is_finished,
    is_of_another,
    made_otherwise,
    make_record,
    read_described,
    read_record,
    settings_of,
)

State = Literal["done", "finished", "busy", "failed"]
_NO_MORE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
AT_ONCE = 2  # scans that are computed on a CPU: 1.6 times as fast as one, on two cores; three are no faster
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
    memory : int, optional
        Bytes that the process may take: larger scans are refused, and the network goes into slabs or to the
        CPU until it fits. Default: scans are not read ahead where less than they need is free.
    beside : function, optional
        Name and text of further files that belong to a scan's results, from its record.
    """

    space: Space = "input"
    compose: Compose = "anatomy"
    volume: int | None = None
    overwrite: bool = False
    report: bool = True
    keep_failures: bool = True
    memory: int | None = None
    beside: Callable[[Item, Record], dict[str, str]] | None = None


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
    memory : tuple of str
        What was done so that it fits into memory.
    last : bool
        No scan after it could be written either: the run ends.
    otherwise : str
        By what the results that were replaced differed in weights, settings or version.
    """

    item: Item
    state: State
    record: Record = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    memory: tuple[str, ...] = ()
    last: bool = False
    otherwise: str = ""


@dataclass(frozen=True, eq=False)
class _Taken:
    """A scan that is locked and read."""

    item: Item
    scan: Scan
    described: Input
    overwrite: bool
    otherwise: str
    seconds: float
    memory: tuple[str, ...]


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

    Two scans are computed at once on a CPU, since parts of that work take one thread alone; at most four are
    in memory, or fewer (`memory.Budget`). What another run has at the moment is looked at again in the end.
    When the caller stops, or is interrupted, what is being written is written to its end.

    Parameters
    ----------
    name : str
        Of the run, in its locks; processes of one name take over from each other.
    """
    work, busy = _Work(output, predictor, settings, name or uuid.uuid4().hex), list[Item]()
    with lock.kept_fresh(work.locks), ThreadPoolExecutor(work.at_once + 2, "scan") as pool:

        def done(items: Iterable[Item]) -> Iterator[Outcome]:
            under_way: deque[Future[Outcome]] = deque()
            for item in items:
                under_way.append(pool.submit(work.do, item, on_step))
                if len(under_way) == work.at_once + 2:
                    yield (outcome := under_way.popleft().result())
                    if outcome.last:
                        break
            while under_way:
                yield under_way.popleft().result()

        try:
            last = False
            for outcome in done(items):
                if outcome.state == "busy":
                    busy.append(outcome.item)
                elif not (last and outcome.last):  # the same reason once is enough
                    yield outcome
                last |= outcome.last
            if last:
                return
            lock.wait_for_makers(map(work.lock_path, busy))
            yield from done(busy)
        finally:
            work.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            work.release_all()


class _Stopped(BaseException):
    """The run ends; what is computed is of no use any more."""


class _CannotWrite(ScanError):
    """Nothing can be written where the results should go."""


class _Work:
    """The three steps of a scan, and what is held between them. One reads and one writes at a time."""

    def __init__(self, output: Path, predictor: Predictor, settings: Settings, name: str) -> None:
        self.output, self.predictor, self.settings, self.name = output, predictor, settings, name
        self.held: set[Item] = set()
        self.at_once = min(torch.get_num_threads(), AT_ONCE) if predictor.device == "cpu" else 1
        self.reading, self.writing = threading.Lock(), threading.Lock()
        self.computing = threading.Semaphore(self.at_once)
        self.budget, self.stopped = _budget(settings, predictor, self.at_once), False
        self.made_folders = [p for p in (output, *output.absolute().parents) if not p.exists()]
        self.decides = settings_of(
            space=settings.space, compose=settings.compose, volume=settings.volume,
            weights_sha256=predictor.weights_sha256,
        )  # fmt: skip

    def do(self, item: Item, on_step: Callable[[Item, str], None] | None) -> Outcome:
        """Read, compute and write a scan, each when its turn comes."""
        with self.reading:
            taken = self.take(item)
        if isinstance(taken, Outcome):
            return taken
        with self.computing:
            made = self.compute(taken, on_step)
        if isinstance(made, Outcome):
            return made
        with self.writing:
            return self.write(made)

    def take(self, item: Item) -> _Taken | Outcome:
        """Lock and read a scan, unless it is finished or another run has it."""
        began = time.monotonic()
        folder, how = self.output / item.place, self.settings
        try:
            if item.problem:
                raise ScanError(item.problem)
            self._require_inside(folder)
            if not self._lock(item):  # before minutes of work, not after
                return Outcome(item, "busy")
            settle(folder, item.stem, last=record_name(item.stem))
            record = self._replaceable(item)
            otherwise = made_otherwise(record, self.decides) if record and not how.overwrite else ""
            if (
                record
                and not how.overwrite
                and not otherwise
                and is_finished(record, folder, item, report=how.report)
            ):
                self._mend(item, record)
                return self._end(item, Outcome(item, "finished", record))
            overwrite = how.overwrite or record is not None
            check_free(item.stem, folder, overwrite=overwrite)
            memory = self.budget.take(item, item.path)
            scan, described = read_described(item.path, how.volume)
            took = time.monotonic() - began
            return _Taken(item, scan, described, overwrite, otherwise, took, memory)
        except Exception as error:  # noqa: BLE001 a night's work does not end with one scan; it is told
            return self._failed(item, error, began, writing=isinstance(error, _CannotWrite))

    def _require_inside(self, folder: Path) -> None:
        real, inside = os.path.realpath(folder), os.path.realpath(self.output)
        if not Path(real).is_relative_to(inside):
            raise ScanError(
                f"{printable(folder)} is {printable(real)}, outside the output folder, by a link: remove the link"
            )

    def _replaceable(self, item: Item) -> Record | None:
        """The record of results that are there, None without; `ScanError` if they are not this scan's."""
        there = self.output / item.place / record_name(item.stem)
        record = read_record(there)
        if self.settings.overwrite:
            return record
        if record is None and os.path.lexists(there):
            raise ScanError(
                f"{printable(there)} exists and is no record of sanum: pass --overwrite to replace it"
            )
        if record and is_of_another(record, item.path):
            raise ScanError(
                f"{printable(there)} tells of results of {printable(record['input']['path'])}: pass --overwrite to "
                f"replace them by those of {printable(item.path)}, or choose another output folder"
            )
        return record

    def compute(self, taken: _Taken, on_step: Callable[[Item, str], None] | None) -> _Made | Outcome:
        """Reconstruct a scan that is in memory."""
        began, how = time.monotonic() - taken.seconds, self.settings
        try:
            if how.memory is not None and self.predictor.memory_plan is not None:
                self.predictor.memory_plan.fit(self.budget.room_beside(taken.item))
            result = reconstruct(
                taken.scan, space=how.space, compose=how.compose, predictor=self.predictor,
                on_step=lambda step: self._step(taken.item, step, on_step),
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 as above
            return self._failed(taken.item, error, began)
        told = {key: value for key, value in result.provenance.items() if key not in _TIMES}
        return _Made(taken, replace(result, provenance=told), time.monotonic() - began)

    def _step(self, item: Item, step: str, on_step: Callable[[Item, str], None] | None) -> None:
        if self.stopped:
            raise _Stopped
        if on_step:
            on_step(item, step)

    def stop(self) -> None:
        """Let nobody wait for memory, and whoever computes leave off with the next step."""
        self.stopped = True
        self.budget.close()

    def write(self, made: _Made) -> Outcome:
        """Write what was computed, its record last."""
        began, item, report = time.monotonic() - made.seconds, made.taken.item, self.settings.report
        if not lock.is_held(self.lock_path(item), self.name):
            self.held.discard(item)
            self.budget.give(item)
            return Outcome(item, "busy")
        try:
            record = make_record(made.result, item.path, made.taken.described, self.decides, report=report)
            folder, beside = self.output / item.place, self._beside(item, record)
            made.result.save(
                folder, overwrite=made.taken.overwrite, report=report, record=record, beside=beside
            )
        except Exception as error:  # noqa: BLE001 as above
            return self._failed(item, error, began, writing=True)
        outcome = Outcome(
            item, "done", record,
            seconds=time.monotonic() - began,
            memory=(*made.taken.memory, *steps_of(self.predictor)),
            otherwise=made.taken.otherwise,
        )  # fmt: skip
        return self._end(item, outcome)

    def locks(self) -> list[Path]:
        """The locks that are held."""
        return [self.lock_path(item) for item in list(self.held)]

    def _beside(self, item: Item, record: Record) -> dict[str, str]:
        beside = self.settings.beside(item, record) if self.settings.beside else {}
        for path in (self.output / item.place / name for name in beside):
            if path.is_dir():
                raise ScanError(f"{printable(path)} is a folder where a file should go: move it away")
        return beside

    def _mend(self, item: Item, record: Record) -> None:
        """Write what belongs beside finished results and is not there, or not so."""
        folder, beside = self.output / item.place, self._beside(item, record)
        if all(_holds(folder / name, text) for name, text in beside.items()):
            return
        last = record_name(item.stem)
        texts = {**beside, last: json.dumps(record, indent=2) + "\n"}
        try:
            with together(folder, item.stem, last=last) as hidden:
                for name, text in texts.items():
                    (hidden / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise _CannotWrite(f"cannot write to {printable(folder)}: {reason_of(error)}") from error

    def release_all(self) -> None:
        """Release the locks of scans that were not brought to an end."""
        for item in list(self.held):
            self._release(item)

    def _failed(self, item: Item, error: Exception, began: float, *, writing: bool = False) -> Outcome:
        nearest = next(p for p in (self.output.absolute(), *self.output.absolute().parents) if p.exists())
        last = writing and (
            getattr(error.__cause__, "errno", None) in _NO_MORE or not os.access(nearest, os.W_OK)
        )
        reason, seconds = _sentence(item, error), time.monotonic() - began
        outcome = Outcome(item, "failed", {}, reason, seconds, steps_of(self.predictor), last)
        return self._end(item, outcome)

    def _end(self, item: Item, outcome: Outcome) -> Outcome:
        """Note a failure, or that it is one no more, and unlock."""
        note_outcome(outcome, self.output, self.settings)
        self.budget.give(item)
        if item in self.held:
            self._release(item)
        return outcome

    def _lock(self, item: Item) -> bool:
        try:
            check_free(item.stem, self.output / item.place, overwrite=True)
            mine = lock.acquire(self.lock_path(item), self.name)
        except ScanError as error:
            raise _CannotWrite(str(error)) from error
        except OSError as error:
            raise _CannotWrite(f"cannot write to {printable(self.output)}: {reason_of(error)}") from error
        if mine:
            self.held.add(item)
        return mine

    def _release(self, item: Item) -> None:
        if lock.is_held(self.lock_path(item), self.name):
            lock.release(self.lock_path(item))
        self.held.discard(item)
        for folder in (self.output / STATE, *self.made_folders):
            with suppress(OSError):  # not empty
                folder.rmdir()

    def lock_path(self, item: Item) -> Path:
        """The lock of a scan, held or not."""
        return self.output / STATE / f"{_key(item)}.lock"


def _budget(settings: Settings, predictor: Predictor, at_once: int) -> Budget:
    total = settings.memory or available(torch.device("cpu"))
    plan = predictor.memory_plan
    beside = 0
    if plan is not None:
        there, beside = plan.need(plan.step)
        beside += there if plan.step.device == "cpu" else 0
    return Budget(total, at_once * beside, strict=settings.memory is not None)


def steps_of(predictor: Predictor) -> tuple[str, ...]:
    """What a method did to fit into memory."""
    return () if predictor.memory_plan is None else tuple(predictor.memory_plan.taken)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def note_outcome(outcome: Outcome, output: Path, settings: Settings) -> None:
    """Leave a note of a scan that failed, or take away that of one that did before, if it can be written."""
    with suppress(OSError):
        if outcome.state != "failed":
            failures.forget(outcome.item, output)
        elif settings.keep_failures:
            failures.remember(outcome.item, outcome.reason, output)


def _key(item: Item) -> str:
    """Name of a scan's files in the folder of states."""
    digest = hashlib.sha256(bytes(item.place / item.stem)).hexdigest()
    return f"{item.stem}-{digest[:8]}"


def _sentence(item: Item, error: Exception) -> str:
    name = printable(item.path.name)
    if isinstance(error, ScanError):
        return str(error)
    if isinstance(error, OSError):
        return f"{name} cannot be read: {error.strerror or error}; check it and run it again"
    reason = str(error).splitlines()[0] if str(error) else "not enough memory"
    if isinstance(error, OutOfMemory):
        return f"{name} could not be reconstructed: {reason}; give more memory with --mem-gb"
    if isinstance(error, (MemoryError, RuntimeError)):  # torch's lack of memory is a RuntimeError
        return f"{name} could not be reconstructed: {reason}; close other programs or try --device cpu"
    return f"{name} could not be reconstructed: {type(error).__name__}, {reason}; please report this"
