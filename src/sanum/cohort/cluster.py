"""The same on many processes or machines, by Dask (extra `cluster`)."""

import logging
import os
import uuid
from collections.abc import Callable, Generator, Hashable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ..methods.registry import Predictor
from .inputs import Item
from .work import Outcome, Settings, run


class ClusterError(ValueError):
    """Nobody there to do the work."""


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

    A scan whose worker is lost goes to another one, three times at most.

    Parameters
    ----------
    load : function
        Called with `how` once in each worker for the method. All must see the same files.
    scheduler : str, optional
        Address; without it, `workers` processes of this machine.

    Raises
    ------
    ClusterError
        No scheduler answers there.
    """
    from distributed import Client, KilledWorker, LocalCluster, as_completed

    absolute = {item: replace(item, path=Path(os.path.abspath(item.path))) for item in items}
    name = uuid.uuid4().hex
    with ExitStack() as stack:
        if scheduler is None:
            cluster = LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
            )
            stack.enter_context(cluster)
        try:
            client = stack.enter_context(Client(scheduler or cluster))
        except (OSError, ValueError) as error:
            raise ClusterError(f"no Dask scheduler answers at {scheduler}: check the address") from error
        jobs = {
            client.submit(_one, item, output.absolute(), load, how, settings, name, pure=False): given
            for given, item in absolute.items()
        }
        stack.callback(client.cancel, list(jobs))
        for job in as_completed(jobs):
            item = jobs.pop(job)
            try:
                yield replace(job.result(), item=item)
            except KilledWorker:
                reason = (
                    f"{item.path.name} ended every worker that had it, perhaps for want of memory: "
                    "give workers more, or take fewer on a machine"
                )
                yield Outcome(item, "failed", reason=reason)


def _one(
    item: Item, output: Path, load: Load, how: tuple[Hashable, ...], settings: Settings, name: str
) -> Outcome:
    with closing(run([item], output, _loaded(load, how), settings, name=name)) as work:
        return next(work)


@lru_cache(maxsize=1)
def _loaded(load: Load, how: tuple[Hashable, ...]) -> Predictor:
    return load(*how)
