"""The network: a U-Net of noisy target, scan and time, which answers with the image or the noise."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from ...common.diffusion import MOST_BETA, clean_of, cosine_shares, ddim_step, diffusion_unet, times_back


class ConditionalDiffusion(nn.Module):
    """F(x_t, source, t): x_0 itself, or the noise in x_t.

    Parameters
    ----------
    dims : 2 or 3
        Spatial axes.
    channels : int
        Of the source: the scan, and in volumes where it is looked at.
    widths : sequence of int
        As of `diffusion_unet`.
    steps : int
        T.
    finds_noise : bool
        Else the image.
    attention : bool
        As of `diffusion_unet`.
    """

    shares: torch.Tensor

    def __init__(
        self,
        dims: int,
        channels: int,
        widths: Sequence[int],
        steps: int,
        *,
        finds_noise: bool,
        attention: bool,
    ) -> None:
        super().__init__()
        self.steps, self.finds_noise = steps, finds_noise
        self.unet = diffusion_unet(dims, 1 + channels, 1, widths, attention=attention)
        shares = cosine_shares(steps, MOST_BETA if finds_noise else 1.0)
        self.register_buffer("shares", shares, persistent=False)

    def forward(self, now: torch.Tensor, source: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """What it finds, (B, 1, *patch).

        Parameters
        ----------
        now : (B, 1, *patch) float
            x_t.
        source : (B, channels, *patch) float
            In [−1, 1].
        times : (B,) int
            t, from 1 to T.
        """
        found: torch.Tensor = self.unet(torch.cat([now, source], 1), times).float()
        return found

    def clean(self, now: torch.Tensor, source: torch.Tensor, time: int, guidance: float) -> torch.Tensor:
        """x_0 in [−1, 1], as it is found at a time.

        Parameters
        ----------
        now : (B, 1, *patch) float
            x_t.
        source : (B, channels, *patch) float
            The condition.
        time : int
            t.
        guidance : float
            w: (1 + w) times what is found with the scan, less w times what is found without it.
        """
        times = torch.full((len(now),), time, device=now.device)
        found = self(now, source, times)
        if guidance:
            found = (1 + guidance) * found - guidance * self(now, without_scan(source), times)
        return (clean_of(now, found, self.shares[time]) if self.finds_noise else found).clamp(-1, 1)

    def sample(self, source: torch.Tensor, noise: torch.Tensor, count: int, guidance: float) -> torch.Tensor:
        """The target that a noise becomes, (B, 1, *patch).

        Parameters
        ----------
        source : (B, channels, *patch) float
            The condition.
        noise : (B, 1, *patch) float
            x_T.
        count : int
            Steps of the sampler.
        guidance : float
            As of `clean`.
        """
        now = noise
        for time, later in pairwise(times_back(self.steps, count)):
            found = self.clean(now, source, time, guidance)
            now = ddim_step(now, found, self.shares[time], self.shares[later])
        return now


def without_scan(source: torch.Tensor) -> torch.Tensor:
    """The condition without the scan: 0 in its place; where a patch lies is still told.

    Parameters
    ----------
    source : (B, channels, *patch) float
        The condition.
    """
    return torch.cat([torch.zeros_like(source[:, :1]), source[:, 1:]], 1)
