"""The network: features of every voxel, and two linear layers that read the T1w from them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ....nets.features import FeatureNet

FEATURES = 16


class BrainId(nn.Module):
    """Scan (B, 1, X, Y, Z) in [0, 1.5] → two T1w (B, 1, X, Y, Z): what trains the features, and the task's.

    The second layer sees the features but does not change them: a linear probe, trained alongside.

    Parameters
    ----------
    widths : sequence of int
        Feature maps per level, at least two.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.net = FeatureNet(FEATURES, widths)
        self.guide = nn.Conv3d(FEATURES, 1, 1)
        self.task = nn.Conv3d(FEATURES, 1, 1)

    def features(self, scan: torch.Tensor) -> torch.Tensor:
        """(B, FEATURES, X, Y, Z) float32.

        Parameters
        ----------
        scan : (B, 1, X, Y, Z)
            In [0, 1.5].
        """
        return F.leaky_relu(self.net(scan), 0.1)

    def forward(self, scan: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class.

        Parameters
        ----------
        scan : (B, 1, X, Y, Z)
            In [0, 1.5].
        """
        features = self.features(scan)
        with torch.autocast(scan.device.type, enabled=False):
            return self.guide(features), self.task(features.detach())
