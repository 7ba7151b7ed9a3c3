"""The networks: a generator, its critic, and the encoder that goes the generator's way backwards."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import nn

from ....nets.strided import side_after

CriticNorm = Literal["layer", "none", "batch"]
Halving = Literal["strided", "pooled"]
Doubling = Literal["repeated", "transposed"]


@dataclass(frozen=True)
class Design:
    """Sizes of the three networks.

    Parameters
    ----------
    widths : tuple of int
        Channels of critic and encoder after each halving.
    generator_widths : tuple of int
        Channels of the generator's smallest map, and after each doubling.
    code : int
        Numbers of the code.
    dropout : float
        Share of the channels of critic and encoder that training leaves out.
    norm : "layer", "none" or "batch"
        Of the critic, after each block but the first. With batch norm the images of a batch depend on each
        other, so that the penalty is none of single images: it is there to repeat what was published.
    halving : "strided" or "pooled"
        Of critic and encoder: by a convolution of stride 2, or by the mean of 2 × 2 pixels after
        one of stride 1.
    doubling : "repeated" or "transposed"
        Of the generator: pixels are repeated and convolved, or convolved backwards; see the two classes.
    hidden : int
        Numbers between the critic's features and its answer; 0: none.
    momentum : float
        What the last batch counts in the running mean of batch norm.
    """

    widths: tuple[int, ...]
    generator_widths: tuple[int, ...]
    code: int = 128
    dropout: float = 0.25
    norm: CriticNorm = "layer"
    halving: Halving = "strided"
    doubling: Doubling = "repeated"
    hidden: int = 0
    momentum: float = 0.1


class Generator(nn.Module):
    """Code (B, Z) → image (B, C, S, S) in [-1, 1]; doubles by repeating pixels.

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths less one.
    design : Design
        Sizes.
    """

    def __init__(self, channels: int, size: int, design: Design) -> None:
        super().__init__()
        widths = design.generator_widths
        side = side_after(size, len(widths) - 1)
        self.dense = nn.Sequential(
            nn.Linear(design.code, widths[0] * side * side), nn.Unflatten(1, (widths[0], side, side))
        )
        self.layers = nn.Sequential(
            nn.BatchNorm2d(widths[0], momentum=design.momentum),
            *(
                layer
                for before, after in pairwise(widths)
                for layer in (
                    nn.Upsample(scale_factor=2),
                    nn.Conv2d(before, after, 3, padding=1),
                    nn.BatchNorm2d(after, momentum=design.momentum),
                    nn.LeakyReLU(0.2),
                )
            ),
            nn.Conv2d(widths[-1], channels, 3, padding=1),
            nn.Tanh(),
        )
        _channels_last(self.layers)

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


class TransposedGenerator(nn.Module):
    """Code (B, Z) → image (B, C, S, S) in [-1, 1]; doubles by convolving backwards (4 × 4, as DCGAN does).

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths: the last doubling makes the image.
    design : Design
        Sizes.
    """

    def __init__(self, channels: int, size: int, design: Design) -> None:
        super().__init__()
        widths = design.generator_widths
        side = side_after(size, len(widths))

        def normed(layer: nn.Module, width: int) -> tuple[nn.Module, ...]:
            return layer, nn.BatchNorm2d(width, momentum=design.momentum), nn.ReLU()

        self.layers = nn.Sequential(
            *normed(nn.ConvTranspose2d(design.code, widths[0], side), widths[0]),
            *(
                layer
                for before, after in pairwise(widths)
                for layer in normed(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), after)
            ),
            nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        _channels_last(self.layers)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        code : (B, Z)
            Drawn, or an encoder's.
        """
        image: torch.Tensor = self.layers(code[..., None, None]).contiguous()
        return image


class Critic(nn.Module):
    """Image (B, C, S, S) → a number (B,): the more real, the larger.

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths.
    design : Design
        Sizes.
    """

    def __init__(self, channels: int, size: int, design: Design) -> None:
        super().__init__()
        self.trunk = _trunk(channels, design, design.norm)
        flat, hidden = flat_of(size, design), design.hidden
        self.head: nn.Module = (
            nn.Sequential(nn.Linear(flat, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))
            if hidden
            else nn.Linear(flat, 1)
        )

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """What the head sees, (B, F).

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
        S, a multiple of 2 to the power of the number of halvings.
    design : Design
        Sizes.
    """

    def __init__(self, channels: int, size: int, design: Design) -> None:
        super().__init__()
        self.code = design.code
        generator = Generator if design.doubling == "repeated" else TransposedGenerator
        self.generator = generator(channels, size, design)
        self.critic = Critic(channels, size, design)
        self.encoder = nn.Sequential(
            *_trunk(channels, design, "batch"), nn.Linear(flat_of(size, design), design.code), nn.Tanh()
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


def flat_of(size: int, design: Design) -> int:
    """Numbers that the trunk of critic and encoder gives.

    Parameters
    ----------
    size : int
        Side of the image.
    design : Design
        Sizes.
    """
    side = side_after(size, len(design.widths))
    return design.widths[-1] * side * side


def _trunk(channels: int, design: Design, norm: CriticNorm) -> nn.Sequential:
    """Halvings (3 × 3), LeakyReLU 0.2, dropout of whole channels, norm but in the first block; flat."""
    kinds: dict[str, Callable[[int], nn.Module]] = {
        "layer": partial(nn.GroupNorm, 1),
        "batch": partial(nn.BatchNorm2d, momentum=design.momentum),
        "none": nn.Identity,
    }
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise([channels, *design.widths])):
        normed = [kinds[norm](after)] if place else []
        active = [nn.LeakyReLU(0.2), nn.Dropout2d(design.dropout)]
        if design.halving == "strided":
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), *active, *normed]
        else:
            layers += [nn.Conv2d(before, after, 3, padding=1), *normed, *active, nn.AvgPool2d(2)]
    if design.halving == "pooled":
        _channels_last(layers)
    return nn.Sequential(*layers, nn.Flatten())


def _channels_last(layers: Iterable[nn.Module]) -> None:
    """Lay weights out so that doubling, and convolutions of whole images, take less time on a CPU."""
    for part in layers:
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)
