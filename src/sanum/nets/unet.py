"""A compact 3D U-Net: residual blocks with group norm on a space-to-depth stem.

The stem folds 2×2×2 voxels into channels, so that no convolution runs at full resolution: there, few
channels make CPUs and GPUs wait for memory. The folded input is handed to the last layer once more, so
that fine detail need not pass through the features.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


def space_to_depth(x: torch.Tensor) -> torch.Tensor:
    """(B, C, 2X, 2Y, 2Z) → (B, 8C, X, Y, Z)."""
    b, c, x2, y2, z2 = x.shape
    x = x.reshape(b, c, x2 // 2, 2, y2 // 2, 2, z2 // 2, 2)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, 8 * c, x2 // 2, y2 // 2, z2 // 2)


def depth_to_space(x: torch.Tensor) -> torch.Tensor:
    """(B, 8C, X, Y, Z) → (B, C, 2X, 2Y, 2Z); inverse of `space_to_depth`."""
    b, c8, nx, ny, nz = x.shape
    x = x.reshape(b, c8 // 8, 2, 2, 2, nx, ny, nz)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c8 // 8, 2 * nx, 2 * ny, 2 * nz)


class ResidualBlock(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))); (B, C, …) → (B, C', …)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels_in)
        self.conv1 = nn.Conv3d(channels_in, channels_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, channels_out)
        self.conv2 = nn.Conv3d(channels_out, channels_out, 3, padding=1)
        self.skip = nn.Conv3d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same spatial shape."""
        h = self.conv1(F.relu(self.norm1(x)))
        h = self.conv2(F.relu(self.norm2(h)))
        return self.skip(x) + h


class UNet(nn.Module):
    """(B, channels_in, X, Y, Z) → (B, channels_out, X, Y, Z); X, Y, Z multiples of 2^len(widths).

    Parameters
    ----------
    widths : sequence of int
        Feature maps of each level; the first level works at half the resolution.
    """

    def __init__(
        self, channels_in: int, channels_out: int, widths: Sequence[int] = (32, 64, 128, 192)
    ) -> None:
        super().__init__()
        self.multiple = 2 ** len(widths)
        self.stem = nn.Conv3d(8 * channels_in, widths[0], 3, padding=1)
        self.encode = nn.ModuleList(ResidualBlock(w, w) for w in widths)
        self.down = nn.ModuleList(nn.Conv3d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.bottom = ResidualBlock(widths[-1], widths[-1])
        self.up = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(ResidualBlock(2 * w, w) for w in widths[:-1])
        self.norm = nn.GroupNorm(8, widths[0])
        self.last = nn.Conv3d(widths[0] + 8 * channels_in, widths[0], 3, padding=1)
        self.head = nn.Conv3d(widths[0], 8 * channels_out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        if any(n % self.multiple for n in x.shape[2:]):
            raise ValueError(
                f"the image's shape must be a multiple of {self.multiple}, got {tuple(x.shape[2:])}"
            )
        folded = space_to_depth(x).contiguous(memory_format=torch.channels_last_3d)
        h = self.stem(folded)
        skips = []
        for level, block in enumerate(self.encode):
            h = block(h)
            if level < len(self.down):
                skips.append(h)
                h = self.down[level](h)
        h = self.bottom(h)
        for level in reversed(range(len(self.down))):
            h = F.interpolate(self.up[level](h), scale_factor=2, mode="nearest")
            h = self.decode[level](torch.cat([h, skips[level]], dim=1))
        h = self.last(torch.cat([F.relu(self.norm(h)), folded.to(h.dtype)], dim=1))
        return depth_to_space(self.head(F.relu(h)))
