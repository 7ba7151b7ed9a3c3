"""Feature maps of every voxel: both heads of a `CompactUNet` added up, fine detail and what varies slowly."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from .compact_unet import CompactUNet


class FeatureNet(nn.Module):
    """(B, 1, X, Y, Z) → (B, count, X, Y, Z) float32, whatever the precision inside.

    Parameters
    ----------
    count : int
        Features of a voxel.
    widths : sequence of int
        See `CompactUNet`; X, Y, Z are multiples of 2^len(widths).
    """

    def __init__(self, count: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.net = CompactUNet(1, count, count, widths, coarse_level=min(1, len(widths) - 2))

    def forward(self, scan: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        scan : (B, 1, X, Y, Z) tensor
            Scaled intensities.
        """
        fine, coarse = self.net(scan)
        with torch.autocast(scan.device.type, enabled=False):
            slow: torch.Tensor = F.interpolate(coarse.float(), size=scan.shape[2:], mode="trilinear")
            return torch.add(fine.float(), slow)
