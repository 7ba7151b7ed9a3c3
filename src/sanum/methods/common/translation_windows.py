"""A network on patches of a larger image: what overlaps is averaged, with less weight at a patch's rim."""

from collections.abc import Callable, Iterator
from itertools import product

import torch

Sees = Callable[[torch.Tensor, list[tuple[int, ...]]], torch.Tensor]
"""Patches (B, C, *patch) and the first voxel of each → (B, 1, *patch)."""


def starts_of(length: int, patch: int, overlap: float) -> list[int]:
    """First voxels of the patches along an axis; together they cover it.

    Parameters
    ----------
    length : int
        Of the axis, at least `patch`.
    patch : int
        Its length.
    overlap : float
        Share of a patch that the next one covers too, in [0, 1).

    Examples
    --------
    >>> starts_of(10, 4, 0.5)
    [0, 2, 4, 6]
    >>> starts_of(9, 4, 0)
    [0, 4, 5]
    """
    step = max(1, round(patch * (1 - overlap)))
    return [*range(0, length - patch, step), length - patch]


def weights_of(patch: tuple[int, ...]) -> torch.Tensor:
    """Weight of each voxel of a patch, a triangle along each axis: least at the rim, and never 0.

    Parameters
    ----------
    patch : tuple of int
        Its size.
    """
    out = torch.ones(patch)
    for axis, n in enumerate(patch):
        middle = (torch.arange(n) + 0.5) / n
        triangle = torch.minimum(middle, 1 - middle) * 2
        out = out * triangle.reshape([-1 if a == axis else 1 for a in range(len(patch))])
    return out


def overlap_average(
    images: torch.Tensor, patch: tuple[int, ...], sees: Sees, *, overlap: float = 0.5, batch: int = 8
) -> torch.Tensor:
    """Σ w y / Σ w over all patches that cover a voxel; (N, C, *spatial) → (N, *spatial).

    Parameters
    ----------
    images : (N, C, *spatial) tensor
        At least as large as the patch.
    patch : tuple of int
        Size of a patch.
    sees : function
        What is computed of a patch.
    overlap : float
        As of `starts_of`.
    batch : int
        Patches at a time.
    """
    spatial = tuple(images.shape[2:])
    weight = weights_of(patch)
    total, sums = torch.zeros(spatial), torch.zeros((len(images), *spatial))
    places = list(product(*(starts_of(n, k, overlap) for n, k in zip(spatial, patch, strict=True))))
    for place in places:
        total[_box(place, patch)] += weight
    for some in _batches([(n, place) for n in range(len(images)) for place in places], batch):
        patches = torch.stack([images[n][(slice(None), *_box(place, patch))] for n, place in some])
        made = sees(patches, [place for _, place in some])
        for (n, place), one in zip(some, made, strict=True):
            sums[n][_box(place, patch)] += weight * one[0].float().cpu()
    return sums / total


def _box(place: tuple[int, ...], patch: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(s, s + k) for s, k in zip(place, patch, strict=True))


def _batches(
    items: list[tuple[int, tuple[int, ...]]], size: int
) -> Iterator[list[tuple[int, tuple[int, ...]]]]:
    for n in range(0, len(items), size):
        yield items[n : n + size]
