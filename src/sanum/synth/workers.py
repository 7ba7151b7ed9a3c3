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


def pool(workers: int, begin: Callable[..., object] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """`workers` processes that first call `begin`; use it with `with`.

    Spawned, for a forked child hangs in the OpenMP pool that its parent has used.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(begin, arguments))


def ahead_of_use(
    workers: ProcessPoolExecutor, job: Callable[..., Any], items: Iterable[Any], ahead: int
) -> Iterator[Any]:
    """`job(item)` of each item in order, of which up to `ahead` are made before they are asked for."""
    left = iter(items)
    jobs = deque(submit(workers, job, i) for i in islice(left, ahead))
    while jobs:
        result = jobs.popleft().result()
        jobs.extend(submit(workers, job, i) for i in islice(left, 1))
        yield result


def submit(workers: ProcessPoolExecutor, job: Callable[..., Any], *arguments: Any) -> Future:
    """`workers.submit`, which may start a process: one that no signal ends before it is up.

    A process that dies while its parent still writes to it what it begins with (anatomies: more than a pipe
    holds) leaves the parent waiting for ever; and Ctrl-C goes to both.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        return workers.submit(job, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_ENDING = (signal.SIGINT, signal.SIGTERM)


def _start(begin: Callable[..., object] | None, arguments: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops them
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)  # see `submit`
    threading.Thread(target=_follow_the_parent, daemon=True).start()
    import numba
    import torch

    torch.set_num_threads(1)  # the other cores have other work
    numba.set_num_threads(1)
    if begin:
        begin(*arguments)


def _follow_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
