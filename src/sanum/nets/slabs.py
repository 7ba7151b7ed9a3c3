"""The same network on less memory: feature maps that are computed slab by slab, with the same result.

A network is called on `Slabs` in the place of a tensor (PyTorch's `__torch_function__`), its code unchanged.
What a convolution makes is kept whole, in the memory of the CPU; what comes between two of them (norm,
activation, concatenation, resampling) is computed again for each slab that is read, on the device. A slab is
read with the planes beside it that a convolution looks at, and group norm takes its moments over the whole
map first, so that nothing depends on where slabs end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .compact_unet import depth_to_space, shifted, space_to_depth
from .norm import line, on_line

Read = Callable[[int, int], torch.Tensor]


class Slabs:
    """A map (1, C, X, Y, Z), to be read between two planes of X.

    Parameters
    ----------
    shape : (1, C, X, Y, Z)
    read : function
        (a, b) → (1, C, b − a, Y, Z) on the device.
    planes : int
        Planes of a slab, at every level of the network.
    """

    def __init__(self, shape: Sequence[int], read: Read, planes: int) -> None:
        self.shape, self.read, self.planes = torch.Size(shape), read, planes

    @classmethod
    def of(cls, x: torch.Tensor, planes: int, device: torch.device | str) -> "Slabs":
        """A tensor (1, C, X, Y, Z), wherever it is, whose slabs are computed with on `device`.

        Parameters
        ----------
        x : (1, C, X, Y, Z) tensor
            On any device.
        planes : int
            Planes of a slab.
        device : torch.device or str
            Where slabs are computed with.
        """
        return cls(x.shape, lambda a, b: x[:, :, a:b].to(device), planes)

    def slabs(self) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Every slab, with the planes between which it lies."""
        for a in range(0, self.shape[2], self.planes):
            b = min(a + self.planes, self.shape[2])
            yield a, b, self.read(a, b)

    def whole(self) -> torch.Tensor:
        """All of it, in the memory of the CPU."""
        out: torch.Tensor | None = None
        for a, b, slab in self.slabs():
            if out is None:
                last = slab.is_contiguous(memory_format=torch.channels_last_3d)
                order = torch.channels_last_3d if last else torch.contiguous_format
                out = torch.empty(self.shape, dtype=slab.dtype, memory_format=order)
            out[:, :, a:b] = slab
        assert out is not None
        return out

    def kept(self) -> "Slabs":
        """The same, computed once and kept."""
        device = self.read(0, 1).device
        return Slabs.of(self.whole(), self.planes, device)

    def map(self, function: Callable[[torch.Tensor], torch.Tensor], channels: int | None = None) -> "Slabs":
        """A function of each plane by itself, of `channels` channels (default: as many).

        Parameters
        ----------
        function : function
            (1, C, planes, Y, Z) → (1, C', planes, Y, Z), each plane by itself.
        channels : int, optional
            C'; default C.
        """
        shape = (1, channels or self.shape[1], *self.shape[2:])
        return Slabs(shape, lambda a, b: function(self.read(a, b)), self.planes)

    @property
    def dtype(self) -> torch.dtype:
        """Of its slabs."""
        return self.read(0, 1).dtype

    def to(self, dtype: torch.dtype) -> "Slabs":
        """Another precision.

        Parameters
        ----------
        dtype : torch.dtype
            Of the slabs.
        """
        return self.map(lambda x: x.to(dtype))

    def contiguous(self, *, memory_format: torch.memory_format) -> "Slabs":
        """Another order in memory.

        Parameters
        ----------
        memory_format : torch.memory_format
            Order of the slabs in memory.
        """
        return self.map(lambda x: x.contiguous(memory_format=memory_format))

    def __add__(self, other: "Slabs") -> "Slabs":
        return Slabs(self.shape, lambda a, b: self.read(a, b) + other.read(a, b), self.planes).kept()

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function not in _FUNCTIONS:
            return NotImplemented
        return _FUNCTIONS[function](*args, **(kwargs or {}))


def in_slabs(
    net: nn.Module, x: torch.Tensor, planes: int, device: torch.device | str, *more: torch.Tensor | None
) -> tuple[torch.Tensor, ...]:
    """What `net` makes of `x` (1, C, X, Y, Z), slab by slab on `device`; the results are there whole.

    Parameters
    ----------
    net : Module
        Of convolutions, group norm, pooling and resampling by two.
    x : (1, C, X, Y, Z) tensor
        Input.
    planes : int
        Planes of a slab, along X.
    device : torch.device or str
        Where slabs are computed, and where the results are put.
    *more : tensor or None
        What else the network takes, whole.
    """
    return tuple(made.whole().to(device) for made in net(Slabs.of(x, planes, device), *more))


def _conv3d(
    x: Slabs,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
    groups: int = 1,
) -> Slabs:
    if tuple(dilation) != (1, 1, 1) or groups != 1:
        raise NotImplementedError("dilated and grouped convolutions, which no network here has")
    (size, step, around), end = (weight.shape[2], stride[0], padding[0]), x.shape[2]

    def read(a: int, b: int) -> torch.Tensor:
        low, high = a * step - around, (b - 1) * step - around + size
        part = x.read(max(low, 0), min(high, end))
        part = F.pad(part, (0, 0, 0, 0, max(-low, 0), max(high - end, 0)))
        return F.conv3d(part, weight, bias, stride, (0, *padding[1:]))

    shape = [
        (n + 2 * p - k) // s + 1
        for n, p, k, s in zip(x.shape[2:], padding, weight.shape[2:], stride, strict=True)
    ]
    return Slabs((1, weight.shape[0], *shape), read, x.planes).kept()


def _group_norm(
    x: Slabs,
    groups: int,
    weight: torch.Tensor,
    bias: torch.Tensor,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Slabs:
    # of a slab without values, whose memory alone is asked for, a plane is like all
    planes = (plane for _, _, s in x.slabs() for plane in (s[:, :, :1] if s.is_meta else s).split(1, dim=2))
    slope, shift = line(planes, groups, weight, bias, eps)
    return x.map(lambda part: on_line(part, slope, shift))


def _interpolate(
    x: Slabs, size: None = None, scale_factor: float = 2, mode: str = "nearest", **_: Any
) -> Slabs:
    if size is not None or scale_factor != 2 or mode != "nearest":
        raise NotImplementedError("resampling in slabs is to twice the size, nearest")
    return _finer(x, lambda part: F.interpolate(part, scale_factor=2, mode="nearest"), x.shape[1])


def _max_pool3d(x: Slabs, size: int, *_: Any, **__: Any) -> Slabs:
    if size != 2:
        raise NotImplementedError("pooling in slabs is of two voxels a side")
    return _coarser(x, lambda part: F.max_pool3d(part, 2), x.shape[1])


def _finer(x: Slabs, function: Callable[[torch.Tensor], torch.Tensor], channels: int) -> Slabs:
    """A function that makes two planes of one."""

    def read(a: int, b: int) -> torch.Tensor:
        first = a // 2
        return function(x.read(first, ceil(b / 2)))[:, :, a - 2 * first : b - 2 * first]

    return Slabs((1, channels, *(2 * n for n in x.shape[2:])), read, x.planes)


def _coarser(x: Slabs, function: Callable[[torch.Tensor], torch.Tensor], channels: int) -> Slabs:
    """A function that makes one plane of two."""
    shape = (1, channels, *(n // 2 for n in x.shape[2:]))
    return Slabs(shape, lambda a, b: function(x.read(2 * a, 2 * b)), x.planes)


def _cat(many: Sequence[Slabs], dim: int = 0) -> Slabs:
    if dim != 1:
        raise NotImplementedError("slabs are joined along their channels")
    shape = (1, sum(x.shape[1] for x in many), *many[0].shape[2:])
    return Slabs(shape, lambda a, b: torch.cat([x.read(a, b) for x in many], dim=1), many[0].planes)


_FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.conv3d: _conv3d,
    F.conv3d: _conv3d,
    F.group_norm: _group_norm,
    F.leaky_relu: lambda x, **how: x.map(lambda part: F.leaky_relu(part, **how)),
    F.interpolate: _interpolate,
    F.max_pool3d: _max_pool3d,
    torch.cat: _cat,
    shifted: lambda x, by: x.map(lambda part: shifted(part, by)),
    space_to_depth: lambda x: _coarser(x, space_to_depth, 8 * x.shape[1]),
    depth_to_space: lambda x: _finer(x, depth_to_space, x.shape[1] // 8),
}
