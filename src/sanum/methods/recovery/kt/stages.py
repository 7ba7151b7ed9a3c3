"""Networks between which consistency with the data stands: each corrects images in its domain."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import nn

from ....kspace.fourier import fft, ifft
from .planes import BothWays, PlaneUNet, plane_conv

Domain = Literal["xt", "xf", "kt"]


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


class Told(NamedTuple):
    """What a network is told beside the images that it corrects.

    Parameters
    ----------
    by_coils : (B, N, T, Y, X) complex tensor
        What the coils alone make of the measured lines (SENSE), as images of as many coils as are corrected.
    mean : (B, 1, 1, Y, X) complex tensor or None
        What was subtracted.
    """

    by_coils: torch.Tensor
    mean: torch.Tensor | None


def channels_of(images: int, mean: bool) -> tuple[int, int]:
    """Channels that a network gets and gives.

    Parameters
    ----------
    images : int
        Coils, or 1.
    mean : bool
        The mean over time is one of them.
    """
    return 4 * images + 1 + 2 * mean, 4 * images


class KtStage(nn.Module):
    """One network of a cascade: to its domain, a correction by the U-Net, back.

    Parameters
    ----------
    domain : "xt", "xf" or "kt"
        Where it works.
    images : int
        Coils, or 1.
    mean : bool
        It is told the mean over time.
    widths : sequence of int
        As of `PlaneUNet`.
    """

    def __init__(self, domain: Domain, images: int, mean: bool, widths: Sequence[int]) -> None:
        super().__init__()
        self.domain = domain
        self.unet = PlaneUNet(*channels_of(images, mean), widths)

    def forward(
        self, images: torch.Tensor, seen: Told, before: tuple[torch.Tensor, ...] = ()
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Corrected images, (B, N, T, Y, X), and nothing to remember.

        Parameters
        ----------
        images : (B, N, T, Y, X) complex tensor
            Of N coils, or one that is combined.
        seen : Told
            The rest of what is known.
        before : tuple
            Not used.
        """
        there = Points.of(images, seen, self.domain)
        return there.corrected(self.unet(there.planes, images.shape[-1])[0]), before


class Complementary(nn.Module):
    """Two networks side by side, in x-f and in x-t, whose images are added by weight (after CTFNet).

    Both remember what they found in the iteration before: its maps are added to their first ones.

    Parameters
    ----------
    images : int
        Coils, or 1.
    mean : bool
        They are told the mean over time.
    widths : sequence of int
        Of the U-Net in x-f; the first of the recurrent network in x-t.
    """

    def __init__(self, images: int, mean: bool, widths: Sequence[int]) -> None:
        super().__init__()
        channels = channels_of(images, mean)
        self.in_xf = PlaneUNet(*channels, widths)
        self.in_xt = BothWays(*channels, widths[0])
        self.carry = nn.ModuleList(plane_conv(widths[0], widths[0]) for _ in range(2))
        for carry in self.carry:  # what it means to remember is learned from nothing
            nn.init.zeros_(carry.weight)  # type: ignore[arg-type]
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(
        self, images: torch.Tensor, seen: Told, before: tuple[torch.Tensor, ...] = ()
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Corrected images, (B, N, T, Y, X), and the maps of both networks.

        Parameters
        ----------
        images : (B, N, T, Y, X) complex tensor
            Of N coils, or one that is combined.
        seen : Told
            The rest of what is known.
        before : tuple of tensor
            Maps of the iteration before; empty in the first.
        """
        found, maps = [], []
        sides: tuple[tuple[Domain, nn.Module], ...] = (("xf", self.in_xf), ("xt", self.in_xt))
        for n, (domain, net) in enumerate(sides):
            there = Points.of(images, seen, domain)
            kept = self.carry[n](before[n]) if before else None
            out, h = net(there.planes, images.shape[-1], kept)
            found.append(there.corrected(out))
            maps.append(h)
        share = torch.sigmoid(self.weight)
        return share * found[0] + (1 - share) * found[1], tuple(maps)


class Points(NamedTuple):
    """Images in a domain, as a network sees them.

    Parameters
    ----------
    domain : "xt", "xf" or "kt"
        Where.
    here, by_coils : (B, N, T, Y, X) complex tensor
        In units of `size`.
    size : (B, 1, 1, 1, 1) tensor
        Root of the mean power of the images.
    planes : (B X, channels, Y, T) tensor
        All that the network is told.
    """

    domain: Domain
    here: torch.Tensor
    by_coils: torch.Tensor
    size: torch.Tensor
    planes: torch.Tensor

    @classmethod
    def of(cls, images: torch.Tensor, seen: Told, domain: Domain) -> "Points":
        """Bring images to a domain.

        Parameters
        ----------
        images : (B, N, T, Y, X) complex tensor
            What is to be corrected.
        seen : Told
            The rest of what is known.
        domain : "xt", "xf" or "kt"
            Wanted.
        """
        samples, _, frames, lines, columns = images.shape
        size = images.abs().square().mean((1, 2, 3, 4), keepdim=True).sqrt().clamp_min(1e-12)
        here, by_coils = (to_domain(x / size, domain) for x in (images, seen.by_coils))
        axis, along = (-1, lines) if domain == "kt" else (-2, frames)
        place = (torch.arange(along, device=images.device) - along // 2).abs() / along
        place = place.view(-1, 1) if axis == -2 else place.view(1, -1)
        told = [_channels(here), _channels(by_coils)]
        told.append(place.expand(frames, lines)[None, None, ..., None].expand(samples, 1, -1, -1, columns))
        if seen.mean is not None:
            still = fft(seen.mean, -2) if domain == "kt" else seen.mean
            told.append(_channels(still.expand(-1, -1, frames, -1, -1)))
        planes = torch.cat(told, 1).permute(0, 4, 1, 3, 2).flatten(0, 1)
        return cls(domain, here, by_coils, size, planes.contiguous(memory_format=torch.channels_last))

    def corrected(self, found: torch.Tensor) -> torch.Tensor:
        """Images (B, N, T, Y, X): gains of both, and a difference, each point's own.

        Parameters
        ----------
        found : (B X, 4 N, Y, T) tensor
            Of a network: of each coil the difference, and the gains.
        """
        samples, count, _, _, columns = self.here.shape
        parts = found.float().unflatten(0, (samples, columns)).unflatten(2, (count, 4))
        parts = parts.permute(0, 2, 5, 4, 1, 3)
        more = torch.view_as_complex(parts[..., :2].contiguous())
        new = self.here * (1 + parts[..., 2]) + self.by_coils * parts[..., 3] + more
        return from_domain(new, self.domain) * self.size


def _channels(images: torch.Tensor) -> torch.Tensor:
    """Real and imaginary parts, (B, 2 N, T, Y, X)."""
    return torch.view_as_real(images).movedim(-1, 2).flatten(1, 2)
