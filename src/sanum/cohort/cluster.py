"""The same on many processes or machines, by Dask (extra `cluster`)."""

import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from pydoc import locate
from typing import TYPE_CHECKING

from .. import __version__
from ..methods.common.anatomy import Predictor
from .inputs import Item
from .work import Outcome, Settings, note_outcome, run

if TYPE_CHECKING:
    from distributed import Client, Future

ANSWERS_S = 10.0
"""A scheduler that is there answers in less."""

LOOK_EVERY_S = 1.0
"""How often workers are counted."""

TOLD_AFTER_S, TOLD_EVERY_S = 5.0, 60.0
"""How long there may be no worker before it is told, and how often it is told again."""

_VERSION = "sanum.__version__"
_log = logging.getLogger(__name__)


class ClusterError(ValueError):
    """No scheduler, or workers that cannot do the work."""


Load = Callable[..., Predictor]


def run_on_dask(
    items: list[Item],
    output: Path,
    load: Load,
    how: tuple[Hashable, ...],
    settings: Settings,
    *,
    scheduler: str | None = None,
    workers: int = 2,
) -> Generator[Outcome]:
    """Do what `run` does on the workers of a Dask scheduler, and tell of each scan as it ends.

    A scan whose worker is lost goes to another one, three times at most. Workers are waited for, which may
    take hours where they queue; the log tells of it.

    Parameters
    ----------
    load : function
        Called with `how` once in each worker for the method. All must see the same files.
    scheduler : str, optional
        Address; without it, `workers` processes of this machine.

    Raises
    ------
    ClusterError
        No scheduler answers there, or it does no more; it or a worker has another sanum, or none; a worker
        cannot load the method.
    """
    name = uuid.uuid4().hex
    with ExitStack() as stack:
        client = _connect(stack, scheduler, workers)

        def submit(item: Item) -> "Future":
            absolute = replace(item, path=Path(os.path.abspath(item.path)))
            return client.submit(_one, absolute, output.absolute(), load, how, settings, name, pure=False)

        with closing(_as_they_end(client, items, submit)) as ended:
            for item, job in ended:
                outcome = _outcome(item, job, output, settings)
                yield outcome
                if outcome.last:
                    return


def _connect(stack: ExitStack, scheduler: str | None, workers: int) -> "Client":
    """Client of a scheduler or, where no address is given, of one with its workers on this machine."""
    from distributed import Client, LocalCluster

    if scheduler is None:
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        )
        return stack.enter_context(Client(stack.enter_context(cluster)))
    try:
        client = stack.enter_context(Client(scheduler, timeout=ANSWERS_S))
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {scheduler}: check the address") from error
    _check(f"scheduler at {scheduler}", client.run_on_scheduler(locate, _VERSION))
    return client


def _as_they_end(
    client: "Client", items: Iterable[Item], submit: "Callable[[Item], Future]"
) -> "Generator[tuple[Item, Future]]":
    """Submit as many jobs as there are threads of workers, and yield them as they end.

    No more, for Dask would blame a worker's loss on what waits there as well, and give that up after four.
    While there are no workers, the log tells of it.
    """
    from distributed import as_completed

    left, jobs, ended = deque(items), dict["Future", Item](), as_completed(loop=client.loop)
    known, threads, look, tell = set[str](), 0, time.monotonic(), time.monotonic() + TOLD_AFTER_S
    try:
        while left or jobs:
            now = time.monotonic()
            if now >= look:
                threads, look = _threads(client, known), now + LOOK_EVERY_S
            if threads:
                tell = now + TOLD_AFTER_S
            elif now >= tell:
                _log.warning("waiting for workers: the Dask scheduler has none at the moment")
                tell = now + TOLD_EVERY_S
            while left and len(jobs) < threads:
                job = submit(left[0])
                jobs[job] = left.popleft()
                ended.add(job)
            if ended.has_ready():
                job = next(ended)
                yield jobs.pop(job), job
            else:
                time.sleep(0.02)
    finally:
        with suppress(OSError):  # of a scheduler that is gone
            client.cancel(list(jobs))


def _threads(client: "Client", known: set[str]) -> int:
    """How many there are; new workers are checked, and then known."""
    try:
        workers = client.scheduler_info().get("workers")
        if workers is None:
            raise _lost()
        if new := sorted(workers.keys() - known):
            for address, found in client.run(locate, _VERSION, workers=new, on_error="return").items():
                _check(f"worker at {address}", found)
            known.update(new)
    except OSError as error:
        raise _lost() from error
    return sum(worker["nthreads"] for worker in workers.values())


def _check(who: str, found: object) -> None:
    """Refuse a worker without sanum, which would die of what it is sent, or with another one."""
    if found is None or (isinstance(found, str) and found != __version__):
        raise ClusterError(
            f"the {who} has {f'sanum {found}' if found else 'no sanum'}: expected sanum {__version__}; start "
            "scheduler and workers where that is installed"
        )


def _lost() -> ClusterError:
    return ClusterError(
        "the Dask scheduler was lost: start it and run the same again, which does what is not finished"
    )


def _outcome(item: Item, job: "Future", output: Path, settings: Settings) -> Outcome:
    """What a worker tells of a scan, or what is known without it."""
    from distributed import KilledWorker

    try:
        return replace(job.result(), item=item)
    except ClusterError:
        raise
    except CancelledError as error:
        raise _lost() from error
    except KilledWorker:
        reason = (
            f"{item.path.name} ended every worker that had it, perhaps for want of memory: "
            "give workers more, or take fewer on a machine"
        )
    except Exception as error:  # noqa: BLE001 whatever a worker raises; it is told
        reason = (
            f"{item.path.name} could not be given to a worker: {_in_short(error.__cause__ or error)}; please "
            "report this"
        )
    outcome = Outcome(item, "failed", reason=reason)
    note_outcome(outcome, output, settings)
    return outcome


def _one(
    item: Item, output: Path, load: Load, how: tuple[Hashable, ...], settings: Settings, name: str
) -> Outcome:
    """In a worker: one scan."""
    try:
        predictor = _loaded(load, how)
    except Exception as error:
        raise ClusterError(
            f"a worker of Dask cannot load the method: {_in_short(error)}; give all workers the same "
            "sanum and weights, at the same paths as here"
        ) from error
    with closing(run([item], output, predictor, settings, name=name)) as work:
        return next(work)


def _in_short(error: BaseException) -> str:
    """Kind of an error and its first line."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}, {first}" if first else type(error).__name__


@lru_cache(maxsize=1)
def _loaded(load: Load, how: tuple[Hashable, ...]) -> Predictor:
    return load(*how)
