"""Networks that recover movies: U-Nets of planes in x-t, x-f or k-t, and consistency with the data.

The readout is fully sampled, so columns x alias by themselves: a network sees planes of y (or ky) and t (or
f) with two-dimensional convolutions. Neighbouring columns tell it more, at no cost: an eighth of the maps are
those of the column before, and an eighth those of the column behind (Lin et al., ICCV 2019, did it in time).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from ....kspace.coils import combined
from ....kspace.encoding import CoilEncoding, coils_consistent
from ....kspace.fourier import fft, ifft
from ....kspace.sense import without_mean

Domain = Literal["xt", "xf", "kt"]
MOST_WIDTH, MOST_STAGES, MOST_COILS = 512, 16, 64


@dataclass(frozen=True)
class KtNetConfig:
    """Shape of a network.

    Parameters
    ----------
    domains : tuple of "xt", "xf" or "kt"
        Where each network of the cascade works: planes of y and t, of y and f, or of ky and t.
    widths : tuple of int
        Feature maps of each level; level l has 1 / 2^(l + 1) of the resolution along both axes.
    mean : bool
        Subtract the mean over time, and add it in the end.
    consistency : "none", "hard" or "soft"
        What follows each network; "soft" learns how far measured lines are believed.
    coils : int
        0: the combined image is seen. Else images of so many coils, of which some may be 0.
    """

    domains: tuple[Domain, ...] = ("xf",)
    widths: tuple[int, ...] = (16, 24, 32)
    mean: bool = True
    consistency: Literal["none", "hard", "soft"] = "hard"
    coils: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.domains) <= MOST_STAGES or set(self.domains) - {"xt", "xf", "kt"}:
            raise ValueError(f"domains are 1 to {MOST_STAGES} of xt, xf and kt, got {self.domains}")
        if not self.widths or not all(8 <= w <= MOST_WIDTH for w in self.widths):
            raise ValueError(f"widths are whole numbers from 8 to {MOST_WIDTH}, got {self.widths}")
        if self.consistency not in ("none", "hard", "soft"):
            raise ValueError(f"consistency is none, hard or soft, got {self.consistency}")
        if not 0 <= self.coils <= MOST_COILS:
            raise ValueError(f"coils must be from 0 to {MOST_COILS}, got {self.coils}")


def to_domain(images: torch.Tensor, domain: Domain) -> torch.Tensor:
    """Images (…, T, Y, X) in x-t, x-f or k-t space: orthonormal, the inverse is `from_domain`.

    Parameters
    ----------
    images : (…, T, Y, X) complex tensor
        Of each frame.
    domain : "xt", "xf" or "kt"
        Wanted.
    """
    return images if domain == "xt" else fft(images, -3 if domain == "xf" else -2)


def from_domain(planes: torch.Tensor, domain: Domain) -> torch.Tensor:
    """Inverse of `to_domain`.

    Parameters
    ----------
    planes : (…, T, Y, X) complex tensor
        In the domain.
    domain : "xt", "xf" or "kt"
        Where they are.
    """
    return planes if domain == "xt" else ifft(planes, -3 if domain == "xf" else -2)


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


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    """3 × 3; lattices fold y and f around, so planes go on at their other end."""
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
        self.first, self.second = _conv(width, width), _conv(width, width)

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
        self.stem = _conv(4 * channels_in, widths[0])
        self.encode = nn.ModuleList(PlaneBlock(w) for w in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(PlaneBlock(w) for w in widths[:-1])
        self.last = _conv(widths[0], 4 * channels_out)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, planes: torch.Tensor, columns: int) -> torch.Tensor:
        """(B X, channels_out, Y, T).

        Parameters
        ----------
        planes : (B X, channels_in, Y, T) tensor
            Of any Y and T; zeros are added to a multiple of 2^len(widths), and taken away.
        columns : int
            X.
        """
        y, t = planes.shape[2:]
        whole = F.pad(planes, (0, -t % self.multiple, 0, -y % self.multiple))
        h = F.leaky_relu(self.stem(F.pixel_unshuffle(whole, 2)), 0.1)
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.encode):
            h = block(h, columns)
            if level < len(self.down):
                skips.append(h)
                h = self.down[level](h)
        for level in reversed(range(len(self.up))):
            h = F.interpolate(h, scale_factor=2, mode="nearest")
            h = self.decode[level](self.up[level](torch.cat([skips[level], h], 1)), columns)
        return F.pixel_shuffle(self.last(h), 2)[:, :, :y, :t]


class KtStage(nn.Module):
    """One network of a cascade: to its domain, a correction by the U-Net, back.

    Parameters
    ----------
    domain : "xt", "xf" or "kt"
        Where it works.
    config : KtNetConfig
        Of the whole.
    """

    def __init__(self, domain: Domain, config: KtNetConfig) -> None:
        super().__init__()
        self.domain = domain
        images = max(config.coils, 1)
        self.unet = PlaneUNet(2 * images + 1 + 2 * config.mean, 3 * images, config.widths)

    def forward(self, images: torch.Tensor, mean: torch.Tensor | None) -> torch.Tensor:
        """Corrected images, (B, N, T, Y, X): each point times a gain, plus a difference, both of the U-Net.

        Parameters
        ----------
        images : (B, N, T, Y, X) complex tensor
            Of N coils, or one that is combined.
        mean : (B, 1, 1, Y, X) complex tensor or None
            What was subtracted.
        """
        samples, count, frames, lines, columns = images.shape
        size = images.abs().square().mean((1, 2, 3, 4), keepdim=True).sqrt().clamp_min(1e-12)
        here = to_domain(images / size, self.domain)
        seen = [_channels(here)]
        axis, along = (-1, lines) if self.domain == "kt" else (-2, frames)
        place = (torch.arange(along, device=images.device) - along // 2).abs() / along
        place = place.view(-1, 1) if axis == -2 else place.view(1, -1)
        seen.append(place.expand(frames, lines)[None, None, ..., None].expand(samples, 1, -1, -1, columns))
        if mean is not None:
            still = fft(mean, -2) if self.domain == "kt" else mean
            seen.append(_channels(still.expand(-1, -1, frames, -1, -1)))
        planes = torch.cat(seen, 1).permute(0, 4, 1, 3, 2).flatten(0, 1)  # (B X, channels, Y, T)
        found = self.unet(planes.contiguous(memory_format=torch.channels_last), columns)
        found = (
            found.float().unflatten(0, (samples, columns)).unflatten(2, (count, 3)).permute(0, 2, 5, 4, 1, 3)
        )
        more = torch.view_as_complex(found[..., :2].contiguous())
        return from_domain(here * (1 + found[..., 2]) + more, self.domain) * size


def _channels(images: torch.Tensor) -> torch.Tensor:
    """Real and imaginary parts, (B, 2 N, T, Y, X)."""
    return torch.view_as_real(images).movedim(-1, 2).flatten(1, 2)


class KtNet(nn.Module):
    """A cascade: each network corrects the images, and each is followed by consistency with the data.

    Parameters
    ----------
    config : KtNetConfig
        Its shape.
    """

    def __init__(self, config: KtNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(KtStage(domain, config) for domain in config.domains)
        if config.consistency == "soft":
            self.doubt = nn.Parameter(torch.full((len(config.domains),), -3.0))

    def forward(self, kspace: torch.Tensor, maps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Movies, (B, T, Y, X).

        Parameters
        ----------
        kspace : (B, C, T, Y, X) complex64 tensor
            Lines ky, pixels x; 0 where nothing was measured.
        maps : (B, C, Y, X) complex64 tensor
            Normalized; coils of maps and k-space 0 are none.
        mask : (B, T, Y) bool tensor
            Lines that are measured.
        """
        encodings = [CoilEncoding(s, m) for s, m in zip(maps, mask, strict=True)]
        parts = [without_mean(y, e) for y, e in zip(kspace, encodings, strict=True)]
        mean = torch.stack([still for still, _ in parts])[:, None]  # (B, 1, 1, Y, X)
        scale = mean.abs().amax((1, 2, 3, 4), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        mean = mean / scale
        rest = (torch.stack([left for _, left in parts]) if self.config.mean else kspace) / scale
        rarity = mask.shape[1] / mask.sum(1).clamp_min(1)  # of each line: undoes what frames without it take
        images = self._start(rest * rarity[:, None, None, :, None], encodings)
        for n, stage in enumerate(self.stages):
            images = stage(images, mean if self.config.mean else None)
            images = self._consistent(images, rest, encodings, n)
        moving = images[:, 0] if not self.config.coils else _combined(images, maps)
        return (moving + mean[:, 0] if self.config.mean else moving) * scale[:, 0]

    def _start(self, rest: torch.Tensor, encodings: Sequence[CoilEncoding]) -> torch.Tensor:
        """Zero-filled images, (B, N, T, Y, X)."""
        if not self.config.coils:
            return torch.stack([e.adjoint(y) for y, e in zip(rest, encodings, strict=True)])[:, None]
        if rest.shape[1] > self.config.coils:
            raise ValueError(
                f"the network sees at most {self.config.coils} coils, got {rest.shape[1]}: choose one that "
                "sees the combined image"
            )
        return F.pad(ifft(rest, -2), (0, 0, 0, 0, 0, 0, 0, self.config.coils - rest.shape[1]))

    def _consistent(
        self, images: torch.Tensor, rest: torch.Tensor, encodings: Sequence[CoilEncoding], stage: int
    ) -> torch.Tensor:
        if self.config.consistency == "none":
            return images
        nu = torch.sigmoid(self.doubt[stage]) if self.config.consistency == "soft" else 0.0
        if self.config.coils:
            lacking = self.config.coils - rest.shape[1]
            measured = F.pad(rest, (0, 0, 0, 0, 0, 0, 0, lacking))
            return coils_consistent(images, measured, torch.stack([e.mask for e in encodings]), nu)
        each = zip(images, rest, encodings, strict=True)
        return torch.stack([e.consistent(x[0], y, nu) for x, y, e in each])[:, None]


def _combined(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """(B, T, Y, X)."""
    return torch.stack([combined(x[: len(s)], s) for x, s in zip(images, maps, strict=True)])
