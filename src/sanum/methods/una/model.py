"""The network: a pair (scan, mirror image) in; healthy T1w, anomaly, brain and uncertainty out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from ...nets.unet import UNet
from .guess import first_guess

LOG_SCALE_RANGE = (-6.0, 1.0)  # log b of the Laplace scale: errors from 0.0025 to 2.7
KNOTS, TOP = 9, 1.4  # of the lookup tables, from 0 to TOP
LOGIT_GAIN = 8.0  # a step of Adam moves every weight alike; logits have farther to go than intensities
AVERAGE_SHAPE = (40, 48, 40)  # the average anatomy is kept at 4 mm


@dataclass(frozen=True)
class Prediction:
    """What the network says, each (B, 1, X, Y, Z).

    Parameters
    ----------
    t1w : Tensor
        Healthy T1w, white matter near 1; means nothing outside of the brain.
    anomaly, brain : Tensor
        Logits.
    log_scale : Tensor
        log b, b the Laplace scale (expected absolute error) of `t1w`.
    """

    t1w: torch.Tensor
    anomaly: torch.Tensor
    brain: torch.Tensor
    log_scale: torch.Tensor


def local_contrast(x: torch.Tensor) -> torch.Tensor:
    """Image minus its mean over about 16 voxels; same shape."""
    blurred = F.avg_pool3d(x, 8, 4, padding=2, count_include_pad=False)
    return x - F.interpolate(blurred, size=x.shape[2:], mode="trilinear")


def features(pair: torch.Tensor, guess: torch.Tensor, average: torch.Tensor) -> torch.Tensor:
    """(B, 8, X, Y, Z): scan, first guess, their local contrast, asymmetry, and the average anatomy.

    All of like size: group norm weighs what varies most.
    """
    scan, mean, share = pair[:, :1], average[None, :1], average[None, 1:].expand(len(pair), -1, -1, -1, -1)
    return torch.cat(
        [
            2 * guess[:, :1] - 1,
            2 * scan - 1,
            4 * local_contrast(scan),
            4 * local_contrast(guess),
            4 * (guess[:, :1] - guess[:, 1:]),
            share,
            4 * (guess[:, :1] - mean) * share,
        ],
        dim=1,
    )


def lookup(guess: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Each voxel's intensity (B, 1, …) through its own piecewise linear table (B, KNOTS, …)."""
    place = (guess / TOP * (KNOTS - 1)).clamp(0, KNOTS - 1)
    knots = torch.arange(KNOTS, device=guess.device).view(1, -1, 1, 1, 1)
    return ((1 - (place - knots).abs()).clamp_min(0) * tables).sum(dim=1, keepdim=True)


class Una(nn.Module):
    """U-Net with four heads on the first guess G of the scan's T1w intensities.

    The T1w is Î = (1 − m) L(G) + r: L a smooth field of lookup tables from the coarse head, which keeps the
    scan's own fine detail, and m, r maps of the fine head, which paint over lesions.

    Parameters
    ----------
    widths : sequence of int
        Feature maps per level, at least two.
    average : (2, X, Y, Z), optional
        Average T1w and share of brains in the model's box; kept with the weights.
    """

    average: torch.Tensor

    def __init__(
        self, widths: Sequence[int] = (32, 64, 128, 192), average: torch.Tensor | None = None
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.net = UNet(8, 5, KNOTS + 2, widths, coarse_level=min(1, len(self.widths) - 2))
        average = torch.ones(2, *AVERAGE_SHAPE) if average is None else average
        self.register_buffer("average", F.interpolate(average[None], AVERAGE_SHAPE, mode="trilinear"))
        self._start_at_the_guess()

    @torch.no_grad()
    def _start_at_the_guess(self) -> None:
        # at first Î = G, and no anomaly: the network learns where that is wrong
        logit = -2.0 / LOGIT_GAIN
        fine = torch.tensor([0.0, -3.0, logit, logit, -2.0]).repeat_interleave(8)
        coarse = torch.cat([torch.linspace(0, TOP, KNOTS), torch.zeros(2)])
        for head, bias in ((self.net.fine, fine), (self.net.coarse, coarse)):
            head.weight.mul_(0.5)
            assert head.bias is not None
            head.bias.copy_(bias)

    def forward(self, pair: torch.Tensor) -> Prediction:
        """`pair` (B, 2, X, Y, Z) in [0, 1.5]."""
        with torch.no_grad():  # nothing to learn here
            average = F.interpolate(self.average, size=pair.shape[2:], mode="trilinear")[0]
            guess = first_guess(pair, average)
            seen = features(pair, guess, average)
        fine, coarse = self.net(seen)
        coarse = F.interpolate(coarse.float(), size=pair.shape[2:], mode="trilinear")
        tables, rough = coarse[:, :KNOTS], coarse[:, KNOTS:]
        rest, instead, logits, log_scale = fine.float().split([1, 1, 2, 1], dim=1)
        anomaly, brain = (LOGIT_GAIN * (logits + rough)).split(1, dim=1)
        t1w = (1 - instead.sigmoid()) * lookup(guess[:, :1], tables) + rest
        return Prediction(t1w, anomaly, brain, log_scale.clamp(*LOG_SCALE_RANGE))
