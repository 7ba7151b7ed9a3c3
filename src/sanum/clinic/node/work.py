"""Processing a series: one item of a batch, so that what is finished is never done again."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...cohort import Item, ItemOutcome, RunSettings, run, update_tables
from ...cohort.job import Job, OnStep, Resources, Tables
from ...methods.api import OutputSpec, Result
from ...scan import ScanError
from ...scan.errors import NoHead
from .folder import NodeFolder
from .queue import Entry, Queue

OBJECTS = "dicom"
"""Output of the job whose files are sent."""

MOST_STARTS = 5
"""After so many starts without an end, a series is given up: it may be what ends the node."""

BUSY_S = 60.0
"""So long waits a series that another program has, or for which there is no room on the disk."""

_FORCED = " (or go on with --force"
_log = logging.getLogger(__name__)


class NodeStops(BaseException):
    """The node ends; what is computed is of no use any more."""


@dataclass(frozen=True, eq=False)
class LookingJob:
    """A job that remembers which items show no head.

    Parameters
    ----------
    job : Job
        That does the work.
    """

    job: Job
    without_head: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Of the job."""
        return self.job.name

    @property
    def past(self) -> str:
        """Of the job."""
        return self.job.past

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of the job."""
        return self.job.settings

    @property
    def outputs(self) -> Mapping[str, OutputSpec]:
        """Of the job."""
        return self.job.outputs

    @property
    def tables(self) -> Tables:
        """Of the job."""
        return self.job.tables

    @property
    def resources(self) -> Resources:
        """Of the job."""
        return self.job.resources

    def read(self, item: Item) -> tuple[Item, Any]:
        """The item, and what the job reads of it.

        Parameters
        ----------
        item : Item
            What to read.
        """
        return item, self.job.read(item)

    def compute(self, loaded: tuple[Item, Any], on_step: OnStep) -> Result:
        """Result of the job.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        try:
            return self.job.compute(loaded[1], on_step)
        except NoHead:
            self.without_head.add(loaded[0].stem)
            raise

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Of the job.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        return self.job.facts(result)


class Processing:
    """What processes series, one after the other.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    queue : Queue
        Of the node.
    job : Job
        One of its outputs is `OBJECTS`.
    is_stopping : function
        Whether the node ends.
    clock : function
        Seconds since 1970.
    """

    def __init__(
        self,
        folder: NodeFolder,
        queue: Queue,
        job: Job,
        is_stopping: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._queue, self._clock = folder, queue, clock
        self._job, self._is_stopping = LookingJob(job), is_stopping
        self._settings = RunSettings()

    def do(self, entry: Entry) -> None:
        """Process one series, and say in the queue what became of it.

        Parameters
        ----------
        entry : Entry
            In state processing, without results.
        """
        key, count = entry.key, entry.count

        def ends(**new: Any) -> bool:
            return self._queue.change(key, only=["processing"], count=count, **new)

        if entry.starts >= MOST_STARTS:
            ends(
                state="error",
                reason=f"given up: it was begun {entry.starts} times, and never came to its end",
            )
            return
        if not ends(starts=entry.starts + 1):
            return
        try:
            outcome = self._outcome(key)
        except NodeStops:
            ends(starts=entry.starts)
            return
        if outcome.state in ("done", "finished"):
            ends(is_made=True, reason="", next_try=0.0)
        elif outcome.state == "busy" or outcome.last:
            reason = outcome.reason or "another program works on it"
            ends(starts=entry.starts, reason=reason, next_try=self._clock() + BUSY_S)
            _log.warning("%s waits: %s", key, reason)
        elif key in self._job.without_head:
            ends(state="discarded", reason=_plain(outcome.reason))
        else:
            ends(state="error", reason=_plain(outcome.reason))
        try:
            update_tables(self._folder.results, self._job.tables)
        except ScanError as error:
            _log.warning("%s", error)

    def _outcome(self, key: str) -> ItemOutcome:
        item = Item(self._folder.series / key, Path(key))
        self._job.without_head.discard(key)
        work = run([item], self._folder.results, self._job, self._settings, on_step=self._step)
        with closing(work):
            return next(work)

    def _step(self, item: Item, name: str) -> None:
        _log.debug("%s: %s", item.stem, name)
        if self._is_stopping():
            raise NodeStops


def objects_in(folder: NodeFolder, key: str) -> list[Path]:
    """Files of the DICOM results of a series, in order.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    key : str
        Of the series.
    """
    return sorted((folder.results / key).glob(f"*{OBJECTS}/*.dcm"))


def _plain(reason: str) -> str:
    """A reason as it is listed: without advice that a node cannot take, and without values of a data set."""
    line = reason.partition("\n")[0].partition(_FORCED)[0]
    return re.sub(r"(could not be \w+: \w+), .*(; please report this)$", r"\1\2", line)
