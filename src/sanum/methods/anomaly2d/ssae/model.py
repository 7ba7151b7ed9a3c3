"""The network: an autoencoder for each band of the pyramid, put together from coarse to fine."""

from collections.abc import Sequence

import torch
from torch import nn

from ....nets.strided import Norm, decoder, encoder
from .pyramid import bands, collapsed, gaussians

LEVELS = 3


class Ssae(nn.Module):
    """Image (B, C, S, S) → its pyramid I₀…I₃, and what was made of it, R₀…R₃, from the finest.

    Each autoencoder is fully convolutional and ends in S/32 × S/32 pixels.

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths.
    widths : sequence of int
        Channels of the finest band's autoencoder; each coarser one has one halving less.
    dropout : float
        Share of the channels that training leaves out.
    norm : "batch" or "group"
        Of the blocks.
    encode_lowpass : bool
        The rest I₃ goes through an autoencoder too; else it passes as it is, with its anomalies.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        widths: Sequence[int],
        dropout: float = 0.25,
        norm: Norm = "batch",
        *,
        encode_lowpass: bool = False,
    ) -> None:
        super().__init__()
        count = LEVELS + encode_lowpass
        if len(widths) < count + 1 or size % (1 << len(widths)):
            raise ValueError(
                f"picture.size is {size} with {len(widths)} widths: expected at least {count + 1} widths, "
                f"and a size that is a multiple of {1 << len(widths)}"
            )
        self.encode_lowpass = encode_lowpass
        self.nets = nn.ModuleList(
            nn.Sequential(
                encoder(channels, widths[: len(widths) - k], dropout=dropout, norm=norm),
                decoder(channels, widths[: len(widths) - k], dropout=dropout, norm=norm),
            )
            for k in range(count)
        )

    def forward(self, image: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """See the class.

        Parameters
        ----------
        image : (B, C, S, S)
            In [-1, 1], or as the recipe says.
        """
        images = gaussians(image, LEVELS)
        details = [net(band) for net, band in zip(self.nets, bands(images), strict=False)]
        rest = self.nets[LEVELS](images[-1]) if self.encode_lowpass else images[-1]
        return images, collapsed(details, rest)
