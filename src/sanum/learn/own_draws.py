"""Draws of one sample's loss, dropout's above all, by a key of that sample: `vmap` maps them like its data.

PyTorch's generators draw for all samples of a mapped function together: what one gets depends on its place
among the others, and so on who they are. Here a number is a function of key and place within the sample.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

WHOLE_CHANNELS = {F.dropout1d: 3, F.dropout2d: 4, F.dropout3d: 5}  # axes of a batch
BITS = 24  # of a draw


class OwnDropout(TorchFunctionMode):
    """Dropout meanwhile leaves out what a key says; all else is as it was.

    Parameters
    ----------
    key : int64 tensor
        One number; `vmap` may map it.
    """

    def __init__(self, key: torch.Tensor) -> None:
        super().__init__()
        self.key, self.calls = key, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Of each call to PyTorch."""
        kwargs = kwargs or {}
        axes = WHOLE_CHANNELS.get(func)
        if func is F.dropout or (axes and args and args[0].ndim == axes):
            return self._dropped(*args, whole=axes is not None, **kwargs)
        return func(*args, **kwargs)

    def _dropped(
        self, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, whole: bool
    ) -> torch.Tensor:
        if not training or p == 0:
            return x
        shape = (*x.shape[:2], *(1,) * (x.ndim - 2)) if whole else x.shape
        self.calls += 1
        kept = draws_of(self.key + self.calls, shape) >= int(p * 2**BITS)
        factor = kept.to(x) / max(1 - p, 2.0**-BITS)
        return x.mul_(factor) if inplace else x * factor


def draws_of(key: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Whole numbers from 0 to 2²⁴ − 1, int64 (*shape), all as likely: SplitMix64 (Steele and others 2014).

    Parameters
    ----------
    key : int64 tensor
        One number.
    shape : sequence of int
        Of the draws; the same for the same key.
    """
    places = torch.arange(int(np.prod(shape)), device=key.device).view(tuple(shape))
    x = _mixed(_mixed(key) + places * _WEYL)
    found: torch.Tensor = (x >> (64 - BITS)) & (2**BITS - 1)
    return found


def keys_of(secret: int, step: int, people: Sequence[int]) -> list[int]:
    """A seed for the draws of each person in a step, whoever else takes part.

    Parameters
    ----------
    secret : int
        Of the training.
    step : int
        Counted from 0.
    people : sequence of int
        Numbers of the persons.
    """
    return [int(np.random.default_rng([secret, 2, step, person]).integers(1 << 62)) for person in people]


def _signed(x: int) -> int:
    return x - (1 << 64) if x >> 63 else x


_WEYL = _signed(0x9E3779B97F4A7C15)
_MIX = (30, _signed(0xBF58476D1CE4E5B9)), (27, _signed(0x94D049BB133111EB))


def _mixed(x: torch.Tensor) -> torch.Tensor:
    for bits, factor in _MIX:
        x = (x ^ ((x >> bits) & ((1 << (64 - bits)) - 1))) * factor
    return x ^ ((x >> 31) & ((1 << 33) - 1))
