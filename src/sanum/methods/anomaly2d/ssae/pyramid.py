"""The Laplacian pyramid: an image as bands of detail and a small rest, from which it comes back exactly."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F

SIGMA = 1.1
"""Of the Gaussian over 5 × 5 pixels: 0.3 ((5 − 1)/2 − 1) + 0.8, what libraries take for this size."""


def gaussians(image: torch.Tensor, levels: int) -> list[torch.Tensor]:
    """I₀ = x, Iₖ₊₁ = the blurred Iₖ at half the side; `levels` + 1 images.

    Parameters
    ----------
    image : (B, C, S, S) float
        S a multiple of 2^levels, and S/2^levels at least 2.
    levels : int
        Halvings.
    """
    images = [image]
    for _ in range(levels):
        images.append(F.interpolate(_blurred(images[-1]), scale_factor=0.5, mode="bilinear"))
    return images


def doubled(image: torch.Tensor) -> torch.Tensor:
    """U: twice the side, by linear interpolation.

    Parameters
    ----------
    image : (B, C, S, S) float
        Any.
    """
    return F.interpolate(image, scale_factor=2, mode="bilinear")


def bands(images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Hₖ = Iₖ − U(Iₖ₊₁), one fewer than images.

    Parameters
    ----------
    images : sequence of tensor
        Of `gaussians`.
    """
    return [fine - doubled(coarse) for fine, coarse in pairwise(images)]


def collapsed(details: Sequence[torch.Tensor], rest: torch.Tensor) -> list[torch.Tensor]:
    """R of every level, from the finest: Rₖ = Hₖ + U(Rₖ₊₁), the last R the rest itself.

    Parameters
    ----------
    details : sequence of tensor
        Bands, from the finest.
    rest : tensor
        The smallest image.
    """
    made = [rest]
    for detail in reversed(details):
        made.insert(0, detail + doubled(made[0]))
    return made


def _blurred(image: torch.Tensor) -> torch.Tensor:
    x = torch.arange(-2, 3, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (x / SIGMA) ** 2)
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, 1, 5)
    padded = F.pad(image, (2, 2, 2, 2), mode="reflect")
    across = F.conv2d(padded, kernel, groups=image.shape[1])
    return F.conv2d(across, kernel.transpose(2, 3), groups=image.shape[1])
