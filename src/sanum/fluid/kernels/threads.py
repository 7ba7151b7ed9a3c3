"""Numba kernels with a serial twin, for one thread and for forked children.

Once a process has used its pool of GNU OpenMP threads, a parallel region in a forked child ends that child;
and data loaders fork. What each writes is the same to the bit.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FunctionType
from typing import Any

import numba

_forked = False


def _note_the_fork() -> None:
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_note_the_fork)


def is_forked() -> bool:
    """Whether this process is a forked child, which may not start threads."""
    return _forked


@contextmanager
def one_kernel_thread() -> Iterator[None]:
    """Kernels run in one thread meanwhile: arrays of a few thousand cells wait longer for a second one."""
    torch = sys.modules.get("torch")  # the kernels need none
    of_torch = torch.get_num_threads() if torch else 0
    before = numba.get_num_threads()  # the first time it starts OpenMP's threads, and PyTorch takes as many
    if torch:
        torch.set_num_threads(of_torch)
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def kernel(function: Any) -> Callable[..., Any]:
    """Compile `function`, which loops with `prange`, for many threads and for one; each when first used."""
    twin = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__qualname__ = f"{function.__qualname__}_serial"  # what Numba keeps on disk goes by this name
    twin.__module__ = function.__module__
    # numpy's error model: a check of each divisor would keep the loops from running on vectors
    parallel = numba.njit(cache=True, error_model="numpy", parallel=True)(function)
    serial = numba.njit(cache=True, error_model="numpy")(twin)

    @wraps(function)
    def run(*arguments: Any) -> Any:
        return (serial if _forked or numba.get_num_threads() == 1 else parallel)(*arguments)

    return run
