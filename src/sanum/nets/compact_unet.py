"""A compact 3D U-Net: residual blocks with group norm on a space-to-depth stem, a fine and a coarse head.

The stem folds 2×2×2 voxels into channels, so that no convolution runs at full resolution: there, few
channels make CPUs and GPUs wait for memory. The folded input is handed to the last layer once more, so
that fine detail need not pass through the features. The coarse head gives fields that vary slowly.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from .norm import GroupNorm


def space_to_depth(x: torch.Tensor) -> torch.Tensor:
    """(B, C, 2X, 2Y, 2Z) → (B, 8C, X, Y, Z).

    Parameters
    ----------
    x : (B, C, 2X, 2Y, 2Z) tensor
        Voxels.
    """
    if has_torch_function_unary(x):  # of `slabs.Slabs`
        return handle_torch_function(space_to_depth, (x,), x)
    b, c, x2, y2, z2 = x.shape
    x = x.reshape(b, c, x2 // 2, 2, y2 // 2, 2, z2 // 2, 2)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, 8 * c, x2 // 2, y2 // 2, z2 // 2)


def depth_to_space(x: torch.Tensor) -> torch.Tensor:
    """(B, 8C, X, Y, Z) → (B, C, 2X, 2Y, 2Z); inverse of `space_to_depth`.

    Parameters
    ----------
    x : (B, 8C, X, Y, Z) tensor
        2×2×2 voxels folded into channels.
    """
    if has_torch_function_unary(x):
        return handle_torch_function(depth_to_space, (x,), x)
    b, c8, nx, ny, nz = x.shape
    x = x.reshape(b, c8 // 8, 2, 2, 2, nx, ny, nz)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c8 // 8, 2 * nx, 2 * ny, 2 * nz)


def shifted(x: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Each map (B, C, …) plus a number of its own.

    Parameters
    ----------
    x : (B, C, X, Y, Z) tensor
        Feature maps.
    by : (B, C) tensor
        What is added.
    """
    if has_torch_function_unary(x):
        return handle_torch_function(shifted, (x,), x, by)
    return x + by[:, :, None, None, None].to(x.dtype)


def activate(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU, slope 0.1: with a plain one, at a high rate, whole levels died (recipe of una-compact).

    Parameters
    ----------
    x : tensor
        Of any shape.
    """
    return F.leaky_relu(x, 0.1)


def normed(conv: nn.Conv3d) -> nn.Sequential:
    """`conv`, then group norm over 16 channels or all: nothing that a block reads may grow.

    Parameters
    ----------
    conv : Conv3d
        Without a bias, which the norm has.
    """
    return nn.Sequential(conv, GroupNorm(max(1, conv.out_channels // 16), conv.out_channels))


class ResidualBlock(nn.Module):
    """act(skip(x) + norm(conv(act(norm(conv(x)))))) (He et al. 2016); (B, C, …) → (B, C', …).

    Parameters
    ----------
    channels_in : int
        C.
    channels_out : int
        C'.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = normed(nn.Conv3d(channels_in, channels_out, 3, padding=1, bias=False))
        self.second = normed(nn.Conv3d(channels_out, channels_out, 3, padding=1, bias=False))
        self.width = channels_in
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else normed(nn.Conv3d(channels_in, channels_out, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same spatial shape.

        Parameters
        ----------
        x : (B, channels_in, X, Y, Z) tensor
            Feature maps.
        """
        return activate(self.skip(x) + self.second(activate(self.first(x))))


class CompactUNet(nn.Module):
    """(B, channels_in, X, Y, Z) → fine (B, channels_fine, X, Y, Z) and coarse (B, channels_coarse, …).

    X, Y, Z are multiples of 2^len(widths).

    Parameters
    ----------
    channels_in : int
        Of the input.
    channels_fine : int
        Of the fine output, at the resolution of the input.
    channels_coarse : int
        Of the coarse output.
    widths : sequence of int
        Feature maps of each level; level l works at 1 / 2^(l + 1) of the resolution.
    coarse_level : int
        Level that the coarse head reads from, and whose shape its output has.
    """

    def __init__(
        self,
        channels_in: int,
        channels_fine: int,
        channels_coarse: int,
        widths: Sequence[int] = (32, 64, 128, 192),
        coarse_level: int = 2,
    ) -> None:
        super().__init__()
        if not 0 <= coarse_level < len(widths) - 1:
            raise ValueError(f"coarse_level must be one of the {len(widths) - 1} decoder levels")
        self.multiple, self.coarse_level = 2 ** len(widths), coarse_level
        self.stem = normed(nn.Conv3d(8 * channels_in, widths[0], 3, padding=1, bias=False))
        self.encode = nn.ModuleList(ResidualBlock(w, w) for w in widths)
        self.down = nn.ModuleList(
            normed(nn.Conv3d(a, b, 2, stride=2, bias=False)) for a, b in pairwise(widths)
        )
        self.bottom = ResidualBlock(widths[-1], widths[-1])
        self.up = nn.ModuleList(normed(nn.Conv3d(b, a, 1, bias=False)) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(ResidualBlock(2 * w, w) for w in widths[:-1])
        self.coarse = nn.Conv3d(widths[coarse_level], channels_coarse, 3, padding=1)
        self.last = normed(nn.Conv3d(widths[0] + 8 * channels_in, 2 * widths[0], 3, padding=1, bias=False))
        self.fine = nn.Conv3d(2 * widths[0], 8 * channels_fine, 1)  # 8 voxels each: not through widths[0]

    def forward(self, x: torch.Tensor, told: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class.

        Parameters
        ----------
        x : (B, channels_in, X, Y, Z) tensor
            Scaled images; each side a multiple of 2^len(widths).
        told : (B, sum of widths) tensor, optional
            Added to the maps that each level of the encoder begins with: what is known of the image.
        """
        if any(n % self.multiple for n in x.shape[2:]):
            raise ValueError(
                f"the image's shape must be a multiple of {self.multiple}, got {tuple(x.shape[2:])}"
            )
        folded = space_to_depth(x).contiguous(memory_format=torch.channels_last_3d)
        h = activate(self.stem(folded))
        skips = []
        notes = None if told is None else told.split([block.width for block in self.encode], dim=1)
        for level, block in enumerate(self.encode):
            h = block(h if notes is None else shifted(h, notes[level]))
            if level < len(self.down):
                skips.append(h)
                h = self.down[level](h)
        h = self.bottom(h)
        for level in reversed(range(len(self.down))):
            h = F.interpolate(self.up[level](h), scale_factor=2, mode="nearest")
            h = self.decode[level](torch.cat([h, skips[level]], dim=1))
            if level == self.coarse_level:
                coarse = self.coarse(h)
        h = activate(self.last(torch.cat([h, folded.to(h.dtype)], dim=1)))
        return depth_to_space(self.fine(h)), coarse
