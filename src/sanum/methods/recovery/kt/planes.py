"""What networks of kt are made of: U-Nets and recurrent networks of planes.

The readout is fully sampled, so columns x alias by themselves: a network sees planes of y (or ky) and t (or
f) with two-dimensional convolutions. Neighbouring columns tell it more, at no cost: an eighth of the maps are
those of the column before, and an eighth those of the column behind (Lin et al., ICCV 2019, did it in time).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


def with_neighbours(maps: torch.Tensor, columns: int) -> torch.Tensor:
    """Feature maps (B X, C, Y, T) of which some are those of the columns beside.

    Parameters
    ----------
    maps : (B X, C, Y, T) tensor
        Columns x of each sample one after the other.
    columns : int
        X.
    """
    each = maps.unflatten(0, (-1, columns))
    n = each.shape[2] // 8
    before, after, own = each.split([n, n, each.shape[2] - 2 * n], 2)
    before = torch.cat([before[:, :1], before[:, :-1]], 1)
    after = torch.cat([after[:, 1:], after[:, -1:]], 1)
    return torch.cat([before, after, own], 2).flatten(0, 1)


def plane_conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    """3 × 3; lattices fold y and f around, so planes go on at their other end.

    Parameters
    ----------
    channels_in, channels_out : int
        Feature maps.
    """
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode="circular")


class PlaneBlock(nn.Module):
    """x + conv(act(conv(x with its neighbours))) of planes.

    Parameters
    ----------
    width : int
        Feature maps.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = plane_conv(width, width), plane_conv(width, width)

    def forward(self, maps: torch.Tensor, columns: int) -> torch.Tensor:
        """(B X, width, Y, T), as it came.

        Parameters
        ----------
        maps : (B X, width, Y, T) tensor
            Feature maps.
        columns : int
            X.
        """
        h = F.leaky_relu(self.first(with_neighbours(maps, columns)), 0.1)
        return F.leaky_relu(maps + self.second(h), 0.1)


class PlaneUNet(nn.Module):
    """U-Net of planes (B X, channels, Y, T): 2 × 2 points are folded into channels first.

    Parameters
    ----------
    channels_in, channels_out : int
        Of the input, and of the output, which is 0 before the first step.
    widths : sequence of int
        Feature maps of each level.
    """

    def __init__(self, channels_in: int, channels_out: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.multiple = 2 ** len(widths)
        self.stem = plane_conv(4 * channels_in, widths[0])
        self.encode = nn.ModuleList(PlaneBlock(w) for w in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(PlaneBlock(w) for w in widths[:-1])
        self.last = _silent_conv(widths[0], 4 * channels_out)

    def forward(
        self, planes: torch.Tensor, columns: int, before: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Output (B X, channels_out, Y, T), and the maps it is made of.

        Parameters
        ----------
        planes : (B X, channels_in, Y, T) tensor
            Of any Y and T; zeros are added to a multiple of 2^len(widths), and taken away.
        columns : int
            X.
        before : tensor, optional
            Added to the first maps, such as what an earlier call found.
        """
        y, t = planes.shape[2:]
        h = self.stem(_folded(planes, self.multiple))
        h = F.leaky_relu(h if before is None else h + before, 0.1)
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.encode):
            h = block(h, columns)
            if level < len(self.down):
                skips.append(h)
                h = self.down[level](h)
        for level in reversed(range(len(self.up))):
            h = F.interpolate(h, scale_factor=2, mode="nearest")
            h = self.decode[level](self.up[level](torch.cat([skips[level], h], 1)), columns)
        return F.pixel_shuffle(self.last(h), 2)[:, :, :y, :t], h


class BothWays(nn.Module):
    """Recurrent network of planes (B X, channels, Y, T), forwards and backwards in time.

    h_t = tanh(u_t + W h_{t-1}), with u = V x; the same weights both ways, whose maps are added (after Qin et
    al., IEEE Trans Med Imaging 38:280, 2019, who have rectifiers: with them our training blew up). As in
    `PlaneUNet`, 2 × 2 points are folded into channels first.

    Parameters
    ----------
    channels_in, channels_out : int
        Of the input, and of the output, which is 0 before the first step.
    width : int
        Feature maps.
    """

    def __init__(self, channels_in: int, channels_out: int, width: int) -> None:
        super().__init__()
        self.stem = plane_conv(4 * channels_in, width)
        self.step = nn.Conv1d(width, width, 3, padding=1, padding_mode="circular")
        self.block = PlaneBlock(width)
        self.last = _silent_conv(width, 4 * channels_out)

    def forward(
        self, planes: torch.Tensor, columns: int, before: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Output (B X, channels_out, Y, T), and the maps it is made of.

        Parameters
        ----------
        planes : (B X, channels_in, Y, T) tensor
            Of any Y and T; zeros are added to even numbers, and taken away.
        columns : int
            X.
        before : tensor, optional
            As of `PlaneUNet`.
        """
        y, t = planes.shape[2:]
        u = self.stem(_folded(planes, 2))
        u = u if before is None else u + before
        both = torch.cat([u, u.flip(-1)]).unbind(-1)
        maps = [torch.tanh(both[0])]
        for at in both[1:]:
            maps.append(torch.tanh(at + self.step(maps[-1])))
        forwards, backwards = torch.stack(maps, -1).chunk(2)
        h = self.block(forwards + backwards.flip(-1), columns)
        return F.pixel_shuffle(self.last(h), 2)[:, :, :y, :t], h


def _silent_conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    conv = plane_conv(channels_in, channels_out)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _folded(planes: torch.Tensor, multiple: int) -> torch.Tensor:
    y, t = planes.shape[2:]
    return F.pixel_unshuffle(F.pad(planes, (0, -t % multiple, 0, -y % multiple)), 2)
