"""Gaussian noise that nobody can draw again: by a secret, or by the operating system."""

import os

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import ndtri


def noise_of(secret: int, step: int, like: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Standard normal numbers for every weight; the same for the same secret and step.

    Parameters
    ----------
    secret : int
        Whoever knows it can undo the noise. PyTorch's generator keeps 32 bits of it, NumPy's keeps all.
    step : int
        Counted from 0.
    like : dict of tensor
        Shapes, and where the noise is wanted.
    """
    rng = np.random.default_rng([secret, 1, step])
    return {
        name: torch.from_numpy(rng.standard_normal(tuple(x.shape), dtype=np.float32)).to(x)
        for name, x in like.items()
    }


def system_noise(like: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Standard normal numbers, each half the sum of four made of the operating system's random bytes.

    The sum of four has no gaps between its possible values from which the noise could be read off
    (Holohan and Braghin 2021).

    Parameters
    ----------
    like : dict of tensor
        Shapes, and where the noise is wanted.
    """
    return {name: torch.from_numpy(_normal(x.numel())).view(x.shape).to(x) for name, x in like.items()}


def _normal(count: int) -> npt.NDArray[np.float64]:
    whole = np.frombuffer(os.urandom(4 * 8 * count), np.uint64) >> np.uint64(11)
    uniform = (whole.astype(np.float64) + 0.5) * 2.0**-53
    found: npt.NDArray[np.float64] = ndtri(uniform).reshape(4, count).sum(axis=0) / 2
    return found
