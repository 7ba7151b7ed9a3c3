"""How far two images are from each other, whatever their contrasts: what registration descends.

Mutual information with Parzen windows (Mattes et al., IEEE TMI 2003) and
normalised (Maes et al., IEEE TMI 1997); normalised gradient fields (Haber and Modersitzki, MICCAI 2006);
of images of one contrast, local correlation (Avants et al., Med Image Anal 2008) and squares.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F


class Distance(Protocol):
    """Any measure that `space.descend` can lower; differentiable in the moved image."""

    def __call__(self, fixed: torch.Tensor, moved: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """Distances (B,): the lower, the more alike.

        Parameters
        ----------
        fixed : (1, 1, X, Y, Z) float
            In [0, 1]. Nothing of it is learned.
        moved : (B, 1, X, Y, Z) float
            In [0, 1], on the same grid of cubic voxels.
        inside : (B, 1, X, Y, Z) float
            1 where both were taken.
        """
        ...


@dataclass(frozen=True)
class MutualInformation:
    """1 − 2 I(F, M) / (H(F) + H(M)), in [0, 1].

    The window is a cubic B-spline for the moved image, which is descended, and a box for the fixed one.

    Parameters
    ----------
    bins : int
        Of each image's intensities, at least 8.
    """

    bins: int = 32

    def __call__(self, fixed: torch.Tensor, moved: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """See `Distance`.

        Parameters
        ----------
        fixed, moved, inside : (B, 1, X, Y, Z) float
            As of `Distance`.
        """
        count = len(moved)
        row = (fixed.flatten(1) * (self.bins - 1)).round().long() * self.bins
        place = 1 + moved.flatten(1) * (self.bins - 3.001)  # the window reaches one bin down and two up
        first = place.detach().floor()
        part, weight, joint = place - first, inside.flatten(1), moved.new_zeros(count, self.bins**2)
        for ahead, share in zip((-1, 0, 1, 2), _cubic(part), strict=True):
            joint = joint.scatter_add(1, row + (first.long() + ahead), share * weight)
        joint = (joint / weight.sum(1, keepdim=True).clamp_min(1e-6)).unflatten(1, (self.bins, self.bins))
        apart = _entropy(joint.sum(2)) + _entropy(joint.sum(1))
        return 1 - 2 * (apart - _entropy(joint.flatten(1))) / apart.clamp_min(1e-6)


@dataclass(frozen=True)
class NormalizedGradients:
    """1 − mean of (⟨∇F, ∇M⟩ + ε²)² / ((|∇F|² + ε²)(|∇M|² + ε²)), in [0, 1].

    Parameters
    ----------
    noise : float
        ε: gradients below it, per voxel, are taken for noise.
    """

    noise: float = 0.02

    def __call__(self, fixed: torch.Tensor, moved: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """See `Distance`.

        Parameters
        ----------
        fixed, moved, inside : (B, 1, X, Y, Z) float
            As of `Distance`.
        """
        a, b, floor = gradient(fixed), gradient(moved), self.noise**2
        along = ((a * b).sum(1) + floor).square()
        alike = along / ((a.square().sum(1) + floor) * (b.square().sum(1) + floor))
        weight = inside[:, 0]
        return 1 - (alike * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1e-6)


@dataclass(frozen=True)
class LocalCorrelation:
    """1 − mean of cov(F, M)² / (var(F) var(M)) in windows, in [0, 1]; two or three dimensions.

    Parameters
    ----------
    radius : int
        A window has 2·radius + 1 voxels along each axis.
    noise : float
        Added to each variance, squared: what varies less than this is flat.
    """

    radius: int = 3
    noise: float = 0.02

    def __call__(self, fixed: torch.Tensor, moved: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """See `Distance`.

        Parameters
        ----------
        fixed, moved, inside : (B, 1, *shape) float
            As of `Distance`.
        """
        a, b = fixed.expand_as(moved), moved
        means = _box(torch.cat([a, b, a * a, b * b, a * b], 1), self.radius)
        f, m, ff, mm, fm = means.chunk(5, 1)
        floor = self.noise**2
        alike = (fm - f * m).square() / (
            ((ff - f * f).clamp_min(0) + floor) * ((mm - m * m).clamp_min(0) + floor)
        )
        return 1 - _mean(alike, inside)


@dataclass(frozen=True)
class Squares:
    """Mean of (F − M)²; any number of channels and dimensions."""

    def __call__(self, fixed: torch.Tensor, moved: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """See `Distance`.

        Parameters
        ----------
        fixed, moved : (B, C, *shape) float
            As of `Distance`.
        inside : (B, 1, *shape) float
            As of `Distance`.
        """
        return _mean((fixed - moved).square().mean(1, keepdim=True), inside)


DISTANCES: dict[str, type[MutualInformation] | type[NormalizedGradients]] = {
    "mi": MutualInformation,
    "ngf": NormalizedGradients,
}
"""Those for any two contrasts, by their usual short names."""


def _mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = (values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1e-6)
    return found


def _box(x: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over a window, of what of it lies in the image."""
    dims = x.dim() - 2
    pool = F.avg_pool3d if dims == 3 else F.avg_pool2d
    for axis in range(dims):
        window, pad = [1] * dims, [0] * dims
        window[axis], pad[axis] = 2 * radius + 1, radius
        x = pool(x, window, stride=1, padding=pad, count_include_pad=False)
    return x


def gradient(image: torch.Tensor) -> torch.Tensor:
    """Central differences (B, 3, X, Y, Z) per voxel; the border's value goes on outside.

    Parameters
    ----------
    image : (B, 1, X, Y, Z) float
        Any.
    """
    padded = F.pad(image, (1, 1, 1, 1, 1, 1), mode="replicate")
    x, y, z = image.shape[2:]
    inner = (slice(1, x + 1), slice(1, y + 1), slice(1, z + 1))
    parts = []
    for axis, length in enumerate((x, y, z)):
        within = list(inner)
        within[axis] = slice(0, length + 2)
        line = padded[:, :, within[0], within[1], within[2]]
        parts.append((line.narrow(axis + 2, 2, length) - line.narrow(axis + 2, 0, length)) / 2)
    return torch.cat(parts, 1)


def _cubic(part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cubic B-spline at 1 + t, t, 1 − t and 2 − t, of t in [0, 1); they add up to 1."""
    rest, square, cube = 1 - part, part.square(), part**3
    return rest**3 / 6, (4 - 6 * square + 3 * cube) / 6, (1 + 3 * part + 3 * square - 3 * cube) / 6, cube / 6


def _entropy(shares: torch.Tensor) -> torch.Tensor:
    """In nats, (B,); what is 0 adds nothing."""
    entropy: torch.Tensor = -(shares * shares.clamp_min(1e-12).log()).sum(1)
    return entropy
