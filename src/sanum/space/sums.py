"""Sums that have the same bits on any number of threads."""

import torch


def steady_sum(x: torch.Tensor) -> torch.Tensor:
    """Sum of all values, first over each plane of the first axis.

    PyTorch gives each plane to one thread. A sum of all at once it shares among threads, and adds up what
    each had: other bits on another number of threads.

    Parameters
    ----------
    x : (X, Y, Z) tensor
        Of at most 32,768 planes: so few numbers one thread adds up.

    Examples
    --------
    >>> steady_sum(torch.ones(2, 3, 4)).item()
    24.0
    """
    return x.contiguous().flatten(1).sum(1).sum()
