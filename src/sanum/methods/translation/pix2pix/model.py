"""The networks: a generator, and a discriminator that sees source and target side by side."""

from collections.abc import Sequence

import torch
from torch import nn

from ...common.translation_loss import verdict
from ...common.translation_nets import patch_discriminator, u_net


class Pix2PixNet(nn.Module):
    """Generator G and discriminator D.

    Parameters
    ----------
    dims : 2 or 3
        Spatial axes.
    channels : int
        Of the input.
    widths : (6,) sequence of int
        As of `u_net`.
    judge : (int, int)
        Width and layers of D, as of `patch_discriminator`.
    """

    def __init__(self, dims: int, channels: int, widths: Sequence[int], judge: tuple[int, int]) -> None:
        super().__init__()
        self.generator = u_net(dims, channels, widths)
        self.discriminator = patch_discriminator(dims, 2, *judge)

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        """G(x), not yet cut to [−1, 1].

        Parameters
        ----------
        source : (B, channels, *patch) float
            x, in [−1, 1].
        """
        made: torch.Tensor = self.generator(source)
        return made

    def judged(self, source: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """D(x, y), (B,).

        Parameters
        ----------
        source : (B, channels, *patch) float
            x; its first channel is the scan.
        image : (B, 1, *patch) float
            y, real or made.
        """
        return verdict(self.discriminator, torch.cat([source[:, :1], image], 1))
