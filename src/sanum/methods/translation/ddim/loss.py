"""The objective: how far what is found at a random time is from the image, or from the noise."""

import torch

from ...common.diffusion import noised
from .model import ConditionalDiffusion, without_scan


def diffusion_loss(
    net: ConditionalDiffusion,
    source: torch.Tensor,
    target: torch.Tensor,
    times: torch.Tensor,
    noise: torch.Tensor,
    dropped: torch.Tensor,
) -> torch.Tensor:
    """Mean |F(x_t, source, t) − x_0|, or − ε.

    Parameters
    ----------
    net : ConditionalDiffusion
        It learns.
    source : (B, channels, *patch) float
        The condition.
    target, noise : (B, 1, *patch) float
        x_0 and ε.
    times : (B,) int
        t, from 1 to T.
    dropped : (B,) bool
        Which are found without the scan.
    """
    now = noised(target, noise, net.shares[times])
    seen = torch.where(dropped.reshape(-1, *(1,) * (source.ndim - 1)), without_scan(source), source)
    found: torch.Tensor = net(now, seen, times)
    return (found - (noise if net.finds_noise else target)).abs().mean()
