"""An autoencoder with a dense code, which CAE and DAGMM share."""

from collections.abc import Sequence

import torch
from torch import nn

from .strided import Norm, decoder, encoder, norm_of, side_after


class DenseAutoencoder(nn.Module):
    """Image (B, C, S, S) → its reconstruction (B, C, S, S), linear at the end.

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths.
    widths : sequence of int
        Channels after each halving.
    code : int
        Numbers of the code.
    dropout : float
        Share of the channels, and of the code's numbers, that training leaves out.
    norm : "batch" or "group"
        Between the layers.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        widths: Sequence[int],
        code: int = 128,
        dropout: float = 0.25,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        side = side_after(size, len(widths))
        self.inner = (widths[-1], side, side)
        flat = widths[-1] * side * side
        self.encode = encoder(channels, widths, dropout=dropout, norm=norm)
        self.to_code = _dense(flat, code, dropout, norm)
        self.from_code = _dense(code, flat, dropout, norm)
        self.decode = decoder(channels, widths, dropout=dropout, norm=norm)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        image : (B, C, S, S)
            In [-1, 1], or as the recipe says.
        """
        return self.image_of(self.code_of(image))

    def code_of(self, image: torch.Tensor) -> torch.Tensor:
        """Code (B, Z) of an image.

        Parameters
        ----------
        image : (B, C, S, S)
            In [-1, 1], or as the recipe says.
        """
        code: torch.Tensor = self.to_code(self.encode(image).flatten(1))
        return code

    def image_of(self, code: torch.Tensor) -> torch.Tensor:
        """Image (B, C, S, S) of a code.

        Parameters
        ----------
        code : (B, Z)
            As of `code_of`.
        """
        made: torch.Tensor = self.decode(self.from_code(code).reshape(-1, *self.inner))
        return made


def _dense(before: int, after: int, dropout: float, norm: Norm) -> nn.Sequential:
    """Linear, LeakyReLU 0.2, dropout of single numbers, norm."""
    last = nn.BatchNorm1d(after) if norm == "batch" else norm_of(after, norm)
    return nn.Sequential(nn.Linear(before, after), nn.LeakyReLU(0.2), nn.Dropout(dropout), last)
