"""Processes that make samples: started afresh, of one thread each, gone when their parent is."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import Any


def pool(
    workers: int, initializer: Callable[..., object] | None = None, *arguments: Any
) -> ProcessPoolExecutor:
    """Pool of `workers` processes that first call `initializer`; use it with `with`.

    Spawned, for a forked child hangs in the OpenMP pool that its parent has used.

    Parameters
    ----------
    workers : int
        Processes.
    initializer : function, optional
        Called once in each process.
    arguments : object
        Its arguments.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start, initargs=(initializer, arguments)
    )


def prefetch(
    workers: ProcessPoolExecutor, job: Callable[..., Any], items: Iterable[Any], depth: int
) -> Iterator[Any]:
    """`job(item)` of each item in order; up to `depth` of them are computed ahead of use.

    Parameters
    ----------
    workers : ProcessPoolExecutor
        Of `pool`.
    job : function
        Called with each item.
    items : iterable
        Read as far as needed.
    depth : int
        Jobs that are running or done ahead of use.
    """
    left = iter(items)
    jobs = deque(submit(workers, job, i) for i in islice(left, depth))
    while jobs:
        result = jobs.popleft().result()
        jobs.extend(submit(workers, job, i) for i in islice(left, 1))
        yield result


def submit(workers: ProcessPoolExecutor, job: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Future of `job(*arguments)`; a process that it starts is ended by no signal before it is up.

    A process that dies while its parent still writes to it what it begins with (anatomies: more than a pipe
    holds) leaves the parent waiting for ever; and Ctrl-C goes to both.

    Parameters
    ----------
    workers : ProcessPoolExecutor
        Of `pool`.
    job : function
        Called in one of the processes.
    arguments : object
        Its arguments.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        return workers.submit(job, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_ENDING = (signal.SIGINT, signal.SIGTERM)


def _start(initializer: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops them
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)  # see `submit`
    threading.Thread(target=_follow_the_parent, daemon=True).start()
    import numba
    import torch

    torch.set_num_threads(1)  # the other cores have other work
    numba.set_num_threads(1)
    if initializer:
        initializer(*arguments)


def _follow_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
