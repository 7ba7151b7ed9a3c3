"""Contrasts that nobody has seen: stacks of convolutions whose weights are drawn anew at each use.

After RandConv (Xu et al., ICLR 2021). One linear convolution only filters; the kinks between several let
tissues change places on the grey scale. Kernels are odd, nothing is strided: the geometry stays where it is.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

CHANNELS = 4
"""Between the convolutions."""


@dataclass(frozen=True)
class Contrast:
    """One stack.

    Parameters
    ----------
    seed : int
        Of its weights.
    kernels : tuple of int
        Edge of each convolution's kernel, 1 or 3 voxels.
    leak : float
        Slope of the activation below 0.
    kept : float
        Share of the image that is mixed with the stack's.
    dark_air : bool
        Outside of the head nothing is seen, as in most scans.
    """

    seed: int
    kernels: tuple[int, ...]
    leak: float
    kept: float
    dark_air: bool


def draw_contrast(rng: np.random.Generator) -> Contrast:
    """Two to four convolutions; in one of ten cases the image is left as it is.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    """
    kernels = tuple(int(k) for k in rng.choice((1, 3), rng.integers(2, 5), p=(0.7, 0.3)))
    return Contrast(
        seed=int(rng.integers(2**31)),
        kernels=kernels,
        leak=float(rng.uniform(-0.5, 0.3)),
        kept=1.0 if rng.uniform() < 0.1 else float(rng.uniform(0, 0.5)),
        dark_air=bool(rng.uniform() < 0.7),
    )


def apply_contrast(image: torch.Tensor, head: torch.Tensor, contrast: Contrast) -> torch.Tensor:
    """The image as another modality might show it, in [0, 1].

    Parameters
    ----------
    image : (X, Y, Z) float32
        In [0, 1].
    head : (X, Y, Z) bool
        False in air.
    contrast : Contrast
        What was drawn.
    """
    x = (image[:, None] - 0.5) * 4
    own = torch.Generator().manual_seed(contrast.seed)
    last = len(contrast.kernels) - 1
    for n, edge in enumerate(contrast.kernels):
        channels = 1 if n == last else CHANNELS
        weights = torch.randn(channels, x.shape[1], edge, edge, edge, generator=own)
        weights *= (2 / weights[0].numel()) ** 0.5
        x = _convolved(x, weights) + torch.randn(channels, 1, 1, generator=own) * 0.7
        if n < last:
            x = F.leaky_relu(x, contrast.leak)
    made = contrast.kept * image + (1 - contrast.kept) * _to_unit(x[:, 0], head)
    return made * head if contrast.dark_air else made


def _convolved(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(X, C, Y, Z) by a kernel (D, C, K, K, K); as planes, for PyTorch's own is slow on one small volume."""
    edge, planes = weights.shape[-1], len(x)
    if edge == 1:
        mixed: torch.Tensor = (weights[:, :, 0, 0, 0] @ x.flatten(2)).unflatten(2, x.shape[2:])
        return mixed
    padded = F.pad(x, (0, 0, 0, 0, 0, 0, edge // 2, edge // 2))
    parts = [F.conv2d(padded[n : n + planes], weights[:, :, n], padding=edge // 2) for n in range(edge)]
    return torch.stack(parts).sum(0)


def _to_unit(x: torch.Tensor, head: torch.Tensor) -> torch.Tensor:
    """1st and 99th percentile of the head's values at 0 and 1."""
    low, high = percentiles(x[head])
    return ((x - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)


def percentiles(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """1st and 99th percentile, of at most some thousands of the values.

    Parameters
    ----------
    values : (N,) float
        Any.
    """
    some = values[:: max(1, len(values) // 4000)].sort().values
    return some[len(some) // 100], some[-1 - len(some) // 100]
