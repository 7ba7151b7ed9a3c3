"""The 3D U-Net as it is commonly published (Çiçek et al. 2016), with group norm: full resolution at the top.

Where `CompactUNet` folds 2×2×2 voxels into channels, this one convolves every voxel: some eight times the
work and memory for as many feature maps.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from .compact_unet import shifted
from .norm import GroupNorm

GROUPS = 8  # of group norm, as published for UNA's network; one where there are fewer than 16 channels


def two_convolutions(channels_in: int, between: int, channels_out: int) -> nn.Sequential:
    """Twice group norm, 3×3×3 convolution, leaky ReLU; (B, C, …) → (B, C', …).

    Parameters
    ----------
    channels_in : int
        C.
    between : int
        Channels after the first convolution.
    channels_out : int
        C'.
    """
    layers: list[nn.Module] = []
    for a, b in ((channels_in, between), (between, channels_out)):
        norm = GroupNorm(GROUPS if a >= 2 * GROUPS else 1, a)
        layers += [norm, nn.Conv3d(a, b, 3, padding=1, bias=False), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """(B, channels_in, X, Y, Z) → fine (B, channels_fine, X, Y, Z) and coarse (B, channels_coarse, …).

    X, Y, Z are multiples of 2^(len(widths) − 1).

    Parameters
    ----------
    channels_in : int
        Of the input.
    channels_fine : int
        Of the fine output, at the resolution of the input.
    channels_coarse : int
        Of the coarse output.
    widths : sequence of int
        Feature maps of each level; level l works at 1 / 2^l of the resolution.
    coarse_level : int
        Level that the coarse head reads from, and whose shape its output has.
    """

    def __init__(
        self,
        channels_in: int,
        channels_fine: int,
        channels_coarse: int,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        coarse_level: int = 2,
    ) -> None:
        super().__init__()
        if not 0 <= coarse_level < len(widths) - 1:
            raise ValueError(f"coarse_level must be one of the {len(widths) - 1} decoder levels")
        self.multiple, self.coarse_level, self.widths = 2 ** (len(widths) - 1), coarse_level, list(widths)
        self.encode = nn.ModuleList(
            two_convolutions(a, max(a, b // 2), b) for a, b in pairwise((channels_in, *widths))
        )
        self.decode = nn.ModuleList(two_convolutions(a + b, a, a) for a, b in pairwise(widths))
        self.coarse = nn.Conv3d(widths[coarse_level], channels_coarse, 3, padding=1)
        self.fine = nn.Conv3d(widths[0], channels_fine, 1)

    def forward(self, x: torch.Tensor, told: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class.

        Parameters
        ----------
        x : (B, channels_in, X, Y, Z) tensor
            Scaled images; each side a multiple of 2^(len(widths) − 1).
        told : (B, sum of widths) tensor, optional
            Added to the maps of each level of the encoder: what is known of the image.
        """
        if any(n % self.multiple for n in x.shape[2:]):
            raise ValueError(
                f"the image's shape must be a multiple of {self.multiple}, got {tuple(x.shape[2:])}"
            )
        notes = None if told is None else told.split(self.widths, dim=1)
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.encode):
            h = block(F.max_pool3d(skips[-1], 2) if skips else x)
            skips.append(h if notes is None else shifted(h, notes[level]))
        h = skips.pop()
        for level in reversed(range(len(self.decode))):
            h = F.interpolate(h, scale_factor=2, mode="nearest")
            h = self.decode[level](torch.cat([skips.pop(), h], dim=1))
            if level == self.coarse_level:
                coarse = self.coarse(h)
        return self.fine(h), coarse
