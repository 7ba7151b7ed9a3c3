"""The network: an image as a normal distribution of codes, and a code back as an image."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from ....nets.strided import Norm, down_block, side_after, up_block

KERNEL = 5
NARROWER = 8
"""Times fewer channels between the convolutions and the code."""


class Vae(nn.Module):
    """Image (B, C, S, S) → its reconstruction (B, C, S, S), and μ and log σ of its code, (B, Z) each.

    In training the code is drawn, z = μ + σ ε; afterwards it is μ.

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths.
    widths : sequence of int
        Channels after each halving.
    code : int
        Z.
    dropout : float
        Share of the numbers beside the code that training leaves out.
    norm : "batch" or "group"
        Of the blocks.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        widths: Sequence[int],
        code: int = 128,
        dropout: float = 0.1,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        side, narrow = side_after(size, len(widths)), max(1, widths[-1] // NARROWER)
        flat = narrow * side * side
        down, up = pairwise([channels, *widths]), pairwise([*reversed(widths), widths[0]])
        self.encode = nn.Sequential(
            *(down_block(a, b, norm=norm, dropout=0.0, kernel=KERNEL) for a, b in down),
            nn.Conv2d(widths[-1], narrow, 1),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.mu, self.log_sigma = nn.Linear(flat, code), nn.Linear(flat, code)
        self.decode = nn.Sequential(
            nn.Linear(code, flat),
            nn.Dropout(dropout),
            nn.Unflatten(1, (narrow, side, side)),
            nn.Conv2d(narrow, widths[-1], 1),
            *(up_block(a, b, norm=norm, dropout=0.0, kernel=KERNEL) for a, b in up),
            nn.Conv2d(widths[0], channels, 1),
        )

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See the class.

        Parameters
        ----------
        image : (B, C, S, S)
            As the recipe says.
        """
        inner = self.encode(image)
        mu, log_sigma = (
            of(inner).to(image) for of in (self.mu, self.log_sigma)
        )  # half is too little for sums
        code = mu + log_sigma.exp() * torch.randn_like(mu) if self.training else mu
        return self.decode(code).to(image), mu, log_sigma
