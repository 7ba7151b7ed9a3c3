"""The network: a pair (scan, mirror image) in; healthy T1w, anomaly, brain and uncertainty out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ...nets.unet import UNet

LOG_SCALE_RANGE = (-6.0, 1.0)  # log b of the Laplace scale: errors from 0.0025 to 2.7


@dataclass(frozen=True)
class Prediction:
    """What the network says, each (B, 1, X, Y, Z).

    Parameters
    ----------
    t1w : Tensor
        Healthy T1w, white matter near 1, outside of the brain near 0.
    anomaly, brain : Tensor
        Logits.
    log_scale : Tensor
        log b, b the Laplace scale (expected absolute error) of `t1w`.
    """

    t1w: torch.Tensor
    anomaly: torch.Tensor
    brain: torch.Tensor
    log_scale: torch.Tensor


class Una(nn.Module):
    """U-Net with four heads.

    Parameters
    ----------
    widths : sequence of int
        Feature maps per level.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 192)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.net = UNet(2, 4, widths)

    def forward(self, pair: torch.Tensor) -> Prediction:
        """`pair` (B, 2, X, Y, Z) in [0, 1.5]."""
        out = self.net(pair).float()
        t1w, anomaly, brain, log_scale = out.split(1, dim=1)
        return Prediction(t1w, anomaly, brain, log_scale.clamp(*LOG_SCALE_RANGE))
