"""One thread for what must be the same bits on any number of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread(*, libraries: bool = False) -> Iterator[None]:
    """PyTorch computes in one thread on the CPU meanwhile: sums of several depend on how many there are.

    Parameters
    ----------
    libraries : bool
        So do the linear algebra below NumPy, and OpenMP.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if libraries:
            with threadpool_limits(1):
                yield
        else:
            yield
    finally:
        torch.set_num_threads(before)
