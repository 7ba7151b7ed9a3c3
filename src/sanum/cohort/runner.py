"""Doing many items: while some are computed, the next is read and the one before is written."""

import uuid
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from . import lock
from .inputs import Item
from .job import Job
from .outcome import ItemOutcome, RunSettings
from .steps import ItemSteps, OnItemStep


def run(
    items: Iterable[Item],
    output: Path,
    job: Job,
    settings: RunSettings,
    *,
    on_step: OnItemStep | None = None,
    name: str | None = None,
) -> Generator[ItemOutcome]:
    """Outcome of each item as it ends; those that are finished already are left as they are.

    As many items are computed at once as the job's resources say, and two more are read or written; fewer
    where memory is short (`memory.MemoryBudget`). What another run has at the moment is looked at again
    in the end. When the caller stops, or is interrupted, what is being written is written to its end.

    Parameters
    ----------
    items : iterable of Item
        What to do.
    output : Path
        The output folder; made if missing.
    job : Job
        What is done with each.
    settings : RunSettings
        How.
    on_step : function, optional
        Called with an item and the name of the step of its computation that begins.
    name : str, optional
        Of the run, in its locks; processes of one name take over from each other.
    """
    steps, busy = ItemSteps(output, job, settings, name or uuid.uuid4().hex), list[Item]()
    with lock.kept_fresh(steps.locks), ThreadPoolExecutor(steps.at_once + 2, "item") as pool:

        def done(items: Iterable[Item]) -> Iterator[ItemOutcome]:
            under_way: deque[Future[ItemOutcome]] = deque()
            for item in items:
                under_way.append(pool.submit(steps.do, item, on_step))
                if len(under_way) == steps.at_once + 2:
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
            lock.wait_for_makers(map(steps.lock_path, busy))
            yield from done(busy)
        finally:
            steps.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            steps.release_all()


def do_one(steps: ItemSteps, item: Item) -> ItemOutcome:
    """Outcome of one item, in a process where other threads do others with the same steps.

    Parameters
    ----------
    steps : ItemSteps
        Shared by the threads.
    item : Item
        What to do.
    """
    try:
        with lock.kept_fresh(lambda: [steps.lock_path(item)] if item in steps.held else []):
            outcome = steps.do(item)
            if outcome.state == "busy":
                lock.wait_for_makers([steps.lock_path(item)])
                outcome = steps.do(item)
            return outcome
    finally:
        steps.release(item)
