"""The networks: a generator, its critic, and the encoder that goes the generator's way backwards."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import nn

from ....nets.strided import side_after

CriticNorm = Literal["layer", "none", "batch"]


class Generator(nn.Module):
    """Code (B, Z) → image (B, C, S, S) in [-1, 1].

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths less one.
    widths : sequence of int
        Channels of the smallest map, and after each doubling.
    code : int
        Z.
    """

    def __init__(self, channels: int, size: int, widths: Sequence[int], code: int) -> None:
        super().__init__()
        side = side_after(size, len(widths) - 1)
        self.dense = nn.Sequential(
            nn.Linear(code, widths[0] * side * side), nn.Unflatten(1, (widths[0], side, side))
        )
        self.layers = nn.Sequential(
            nn.BatchNorm2d(widths[0]),
            *(
                layer
                for before, after in pairwise(widths)
                for layer in (
                    nn.Upsample(scale_factor=2),
                    nn.Conv2d(before, after, 3, padding=1),
                    nn.BatchNorm2d(after),
                    nn.LeakyReLU(0.2),
                )
            ),
            nn.Conv2d(widths[-1], channels, 3, padding=1),
            nn.Tanh(),
        )
        for part in self.layers:
            if isinstance(part, nn.Conv2d):  # doubling takes half the time on a CPU
                part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        code : (B, Z)
            Drawn, or an encoder's.
        """
        small = self.dense(code).contiguous(memory_format=torch.channels_last)
        image: torch.Tensor = self.layers(small).contiguous()
        return image


class Critic(nn.Module):
    """Image (B, C, S, S) → a number (B,): the more real, the larger.

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths.
    widths : sequence of int
        Channels after each halving.
    dropout : float
        Share of the channels that training leaves out.
    norm : "layer", "none" or "batch"
        After each block but the first. With batch norm the images of a batch depend on each other, so that
        the penalty is none of single images: it is there to repeat what was published.
    """

    def __init__(
        self, channels: int, size: int, widths: Sequence[int], dropout: float, norm: CriticNorm = "layer"
    ) -> None:
        super().__init__()
        side = side_after(size, len(widths))
        self.trunk = _trunk(channels, widths, dropout, norm)
        self.head = nn.Linear(widths[-1] * side * side, 1)

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """What the last layer sees, (B, F).

        Parameters
        ----------
        image : (B, C, S, S)
            In [-1, 1].
        """
        found: torch.Tensor = self.trunk(image)
        return found

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        image : (B, C, S, S)
            In [-1, 1].
        """
        value: torch.Tensor = self.head(self.features(image))
        return value[:, 0]


class FAnoGan(nn.Module):
    """Image (B, C, S, S) → what the generator makes of its code.

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths.
    widths : sequence of int
        Channels of critic and encoder after each halving.
    generator_widths : sequence of int
        Channels of the generator's smallest map, and after each doubling.
    code : int
        Numbers of the code.
    dropout : float
        Share of the channels of critic and encoder that training leaves out.
    norm : "layer", "none" or "batch"
        Of the critic.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        widths: Sequence[int],
        generator_widths: Sequence[int],
        code: int = 128,
        dropout: float = 0.25,
        norm: CriticNorm = "layer",
    ) -> None:
        super().__init__()
        self.code = code
        self.generator = Generator(channels, size, generator_widths, code)
        self.critic = Critic(channels, size, widths, dropout, norm)
        flat = self.critic.head.in_features
        self.encoder = nn.Sequential(
            *_trunk(channels, widths, dropout, "batch"), nn.Linear(flat, code), nn.Tanh()
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        image : (B, C, S, S)
            In [-1, 1].
        """
        made: torch.Tensor = self.generator(self.encoder(image))
        return made


def _trunk(channels: int, widths: Sequence[int], dropout: float, norm: CriticNorm) -> nn.Sequential:
    """Halvings (3 × 3), LeakyReLU 0.2, dropout of whole channels, norm but in the first block; flat."""
    kinds: dict[str, Callable[[int], nn.Module]] = {
        "layer": partial(nn.GroupNorm, 1),
        "batch": nn.BatchNorm2d,
        "none": nn.Identity,
    }
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise([channels, *widths])):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Dropout2d(dropout)]
        if place:
            layers.append(kinds[norm](after))
    return nn.Sequential(*layers, nn.Flatten())
