"""What the transforms for both versions of TorchIO share: an anomaly in all images of one subject."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...types import AnyArray, FloatArray
from ..domain import foreground
from ..lesion import Effect, draw_lesion, grow_lesion, paint_lesion

EffectByImage = Effect | Mapping[str, Effect]
"""One effect for all images, or one for each by its name."""


@dataclass(frozen=True, eq=False)
class SubjectImage:
    """One image of a subject.

    Parameters
    ----------
    voxels : (C, X, Y, Z) array
        A plane has Z = 1.
    spacing_mm : (3,) float
        Edges of a voxel in mm.
    """

    voxels: AnyArray
    spacing_mm: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, ...]:
        """(X, Y, Z)."""
        return tuple(self.voxels.shape[1:])


def with_anomaly(
    images: Mapping[str, SubjectImage], mask: SubjectImage | None, seed: int, effect: EffectByImage
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Images (C, X, Y, Z) by name with one anomaly in all of them, and P (X, Y, Z) in [0, 1].

    Parameters
    ----------
    images : mapping of str to SubjectImage
        On one grid; at least one.
    mask : SubjectImage, optional
        Where the anomaly may be: above 0.5 in its first channel; default the `foreground` of the first image.
    seed : int
        Decides the anomaly.
    effect : Effect or mapping of str to Effect
        See `lesion.paint_lesion`.

    Raises
    ------
    ValueError
        The mask is empty; an image holds NaN or infinite numbers.
    RuntimeError
        The images lie on different grids.
    """
    first = next(iter(images.values()))
    shapes = {i.shape for i in (mask or first, *images.values())}
    if len(shapes) > 1:
        raise RuntimeError(f"the images and the mask must share a grid, got shapes {sorted(shapes)}")
    domain = mask.voxels[0] > 0.5 if mask else foreground(first.voxels[0])
    flat = domain.shape[-1] == 1  # TorchIO's way to hold a plane
    inside = domain[..., 0] if flat else domain
    params = draw_lesion(seed)
    p = grow_lesion(params, inside, first.spacing_mm[: inside.ndim])
    p = p[..., None] if flat else p
    painted = {}
    for name, image in images.items():
        kind = effect if isinstance(effect, str) else effect[name]
        channels = [paint_lesion(params, c, p, domain, kind, image.spacing_mm) for c in image.voxels]
        painted[name] = np.stack(channels)
    return painted, p
