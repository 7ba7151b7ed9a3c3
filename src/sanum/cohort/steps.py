"""The steps of one item: lock and read it, compute its result, write it. A run holds one `ItemSteps`."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..learn.memory import available
from ..methods.api import Result
from ..methods.common.saving import file_names, record_name, require_free, save_result
from ..scan import ScanError
from ..scan.names import printable
from ..scan.write import reason_of, settle, together
from . import failures, lock
from .contract import require_known_outputs, require_result, settings_as_json
from .failures import STATE
from .inputs import Item
from .job import Job
from .memory import MemoryBudget
from .outcome import CannotWrite, ItemOutcome, RunSettings, ends_the_run, sentence_of
from .record import (
    DamagedRecord,
    InputDescription,
    Record,
    is_finished,
    is_of_another,
    made_otherwise,
    make_record,
    read_described,
    read_record,
)
from .tables import numbers_of

OnItemStep = Callable[[Item, str], None]


@dataclass(frozen=True, eq=False)
class _Taken:
    """An item that is locked and read."""

    item: Item
    loaded: Any
    described: InputDescription
    overwrite: bool
    otherwise: str
    seconds: float
    memory: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Computed:
    """Its result, to be written."""

    taken: _Taken
    result: Result
    seconds: float


class _Stopped(BaseException):
    """The run ends; what is computed is of no use any more."""


class ItemSteps:
    """The three steps of an item, and what is held between them. One reads and one writes at a time.

    Parameters
    ----------
    output : Path
        The output folder.
    job : Job
        What is done.
    settings : RunSettings
        How.
    name : str
        Of the run, in its locks.
    at_once : int, optional
        Items that are computed at the same time; default: as many as the job's resources say.

    Raises
    ------
    ValueError
        A setting of the job is no JSON, two outputs share a file name, or `without` names none of the job's.
    """

    def __init__(
        self, output: Path, job: Job, settings: RunSettings, name: str, at_once: int | None = None
    ) -> None:
        require_known_outputs(job.outputs, settings.without)
        self.job_settings = settings_as_json(job.settings)
        self.output, self.job, self.settings, self.name = output, job, settings, name
        self.held: set[Item] = set()
        self.at_once = at_once or job.resources.at_once
        self.reading, self.writing = threading.Lock(), threading.Lock()
        self.computing = threading.Semaphore(self.at_once)
        self.budget, self.stopped = _budget(settings, job, self.at_once), False
        self.made_folders = [p for p in (output, *output.absolute().parents) if not p.exists()]
        self.specs = {name: spec for name, spec in job.outputs.items() if name not in settings.without}

    def do(self, item: Item, on_step: OnItemStep | None = None) -> ItemOutcome:
        """What became of an item that was read, computed and written, each when its turn came.

        Parameters
        ----------
        item : Item
            What to do.
        on_step : function, optional
            Called with the item and the name of each step of its computation.
        """
        with self.reading:
            taken = self._take(item)
        if isinstance(taken, ItemOutcome):
            return taken
        with self.computing:
            computed = self._compute(taken, on_step)
        if isinstance(computed, ItemOutcome):
            return computed
        with self.writing:
            return self._write(computed)

    def locks(self) -> list[Path]:
        """The locks that are held."""
        return [self.lock_path(item) for item in list(self.held)]

    def lock_path(self, item: Item) -> Path:
        """The lock of an item, held or not.

        Parameters
        ----------
        item : Item
            Any.
        """
        return self.output / STATE / f"{key_of(item)}.lock"

    def stop(self) -> None:
        """Let nobody wait for memory, and whoever computes leave off with the next step."""
        self.stopped = True
        self.budget.close()

    def release_all(self) -> None:
        """Release the locks of items that were not brought to an end."""
        for item in list(self.held):
            self.release(item)

    def release(self, item: Item) -> None:
        """Release the lock of an item, if it is held, and its memory.

        Parameters
        ----------
        item : Item
            Any.
        """
        self.budget.give(item)
        if item not in self.held:
            return
        if lock.is_held(self.lock_path(item), self.name):
            lock.release(self.lock_path(item))
        self.held.discard(item)
        for folder in (self.output / STATE, *self.made_folders):
            with suppress(OSError):  # not empty
                folder.rmdir()

    def _take(self, item: Item) -> _Taken | ItemOutcome:
        """Lock and read an item, unless it is finished or another run has it."""
        began = time.monotonic()
        folder, settings = self.output / item.place, self.settings
        try:
            if item.problem:
                raise ScanError(item.problem)
            self._require_inside(folder)
            if not self._lock(item):  # before minutes of work, not after
                return ItemOutcome(item, "busy")
            settle(folder, item.stem, last=record_name(item.stem))
            record, otherwise = self._replaceable(item)
            if record and not settings.overwrite:
                otherwise = made_otherwise(record, self.job_settings)
                if not otherwise and is_finished(record, folder, item, file_names(item.stem, self.specs)):
                    self._mend(item, record)
                    return self._end(item, ItemOutcome(item, "finished", record))
            overwrite = settings.overwrite or record is not None or bool(otherwise)
            require_free(item.stem, folder, self.job.outputs, overwrite=overwrite)
            memory = self.budget.take(item, item.path.name, self.job.resources.item_bytes(item.path))
            loaded, described = read_described(item.path, lambda: self.job.read(item))
            took = time.monotonic() - began
            return _Taken(item, loaded, described, overwrite, otherwise, took, memory)
        except Exception as error:  # noqa: BLE001 a night's work does not end with one item; it is told
            return self._failed(item, error, began, writing=isinstance(error, CannotWrite))

    def _require_inside(self, folder: Path) -> None:
        real, inside = os.path.realpath(folder), os.path.realpath(self.output)
        if not Path(real).is_relative_to(inside):
            raise ScanError(
                f"{printable(folder)} is {printable(real)}, outside the output folder, by a link: "
                "remove the link"
            )

    def _replaceable(self, item: Item) -> tuple[Record | None, str]:
        """The record of results that are there, None without one, and what is wrong with it if it is damaged.

        `ScanError` if the results are not this item's.
        """
        there = self.output / item.place / record_name(item.stem)
        try:
            record = read_record(there, numbers_of(self.job.tables))
        except DamagedRecord as damaged:
            if damaged.is_foreign and not self.settings.overwrite:
                raise ScanError(
                    f"{printable(there)} exists and is no record of sanum, {damaged}: pass --overwrite to "
                    "replace it"
                ) from damaged
            return None, f"{printable(there.name)} is damaged, {damaged}"
        if self.settings.overwrite:
            return record, ""
        if record and record.get("job", self.job.name) != self.job.name:
            raise ScanError(
                f"{printable(there)} tells of results of another job, {printable(record['job'])}: pass "
                "--overwrite to replace them, or choose another output folder"
            )
        if record and is_of_another(record, item.path):
            raise ScanError(
                f"{printable(there)} tells of results of another scan, {printable(record['input']['path'])}: "
                f"pass --overwrite to replace them by those of {printable(item.path)}, or choose another "
                "output folder"
            )
        return record, ""

    def _compute(self, taken: _Taken, on_step: OnItemStep | None) -> _Computed | ItemOutcome:
        """Compute the result of an item that is in memory."""
        began, item = time.monotonic() - taken.seconds, taken.item

        def step(name: str) -> None:
            if self.stopped:
                raise _Stopped
            if on_step:
                on_step(item, name)

        try:
            if self.settings.memory is not None:
                self.job.resources.fit(self.budget.room_beside(item))
            result = self.job.compute(taken.loaded, step)
            require_result(result, item, self.job.outputs)
        except Exception as error:  # noqa: BLE001 as above
            return self._failed(item, error, began)
        return _Computed(taken, result, time.monotonic() - began)

    def _write(self, computed: _Computed) -> ItemOutcome:
        """Write what was computed, its record last."""
        began, taken, result = time.monotonic() - computed.seconds, computed.taken, computed.result
        item, without = taken.item, self.settings.without
        if not lock.is_held(self.lock_path(item), self.name):
            self.held.discard(item)
            self.budget.give(item)
            return ItemOutcome(item, "busy")
        try:
            record = make_record(self.job, result, item, taken.described, without)
            folder, beside = self.output / item.place, self._beside(item, record)
            save_result(
                result, folder, overwrite=taken.overwrite, without=without, record=record, beside=beside
            )
        except Exception as error:  # noqa: BLE001 as above
            return self._failed(item, error, began, writing=True)
        outcome = ItemOutcome(
            item,
            "done",
            record,
            seconds=time.monotonic() - began,
            memory=(*taken.memory, *self.job.resources.steps),
            otherwise=taken.otherwise,
        )
        return self._end(item, outcome)

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
            raise CannotWrite(f"cannot write to {printable(folder)}: {reason_of(error)}") from error

    def _failed(self, item: Item, error: Exception, began: float, *, writing: bool = False) -> ItemOutcome:
        return self._end(
            item,
            ItemOutcome(
                item,
                "failed",
                reason=sentence_of(item, error, self.job.past),
                seconds=time.monotonic() - began,
                memory=self.job.resources.steps,
                last=writing and ends_the_run(error, self.output),
            ),
        )

    def _end(self, item: Item, outcome: ItemOutcome) -> ItemOutcome:
        """Remember a failure, or forget one that is mended, and unlock."""
        remember_outcome(outcome, self.output, self.settings)
        self.release(item)
        return outcome

    def _lock(self, item: Item) -> bool:
        try:
            require_free(item.stem, self.output / item.place, self.job.outputs, overwrite=True)
            mine = lock.acquire(self.lock_path(item), self.name)
        except ScanError as error:
            raise CannotWrite(str(error)) from error
        except OSError as error:
            raise CannotWrite(f"cannot write to {printable(self.output)}: {reason_of(error)}") from error
        if mine:
            self.held.add(item)
        return mine


def _budget(settings: RunSettings, job: Job, at_once: int) -> MemoryBudget:
    resources = job.resources
    return MemoryBudget(
        settings.memory or available(torch.device("cpu")),
        base=resources.base_bytes,
        model=resources.model_bytes(at_once),
        strict=settings.memory is not None,
    )


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def remember_outcome(outcome: ItemOutcome, output: Path, settings: RunSettings) -> None:
    """Remember an item that failed, or forget that it did before, if that can be written.

    Parameters
    ----------
    outcome : ItemOutcome
        What became of it.
    output : Path
        The output folder.
    settings : RunSettings
        Whether failures are remembered.
    """
    with suppress(OSError):
        if outcome.state != "failed":
            failures.forget(outcome.item, output)
        elif settings.keep_failures:
            failures.remember(outcome.item, outcome.reason.partition("\n")[0], output)


def key_of(item: Item) -> str:
    """Name of an item's files in the folder of states.

    Parameters
    ----------
    item : Item
        Any.
    """
    digest = hashlib.sha256(bytes(item.place / item.stem)).hexdigest()
    return f"{item.stem}-{digest[:8]}"
