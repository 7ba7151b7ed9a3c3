"""The network: one scan in, its T1w out."""

from collections.abc import Sequence

import torch
from torch import nn

from ....nets.features import FeatureNet


class Synthsr(nn.Module):
    """Scan (B, 1, X, Y, Z) in [0, 1.5] → T1w (B, 1, X, Y, Z), white matter near 1, 0 outside of the brain.

    Parameters
    ----------
    widths : sequence of int
        Feature maps per level, at least two.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.net = FeatureNet(1, widths)

    def forward(self, scan: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        scan : (B, 1, X, Y, Z)
            In [0, 1.5].
        """
        t1w: torch.Tensor = self.net(scan)
        return t1w
