"""Group norm (Wu and He 2018) whose moments are taken line by line.

A map that is computed in slabs (`slabs.Slabs`), or on another number of threads, must come out the same, to
the last bit: in bfloat16 one other bit in a moment moves the border of a mask in the end. So the moments of
lines along Z, of which PyTorch gives each to one thread, are added up in one order, in float64. (Those of
whole planes it shares among threads, and adds up what each had.)
"""

from collections.abc import Iterable

import torch
from torch import nn

_EPS = 1e-5  # only so that the moments of a line can be had from what PyTorch gives
_PLANES = 4  # at a time: in float32 they are small, and stay in the cache


class GroupNorm(nn.GroupNorm):
    """As PyTorch's; without gradients on a CPU the moments are those of the lines, added up."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) → the same.

        Parameters
        ----------
        x : (B, C, X, Y, Z) tensor
            Feature maps.
        """
        here = isinstance(x, torch.Tensor) and x.device.type == "cpu" and len(x) == 1
        if torch.is_grad_enabled() or not here:
            return super().forward(x)
        slope, shift = line(x.split(1, dim=2), self.num_groups, self.weight, self.bias, self.eps)
        out = torch.empty_like(x)
        for part, there in zip(x.split(_PLANES, dim=2), out.split(_PLANES, dim=2), strict=True):
            there.copy_(on_line(part, slope, shift))
        return out


def line(
    planes: Iterable[torch.Tensor], groups: int, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Slope and shift (1, C, 1, 1, 1) of the norm of a map whose planes (1, C, 1, Y, Z) these are.

    Parameters
    ----------
    planes : iterable of (1, C, 1, Y, Z) tensor
        The map, plane by plane along X.
    groups : int
        Groups of channels.
    weight : (C,) tensor
        Learned scale.
    bias : (C,) tensor
        Learned shift.
    eps : float
        Added to the variance.
    """
    means, squares = [], []
    for plane in planes:
        plane = plane.float().contiguous(memory_format=torch.channels_last_3d)
        lines = plane[0, :, 0].transpose(0, 1)[:, :, None]  # (Y, C, 1, Z)
        _, mean, scale = torch.native_group_norm(
            lines, weight, bias, len(lines), lines.shape[1], lines.shape[3], groups, _EPS
        )
        mean, variance = mean.double(), scale.double().pow(-2) - _EPS
        means.append(mean.mean(0))
        squares.append((variance + mean.square()).mean(0))
    mean = torch.stack(means).mean(0)
    variance = (torch.stack(squares).mean(0) - mean.square()).clamp_min(0)
    scale = (variance + eps).rsqrt()
    each = len(weight) // groups
    slope = scale.repeat_interleave(each) * weight
    shift = bias - mean.repeat_interleave(each) * slope
    return slope.float().view(1, -1, 1, 1, 1), shift.float().view(1, -1, 1, 1, 1)


def on_line(x: torch.Tensor, slope: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Slope times `x` and shift, rounded once.

    Parameters
    ----------
    x : (1, C, X, Y, Z) tensor
        A part of the map.
    slope : (1, C, 1, 1, 1) float32 tensor
        See `line`.
    shift : (1, C, 1, 1, 1) float32 tensor
        See `line`.
    """
    return torch.addcmul(shift, x.float(), slope).to(x.dtype)
