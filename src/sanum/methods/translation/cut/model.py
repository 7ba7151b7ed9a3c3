"""The networks: a generator of residual blocks whose early maps can be looked at, heads, a discriminator."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from ...common.translation_loss import verdict
from ...common.translation_nets import patch_discriminator


class CutBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))).

    Parameters
    ----------
    dims : 2 or 3
        Spatial axes.
    width : int
        Channels.
    """

    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            *_convolution(dims, width, width), nn.ReLU(), *_convolution(dims, width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        x : (B, width, *spatial) float
            Feature maps.
        """
        out: torch.Tensor = x + self.inside(x)
        return out


class CutGenerator(nn.Module):
    """A residual generator (Johnson et al. 2016): halved once or more, blocks, doubled again.

    Parameters
    ----------
    dims : 2 or 3
        Spatial axes.
    channels : int
        Of the input.
    width : int
        Channels at full resolution; each halving doubles them.
    blocks : int
        Residual blocks.
    halvings : int
        How often the image is halved.
    """

    def __init__(self, dims: int, channels: int, width: int, blocks: int, halvings: int) -> None:
        super().__init__()
        widths = [width * 2**n for n in range(halvings + 1)]
        layers: list[nn.Module] = [nn.Sequential(*_convolution(dims, channels, width, 7), nn.ReLU())]
        for a, b in pairwise(widths):
            layers.append(nn.Sequential(*_convolution(dims, a, b, 3, stride=2), nn.ReLU()))
        layers += [CutBlock(dims, widths[-1]) for _ in range(blocks)]
        self.encode = nn.ModuleList(layers)
        up: list[nn.Module] = []
        for a, b in pairwise(reversed(widths)):
            up += [nn.Upsample(scale_factor=2), *_convolution(dims, a, b), nn.ReLU()]
        self.decode = nn.Sequential(*up, _conv(dims)(width, 1, 7, padding=3), nn.Tanh())
        last, middle = len(layers) - 1, 1 + halvings + blocks // 2
        self.looked_at = tuple(sorted({0, halvings, min(halvings + 1, last), min(middle, last), last}))
        self.multiple = 2**halvings

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The maps that `looked_at` names, from the first layer to the last of the encoder.

        Parameters
        ----------
        x : (B, channels, *spatial) float
            In [−1, 1].
        """
        found = []
        for n, layer in enumerate(self.encode):
            x = layer(x)
            if n in self.looked_at:
                found.append(x)
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The image, in (−1, 1).

        Parameters
        ----------
        x : (B, channels, *spatial) float
            In [−1, 1]; each side a multiple of `multiple`.
        """
        made: torch.Tensor = self.decode(self.features(x)[-1])
        return made


class CutNet(nn.Module):
    """Generator, a head of two layers for each map that is looked at, and a discriminator of targets.

    Parameters
    ----------
    dims, channels : int
        As of `CutGenerator`.
    design : (int, int, int)
        Width, blocks and halvings of the generator.
    head : int
        Numbers that a head makes of a place.
    judge : (int, int)
        Width and layers of the discriminator.
    """

    def __init__(
        self, dims: int, channels: int, design: tuple[int, int, int], head: int, judge: tuple[int, int]
    ) -> None:
        super().__init__()
        self.generator = CutGenerator(dims, channels, *design)
        width, _, halvings = design
        wide = [width * 2 ** min(n, halvings) for n in self.generator.looked_at]
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(n, head), nn.ReLU(), nn.Linear(head, head)) for n in wide
        )
        self.discriminator = patch_discriminator(dims, 1, *judge)

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        """G(x).

        Parameters
        ----------
        source : (B, channels, *patch) float
            x, in [−1, 1].
        """
        made: torch.Tensor = self.generator(source)
        return made

    def judged(self, image: torch.Tensor) -> torch.Tensor:
        """D(y), (B,).

        Parameters
        ----------
        image : (B, 1, *patch) float
            y, real or made.
        """
        return verdict(self.discriminator, image)

    def places(self, image: torch.Tensor, chosen: list[torch.Tensor]) -> list[torch.Tensor]:
        """What the heads make of places of each map, of length 1: (B, P, head).

        Parameters
        ----------
        image : (B, channels, *patch) float
            Source, or what was made, in the source's place.
        chosen : list of (P,) int64
            Places of each map, counted along its spatial axes.
        """
        maps = self.generator.features(image)
        return [
            F.normalize(head(x.flatten(2).transpose(1, 2)[:, at]), dim=-1)
            for head, x, at in zip(self.heads, maps, chosen, strict=True)
        ]

    def draw_places(self, patch: tuple[int, ...], count: int) -> list[torch.Tensor]:
        """Random places of each map, from PyTorch's generator: (P,) int64, P at most `count`.

        Parameters
        ----------
        patch : tuple of int
            Spatial size of the image.
        count : int
            How many.
        """
        halvings = self.generator.multiple.bit_length() - 1
        out = []
        for n in self.generator.looked_at:
            total = 1
            for side in patch:
                total *= -(-side // 2 ** min(n, halvings))
            out.append(torch.randperm(total)[:count])
        return out


def _conv(dims: int) -> type[nn.Conv2d] | type[nn.Conv3d]:
    return nn.Conv3d if dims == 3 else nn.Conv2d


def _convolution(dims: int, before: int, after: int, kernel: int = 3, *, stride: int = 1) -> list[nn.Module]:
    """Convolution and instance norm."""
    norm = nn.InstanceNorm3d if dims == 3 else nn.InstanceNorm2d
    return [_conv(dims)(before, after, kernel, stride=stride, padding=kernel // 2), norm(after, affine=True)]
