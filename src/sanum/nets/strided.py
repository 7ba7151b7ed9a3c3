"""Blocks of 2-D autoencoders that halve and double: strided and transposed convolutions."""

from collections.abc import Sequence
from itertools import pairwise
from math import gcd
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

Norm = Literal["batch", "group"]
GROUP = 8  # channels that a group norm takes together, where their number is a multiple of it
SMALL = 4
"""Side of a map up to which convolutions are computed as products of matrices while a network learns: there
PyTorch's own spend more time on arranging weights than on products. The same numbers, but for rounding."""


class Halving(nn.Conv2d):
    """Convolution that makes the side half as long, quick on small maps.

    Parameters
    ----------
    before, after : int
        Channels.
    kernel : int
        Its side, odd.
    """

    def __init__(self, before: int, after: int, kernel: int = 3) -> None:
        super().__init__(before, after, kernel, stride=2, padding=kernel // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        x : (B, before, S, S)
            S even.
        """
        side = x.shape[-1]
        if not self.training or side > SMALL:
            return super().forward(x)
        kernel = self.kernel_size[0]
        patches = F.unfold(x, kernel, padding=kernel // 2, stride=2).transpose(1, 2)
        made = F.linear(patches, self.weight.flatten(1), self.bias)
        return torch.unflatten(made.transpose(1, 2), 2, (side // 2, side // 2))


class Doubling(nn.ConvTranspose2d):
    """Transposed convolution that makes the side twice as long, quick on small maps.

    Parameters
    ----------
    before, after : int
        Channels.
    kernel : int
        Its side, odd.
    """

    def __init__(self, before: int, after: int, kernel: int = 3) -> None:
        super().__init__(before, after, kernel, stride=2, padding=kernel // 2, output_padding=1)

    def forward(self, x: torch.Tensor, output_size: list[int] | None = None) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        x : (B, before, S, S)
            Any side.
        output_size : list of int, optional
            As of PyTorch's; not needed.
        """
        side = 2 * x.shape[-1]
        if not self.training or side > SMALL or output_size is not None:
            return super().forward(x, output_size)
        kernel = self.kernel_size[0]
        patches = F.linear(x.flatten(2).transpose(1, 2), self.weight.flatten(1).t()).transpose(1, 2)
        made = F.fold(patches, (side, side), kernel, padding=kernel // 2, stride=2)
        return made if self.bias is None else made + self.bias[:, None, None]


def norm_of(channels: int, norm: Norm) -> nn.Module:
    """Batch norm of maps, or group norm, which sees one image at a time (Wu and He 2018).

    Parameters
    ----------
    channels : int
        Of the maps.
    norm : "batch" or "group"
        Which.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(channels // gcd(channels, GROUP), channels)


def down_block(
    before: int, after: int, *, norm: Norm | None, dropout: float, kernel: int = 3
) -> nn.Sequential:
    """Half the side: convolution of stride 2, norm, LeakyReLU 0.2, dropout of whole channels.

    Parameters
    ----------
    before, after : int
        Channels.
    norm : "batch", "group" or None
        Which, if any.
    dropout : float
        Share of the channels.
    kernel : int
        Side of the convolution, odd.
    """
    layers: list[nn.Module] = [Halving(before, after, kernel)]
    return _finished(layers, after, norm, dropout)


def up_block(before: int, after: int, *, norm: Norm | None, dropout: float, kernel: int = 3) -> nn.Sequential:
    """Twice the side: transposed convolution, norm, LeakyReLU 0.2, dropout of whole channels.

    Parameters
    ----------
    before, after : int
        Channels.
    norm : "batch", "group" or None
        Which, if any.
    dropout : float
        Share of the channels.
    kernel : int
        Side of the convolution, odd.
    """
    layers: list[nn.Module] = [Doubling(before, after, kernel)]
    return _finished(layers, after, norm, dropout)


def side_after(size: int, halvings: int) -> int:
    """Side of a square after some halvings.

    Parameters
    ----------
    size : int
        Before them.
    halvings : int
        How many.

    Raises
    ------
    ValueError
        It is no multiple of 2 to the power of their number.
    """
    side = size >> halvings
    if not side or side << halvings != size:
        raise ValueError(
            f"picture.size is {size} and is halved {halvings} times: make it a multiple of "
            f"{1 << halvings}, or change widths"
        )
    return side


def encoder(channels: int, widths: Sequence[int], *, dropout: float, norm: Norm = "batch") -> nn.Sequential:
    """A `down_block` for each width; the first without norm.

    Parameters
    ----------
    channels : int
        Of the image.
    widths : sequence of int
        Channels after each block.
    dropout : float
        Share of the channels.
    norm : "batch" or "group"
        Of the other blocks.
    """
    pairs = zip((channels, *widths[:-1]), widths, strict=True)
    return nn.Sequential(
        *(down_block(a, b, norm=norm if n else None, dropout=dropout) for n, (a, b) in enumerate(pairs))
    )


def decoder(channels: int, widths: Sequence[int], *, dropout: float, norm: Norm = "batch") -> nn.Sequential:
    """An `up_block` for each width but the last, the last one without norm; then the image, linear.

    Parameters
    ----------
    channels : int
        Of the image.
    widths : sequence of int
        As of the encoder: it is gone through backwards.
    dropout : float
        Share of the channels.
    norm : "batch" or "group"
        Of the other blocks.
    """
    back = list(reversed(widths))
    pairs = list(pairwise(back))
    blocks = [
        up_block(a, b, norm=norm if n + 1 < len(pairs) else None, dropout=dropout)
        for n, (a, b) in enumerate(pairs)
    ]
    return nn.Sequential(*blocks, Doubling(back[-1], channels))


def _finished(layers: list[nn.Module], channels: int, norm: Norm | None, dropout: float) -> nn.Sequential:
    if norm:
        layers.append(norm_of(channels, norm))
    layers.append(nn.LeakyReLU(0.2))
    if dropout:
        layers.append(nn.Dropout2d(dropout))
    return nn.Sequential(*layers)
