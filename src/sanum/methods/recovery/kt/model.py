"""Networks that recover movies: stages in x-t, x-f or k-t, and consistency with the data after each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from ....kspace.coils import combined
from ....kspace.encoding import CoilEncoding, coils_consistent
from ....kspace.fourier import ifft
from ....kspace.sense import sense, without_mean
from .stages import Complementary, KtStage, Told

Place = Literal["xt", "xf", "kt", "both"]
MOST_WIDTH, MOST_STAGES, MOST_COILS = 512, 16, 64
SENSE_DAMPING, SENSE_ITERATIONS = 0.03, 6
"""Of what the coils alone make of the lines, which the networks are told: few, as noise grows with them."""


@dataclass(frozen=True)
class KtNetConfig:
    """Shape of a network.

    Parameters
    ----------
    domains : tuple of "xt", "xf", "kt" or "both"
        Where each network of the cascade works: planes of y and t, of y and f, or of ky and t; "both" is two
        networks with a memory, in x-f and in x-t.
    repeats : int
        How often the cascade is gone through, with the same weights.
    widths : tuple of int
        Feature maps of each level; level l has 1 / 2^(l + 1) of the resolution along both axes.
    mean : bool
        Subtract the mean over time, and add it in the end.
    consistency : "none", "hard" or "soft"
        What follows each network; "soft" learns how far measured lines are believed.
    coils : int
        0: the combined image is seen. Else images of so many coils, of which some may be 0.
    """

    domains: tuple[Place, ...] = ("xf",)
    repeats: int = 1
    widths: tuple[int, ...] = (16, 24, 32)
    mean: bool = True
    consistency: Literal["none", "hard", "soft"] = "hard"
    coils: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.domains) <= MOST_STAGES or set(self.domains) - {"xt", "xf", "kt", "both"}:
            raise ValueError(f"domains are 1 to {MOST_STAGES} of xt, xf, kt and both, got {self.domains}")
        if not 1 <= self.repeats <= MOST_STAGES:
            raise ValueError(f"repeats must be from 1 to {MOST_STAGES}, got {self.repeats}")
        if not self.widths or not all(8 <= w <= MOST_WIDTH for w in self.widths):
            raise ValueError(f"widths are whole numbers from 8 to {MOST_WIDTH}, got {self.widths}")
        if self.consistency not in ("none", "hard", "soft"):
            raise ValueError(f"consistency is none, hard or soft, got {self.consistency}")
        if not 0 <= self.coils <= MOST_COILS:
            raise ValueError(f"coils must be from 0 to {MOST_COILS}, got {self.coils}")


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
        about = max(config.coils, 1), config.mean, config.widths
        self.stages = nn.ModuleList(
            Complementary(*about) if domain == "both" else KtStage(domain, *about)
            for domain in config.domains
        )
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
        seen = Told(self._by_coils(rest, encodings), mean if self.config.mean else None)
        kept: list[tuple[torch.Tensor, ...]] = [()] * len(self.stages)
        for _ in range(self.config.repeats):
            for n, stage in enumerate(self.stages):
                images, kept[n] = stage(images, seen, kept[n])
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

    def _by_coils(self, rest: torch.Tensor, encodings: Sequence[CoilEncoding]) -> torch.Tensor:
        """What SENSE makes of each frame, (B, N, T, Y, X)."""
        found = [
            sense(y, e, damping=SENSE_DAMPING, iterations=SENSE_ITERATIONS)
            for y, e in zip(rest, encodings, strict=True)
        ]
        if not self.config.coils:
            return torch.stack(found)[:, None]
        each = torch.stack([e.maps[:, None] * x for x, e in zip(found, encodings, strict=True)])
        return F.pad(each, (0, 0, 0, 0, 0, 0, 0, self.config.coils - each.shape[1]))

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
