"""Random draws of a training step, dropout's among them, that depend on the step's own seed alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawn_from(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """PyTorch's own generators begin at `seed` meanwhile, and go on afterwards as if nothing had been drawn.

    So a resumed training draws what an unbroken one would have, and a caller's draws are not disturbed.

    Parameters
    ----------
    seed : int
        Of the step.
    device : device or str
        Where the network is.
    """
    where = torch.device(device)
    devices = [where] if where.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
