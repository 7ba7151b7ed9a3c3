"""In a worker process of Dask: one job and one memory budget, which all of its threads share."""

import os
import socket
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from .inputs import Item
from .job import Job
from .machine import own_cores, peak_memory
from .outcome import ItemOutcome, RunSettings
from .runner import do_one
from .steps import ItemSteps

Load = Callable[..., Job]
"""Gives a loaded job from `how`; workers must be able to import it."""


class ClusterError(ValueError):
    """No scheduler, or workers that cannot do the work."""


@dataclass
class _Held:
    """What this process holds: a job by how it was loaded, and the steps of a run by its name."""

    how: tuple[Hashable, ...] | None = None
    job: Job | None = None
    run: str = ""
    steps: ItemSteps | None = None


_held, _loading = _Held(), threading.Lock()


def do_in_worker(
    item: Item, output: Path, load: Load, how: tuple[Hashable, ...], settings: RunSettings, run: str
) -> ItemOutcome:
    """Outcome of one item; the job is loaded by the first one that comes.

    Parameters
    ----------
    item : Item
        With an absolute path.
    output : Path
        Absolute.
    load, how : function and its arguments
        See `Load`.
    settings : RunSettings
        Of the run.
    run : str
        Name of the run.

    Raises
    ------
    ClusterError
        The job cannot be loaded.
    """
    try:
        with _loading:
            steps = _steps(output, load, how, settings, run)
    except Exception as error:
        raise ClusterError(
            f"a worker of Dask cannot load the method: {in_short(error)}; give all workers the same "
            "sanum and weights, at the same paths as here"
        ) from error
    outcome = do_one(steps, item)
    return replace(
        outcome,
        worker={
            "host": socket.gethostname(),
            "process": os.getpid(),
            "threads": torch.get_num_threads(),
            "peak_memory_mb": round(peak_memory() / 1e6),
            **steps.job.resources.description,
        },
    )


def threads_of_worker(beside: int = 1) -> int:
    """CPU threads for each item that this worker does: its cores, shared by its threads of Dask.

    Parameters
    ----------
    beside : int
        Processes that share the cores, this one included.
    """
    return max(1, own_cores() // (_nthreads() * beside))


def in_short(error: BaseException) -> str:
    """Kind of an error and its first line.

    Parameters
    ----------
    error : BaseException
        Any.
    """
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}, {first}" if first else type(error).__name__


def _steps(output: Path, load: Load, how: tuple[Hashable, ...], settings: RunSettings, run: str) -> ItemSteps:
    if _held.job is None or _held.how != (load, *how):
        _held.job, _held.how, _held.run = load(*how), (load, *how), ""
    if _held.steps is None or _held.run != run:
        at_once = _nthreads() if _held.job.resources.is_shared else 1
        _held.steps, _held.run = ItemSteps(output, _held.job, settings, run, at_once), run
    return _held.steps


def _nthreads() -> int:
    """Threads of Dask in this worker."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:  # this is none
        return 1
