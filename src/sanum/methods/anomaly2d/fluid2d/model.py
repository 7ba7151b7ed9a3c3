"""The network: an image to the marks of its anomalies and to what it would look like without them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from ....nets.efficientnet_lite import CHANNELS, EfficientNetLite0
from ....nets.strided import encoder
from ...common.asymmetry import uneven
from ...common.backbone import DEVIATION, MEAN
from ...common.pooling import smoothed
from .memory import Memory, patches

STAGES = (0, 1, 2, 4)
"""Of the backbone whose maps are decoded: strides 2, 4, 8 and 16."""

HELD = slice(1, 4)
"""Of these maps, those whose patches are held against those of normals."""

AT_ONCE = 16


class Answer(NamedTuple):
    """What the network says of images.

    Parameters
    ----------
    logits : (B, 1, S, S) tensor
        Of the marks.
    healthy : (B, C, S, S) tensor
        The images without anomalies.
    places : (B, G, G) tensor or None
        Logits of patches, by how they differ from the nearest of the normals; None without a memory.
    far : (B, G, G) tensor or None
        Their distances from those; where nothing is learned times a power of the asymmetry.
    """

    logits: torch.Tensor
    healthy: torch.Tensor
    places: torch.Tensor | None
    far: torch.Tensor | None


class Fluid2dNet(nn.Module):
    """Images (B, C, S, S) in [0, 1] → `Answer`.

    Parameters
    ----------
    channels : int
        C.
    widths : sequence of int
        Channels of a plain encoder after each halving; none: the encoder is EfficientNet-Lite0.
    decoder : int
        Channels of the way back.
    mirror : bool
        On the way back each place sees the maps of its mirror image too.
    frozen : bool
        The encoder stays as it is.
    bank : int
        Patches of normals that are kept; 0: there is no memory.
    blur : float
        Standard deviation of a Gaussian mean, in pixels, before a pretrained encoder.
    asymmetry : float
        Power of a place's difference from its mirror image; 0: none.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        decoder: int,
        *,
        mirror: bool,
        frozen: bool,
        bank: int = 0,
        blur: float = 0.0,
        asymmetry: float = 0.0,
    ) -> None:
        super().__init__()
        self.blur, self.asymmetry = blur, asymmetry
        self.mirror, self.frozen, self.plain = mirror, frozen and not widths, bool(widths)
        self.encode: nn.Module
        if widths:
            self.encode, found = encoder(channels, widths, dropout=0.0), tuple(widths)
        else:
            self.encode, found = EfficientNetLite0(stages=max(STAGES) + 1), tuple(CHANNELS[n] for n in STAGES)
            self.to_three = None if channels in (1, 3) else nn.Conv2d(channels, 3, 1)
        self.encode.requires_grad_(not self.frozen)
        twice = 2 if mirror else 1
        self.lateral = nn.ModuleList(nn.Conv2d(twice * c, decoder, 1) for c in found)
        self.blocks = nn.ModuleList(_block(decoder) for _ in found)
        self.ends = nn.Conv2d(decoder, 1 + channels, 3, padding=1)
        self.memory = Memory(bank, sum(found[HELD])) if bank else None

    def train(self, mode: bool = True) -> "Fluid2dNet":
        """As of any module; the batch norm of a pretrained encoder keeps its moments.

        Parameters
        ----------
        mode : bool
            Training.
        """
        super().train(mode)
        if not self.plain:
            self.encode.eval()
        return self

    def maps(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps, from fine to coarse.

        Parameters
        ----------
        image : (B, C, S, S) float
            In [0, 1].
        """
        if isinstance(self.encode, EfficientNetLite0):
            seen = image if self.to_three is None else self.to_three(image)
            there = torch.ones(1, *image.shape[2:], dtype=torch.bool, device=image.device)
            soft = smoothed(seen.flatten(0, 1), there, self.blur).reshape(seen.shape)
            return self.encode.features(((soft - MEAN) / DEVIATION).expand(-1, 3, -1, -1), STAGES)
        found, x = [], image * 2 - 1
        assert isinstance(self.encode, nn.Sequential)
        for block in self.encode:
            x = block(x)
            found.append(x)
        return found

    def forward(self, image: torch.Tensor, own: torch.Tensor | None = None) -> Answer:
        """See the class.

        Parameters
        ----------
        image : (B, C, S, S) float
            In [0, 1].
        own : (B,) long, optional
            Numbers of the normals that the images were made of: their own patches are not held against them.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            found = maps = self.maps(image)
        if self.mirror:
            maps = [torch.cat((x, x.flip(3)), 1) for x in maps]
        x: torch.Tensor | None = None
        for one, lateral, block in reversed(list(zip(maps, self.lateral, self.blocks, strict=True))):
            here = lateral(one)
            x = block(here if x is None else here + F.interpolate(x, size=here.shape[2:], mode="nearest"))
        ends = F.interpolate(self.ends(x), size=image.shape[2:], mode="bilinear")
        logits, places, far = ends[:, :1], None, None
        if self.memory is not None:
            rows = patches(found[HELD])
            places, far = self.memory(rows, own)
            if self.asymmetry and own is None:
                far = uneven(far, rows, patches(self.maps(image.flip(3))[HELD]), self.asymmetry)
            coarse = F.interpolate(places.detach()[:, None], size=image.shape[2:], mode="bilinear")
            logits = logits + coarse
        return Answer(logits, image + ends[:, 1:], places, far)

    def remember(self, pixels: torch.Tensor, valid: torch.Tensor, *, seed: int) -> None:
        """Keep patches of normals and of their mirror images in the memory.

        Parameters
        ----------
        pixels : (N, C, S, S) float
            In [0, 1].
        valid : (N, 1, S, S) float
            1 where an image is.
        seed : int
            Of what is chosen where they are too many.
        """
        assert self.memory is not None
        rows, owners = [], []
        with torch.no_grad():
            for turned in (False, True):
                for first in range(0, len(pixels), AT_ONCE):
                    part, there = pixels[first : first + AT_ONCE], valid[first : first + AT_ONCE]
                    if turned:
                        part, there = part.flip(3), there.flip(3)
                    found = patches(self.maps(part)[HELD])
                    share = F.interpolate(there, size=found.shape[1:3], mode="area")[:, 0]
                    inside = share >= share.amax((1, 2), keepdim=True).clamp_max(0.5)
                    rows.append(found[inside])
                    owners.append((first + inside.nonzero()[:, 0]).long())
            self.memory.keep(torch.cat(rows), torch.cat(owners), seed=seed)


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.GroupNorm(max(1, width // 8), width),
        nn.LeakyReLU(0.1),
    )
