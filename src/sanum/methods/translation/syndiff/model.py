"""The networks: a diffusion with its judge, and a translator each way with its own, which make it sources."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from ...common.diffusion import diffusion_unet, like, noised, posterior, preserving_shares
from ...common.translation_loss import verdict
from ...common.translation_nets import patch_discriminator, u_net

TIMES = 1000
"""What the time T is to the network, so that its few times are far apart."""


class Noisy(NamedTuple):
    """A target at a time and one step before it.

    Parameters
    ----------
    now, before : (B, 1, *patch) float
        x_t and x_{t−1}.
    times : (B,) int
        t, from 1 to T.
    """

    now: torch.Tensor
    before: torch.Tensor
    times: torch.Tensor


class SynDiffNet(nn.Module):
    """Diffusion of the target on the condition of a source, and what it learns with.

    Parameters
    ----------
    widths : sequence of int
        Of the diffusion's U-Net, as of `diffusion_unet`.
    translator : (6,) sequence of int
        Of the two U-Nets that translate in one step, as of `u_net`.
    judge : (int, int)
        Width and layers of each discriminator, as of `patch_discriminator`.
    steps : int
        T, few.
    attention : bool
        As of `diffusion_unet`.
    """

    shares: torch.Tensor

    def __init__(
        self,
        widths: Sequence[int],
        translator: Sequence[int],
        judge: tuple[int, int],
        steps: int,
        *,
        attention: bool,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.diffuser = diffusion_unet(2, 2, 1, widths, attention=attention)
        self.to_source, self.to_target = u_net(2, 1, translator), u_net(2, 1, translator)
        self.judge_steps = patch_discriminator(2, 3, *judge)
        self.judge_source, self.judge_target = (patch_discriminator(2, 1, *judge) for _ in range(2))
        self.register_buffer("shares", preserving_shares(steps), persistent=False)

    def clean(self, now: torch.Tensor, source: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """x_0 as it is found at a time, (B, 1, *patch), not yet cut to [−1, 1].

        Parameters
        ----------
        now, source : (B, 1, *patch) float
            x_t and the condition.
        times : (B,) int
            t.
        """
        told = times * TIMES // self.steps
        found: torch.Tensor = self.diffuser(torch.cat([now, source], 1), told).float()
        return found

    def noisy(self, target: torch.Tensor, times: torch.Tensor) -> Noisy:
        """x_{t−1} ~ q(x_{t−1} | x_0) and x_t ~ q(x_t | x_{t−1}), from PyTorch's generator.

        Parameters
        ----------
        target : (B, 1, *patch) float
            x_0.
        times : (B,) int
            t.
        """
        share, later = self.shares[times], self.shares[times - 1]
        before = noised(target, torch.randn_like(target), later)
        return Noisy(noised(before, torch.randn_like(target), share / later), before, times)

    def stepped(self, now: torch.Tensor, clean: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """x_{t−1} ~ q(x_{t−1} | x_t, x_0), from PyTorch's generator.

        Parameters
        ----------
        now, clean : (B, 1, *patch) float
            x_t and x_0.
        times : (B,) int
            t.
        """
        mean, deviation = posterior(now, clean, self.shares[times], self.shares[times - 1])
        return mean + deviation * torch.randn_like(mean)

    def judged(self, before: torch.Tensor, noisy: Noisy) -> torch.Tensor:
        """D(x_{t−1}, x_t, t), (B,); the time is a channel of its own.

        Parameters
        ----------
        before : (B, 1, *patch) float
            x_{t−1}, real or made.
        noisy : Noisy
            With x_t and t.
        """
        told = like(noisy.times / self.steps, before).expand_as(before)
        return verdict(self.judge_steps, torch.cat([before, noisy.now, told], 1))

    def sample(self, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The target that a noise becomes in T steps.

        Parameters
        ----------
        source : (B, 1, *patch) float
            The condition.
        noise : (B, T, *patch) float
            x_T, and what is drawn in each step but the last.
        """
        now: torch.Tensor
        now, *fresh = noise.split(1, 1)
        for n, time in enumerate(range(self.steps, 0, -1)):
            times = torch.full((len(now),), time, device=now.device)
            clean = self.clean(now, source, times).clamp(-1, 1)
            mean, deviation = posterior(now, clean, self.shares[times], self.shares[times - 1])
            now = mean + deviation * fresh[n] if n < len(fresh) else mean
        return now
