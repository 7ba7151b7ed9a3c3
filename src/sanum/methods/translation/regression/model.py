"""The network: a U-Net that sees the source and answers with the target."""

from collections.abc import Sequence

import torch
from torch import nn

from ...common.translation_nets import u_net


class RegressionNet(nn.Module):
    """(B, channels, *patch) → (B, 1, *patch).

    Parameters
    ----------
    dims : 2 or 3
        Spatial axes.
    channels : int
        Of the input.
    widths : (6,) sequence of int
        As of `u_net`.
    """

    def __init__(self, dims: int, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.generator = u_net(dims, channels, widths)

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        """The target, not yet cut to [−1, 1].

        Parameters
        ----------
        source : (B, channels, *patch) float
            In [−1, 1].
        """
        made: torch.Tensor = self.generator(source)
        return made
