"""One scan beside a group: how unusual each voxel is, and how large its parts are."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage

from ....learn.threads import one_thread
from ....scan import Scan, ScanError
from ....space.deform import STAGES, deform, displacement_at
from ....space.grid import Grid
from ....space.register import register_affine
from ....space.resample import affine_index, resample, sample_at
from ....space.velocity import Lattice, jacobian
from ....types import FloatArray, Mask
from .atlas import Atlas
from .average import FADE, gain_of, seen_roughly
from .config import AtlasConfig
from .lay import World, places, read_at, roughly, seen_at
from .prepared import field_of_view, prepare, without_padding
from .template import Template

FLOOR = 0.05
"""Nothing is surer than this standard deviation, of what is bright: noise, errors of registration."""

BEYOND = 4.0
"""|z| that is counted."""


@dataclass(frozen=True, eq=False)
class OnAtlas:
    """How a subject lies on an atlas.

    Parameters
    ----------
    atlas : Atlas
        The group.
    world : (4, 4) float64
        Template mm → subject mm, after the velocity.
    velocity : (1, 3, *points) tensor
        Coefficients.
    stride : int
        Voxels between their control points.
    """

    atlas: Atlas
    world: World
    velocity: torch.Tensor
    stride: int

    @cached_property
    def lattice(self) -> Lattice:
        """Of the velocity."""
        return Lattice(self.atlas.grid.shape, self.stride)

    @cached_property
    def shift(self) -> torch.Tensor:
        """From the template to the subject (1, 3, X, Y, Z), in voxels of the template, before the affine."""
        return displacement_at(self.velocity, self.lattice)

    @cached_property
    def volumes_ml(self) -> npt.NDArray[np.float64]:
        """Of each label of the atlas in the subject, (K,)."""
        if self.atlas.labels is None:
            return np.zeros(0)
        grown = jacobian(self.shift)[0].clamp_min(1e-3).numpy() * abs(np.linalg.det(self.world[:3, :3]))
        return self.atlas.grid.voxel_volume_ml * self._sums(grown)

    def labels_seen(self, grid: Grid) -> npt.NDArray[np.float64]:
        """Share of each label (K,) that lies inside a field of view; its volume beyond is a guess.

        Parameters
        ----------
        grid : Grid
            In the subject's world.
        """
        if self.atlas.labels is None:
            return np.zeros(0)
        at = places(grid, self.world, self.atlas.grid, self.shift)
        ends = np.array(grid.shape, np.float32)[:, None, None, None] - 0.5
        inside = np.asarray(((at >= -0.5) & (at <= ends)).all(axis=0))
        return self._sums(inside) / np.maximum(self._sums(np.ones_like(inside)), 1)

    def _sums(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Of values on the atlas's grid, over each label."""
        assert self.atlas.labels is not None
        there = self.atlas.labels > 0
        row = np.searchsorted(list(self.atlas.names), self.atlas.labels[there])
        sums = np.bincount(row, values[there].astype(np.float64), minlength=len(self.atlas.names))
        return np.asarray(sums, np.float64)

    def onto_template(self, scan: Scan) -> FloatArray:
        """A scan of the subject at the template's voxels, by a cubic spline.

        Parameters
        ----------
        scan : Scan
            In the subject's world.
        """
        at = places(scan.grid, self.world, self.atlas.grid, self.shift)
        return read_at(np.asarray(scan.voxels, np.float32), at)

    def sees(self, grid: Grid) -> Mask:
        """Which of the template's voxels lie well inside a field of view.

        Parameters
        ----------
        grid : Grid
            In the subject's world.
        """
        at = places(grid, self.world, self.atlas.grid, self.shift)
        return np.asarray(seen_at(grid, at, FADE * float(self.atlas.grid.spacing_mm.min())) > 0)

    def onto_subject(self, maps: FloatArray, grid: Grid) -> FloatArray:
        """Maps of the atlas at a subject's voxels, linearly; 0 beyond the atlas.

        Parameters
        ----------
        maps : (C, X, Y, Z) float32
            On the atlas's grid.
        grid : Grid
            In the subject's world.
        """
        back = displacement_at(-self.velocity, self.lattice)
        to_template = np.linalg.inv(self.atlas.grid.affine) @ np.linalg.inv(self.world) @ grid.affine
        both, out = (
            torch.from_numpy(np.ascontiguousarray(maps)),
            np.empty((len(maps), *grid.shape), np.float32),
        )
        many = max(1, 2_000_000 // (grid.shape[1] * grid.shape[2]))
        for start in range(0, grid.shape[0], many):
            count = min(many, grid.shape[0] - start)
            here = to_template @ np.array([[1, 0, 0, start], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
            index = affine_index(here, (count, *grid.shape[1:]))
            out[:, start : start + count] = sample_at(both, index + _at_border(back[0], index)).numpy()
        return out


@dataclass(frozen=True, eq=False)
class Compared:
    """What differs.

    Parameters
    ----------
    placed : OnAtlas
        Where it lies.
    z : Scan
        (scan − mean) / standard deviation on the scan's grid; 0 where nothing is compared.
    z_atlas : Scan
        The same on the atlas's grid.
    usual : Scan
        The atlas's mean on the scan's grid, with the scan's brightness.
    shown : Scan
        The scan without shading, on the same scale.
    region : Mask
        Of the scan's grid: where it is compared.
    seen : (K,) float64
        Share of each label of the atlas that the scan's field of view holds.
    """

    placed: OnAtlas
    z: Scan
    z_atlas: Scan
    usual: Scan
    shown: Scan
    region: Mask
    seen: npt.NDArray[np.float64]

    @property
    def beyond(self) -> float:
        """Share of what is compared with |z| above `BEYOND`."""
        return float((np.abs(self.z.voxels[self.region]) > BEYOND).mean())


def compare(atlas: Atlas, scan: Scan, *, healthy: Scan | None = None, brain: Scan | None = None) -> Compared:
    """Lay a scan onto an atlas, and tell how far each voxel is from what is usual there.

    The healthy anatomy is registered where it is given, so that a lesion does not pull the warp; the scan
    itself is compared. An anatomy that was put together with the scan's own tissue is best.

    Parameters
    ----------
    atlas : Atlas
        Of scans of the same contrast.
    scan : Scan
        What is compared.
    healthy : Scan, optional
        Its healthy anatomy, in the same world, 0 outside of the brain.
    brain : Scan, optional
        What may be compared, in the same world; else all that the atlas's region reaches.

    Raises
    ------
    ScanError
        The scan has another contrast than the atlas; one value everywhere; nothing of the atlas lies in it.
    """
    require_contrast(atlas, scan)
    mask = None if brain is None else _on(brain, scan.grid)
    settings = replace(_settings(atlas), masked=mask is not None)
    prepared = prepare(scan, replace(settings, spacing_mm=float(scan.grid.spacing_mm.min())), mask)
    shown = without_padding(healthy or scan)
    own = _own(shown, healthy is not None, brain)
    moving = prepare(shown, replace(settings, shading=healthy is None), own)
    placed = place(atlas, moving, settings)
    return _compared(placed, prepared, mask)


def require_contrast(atlas: Atlas, scan: Scan) -> None:
    """Raise `ScanError` if a scan is known to have another contrast than those of an atlas.

    Parameters
    ----------
    atlas : Atlas
        The group.
    scan : Scan
        As read.
    """
    if None not in (atlas.contrast, scan.contrast) and atlas.contrast != scan.contrast:
        raise ScanError(
            f"the scan is {scan.contrast} and the atlas {atlas.contrast}, and intensities are compared: "
            "choose a scan, or an atlas, of the same contrast"
        )


def place(atlas: Atlas, moving: Scan, settings: AtlasConfig) -> OnAtlas:
    """Where a subject lies on an atlas: affine, then by a velocity.

    Parameters
    ----------
    atlas : Atlas
        What it is laid onto.
    moving : Scan
        Prepared.
    settings : AtlasConfig
        As the atlas was built.
    """
    image = np.where(atlas.region, atlas.template, 0) if settings.masked else atlas.template
    region: Mask = ndimage.binary_dilation(atlas.region, iterations=2)
    with one_thread():
        world = register_affine(image, atlas.grid, moving.voxels, moving.grid)
        target = Template(np.asarray(image, np.float32), atlas.grid, region).target(
            replace(settings, drive="image")
        )
        seen = seen_roughly(moving.grid, world, atlas.grid)
        target = replace(target, region=target.region * seen)
        found = deform(target, roughly(moving, world, atlas.grid), target.lattice.zeros(), STAGES)
    return OnAtlas(atlas, world, found, settings.stride)


def z_of(values: FloatArray, mean: FloatArray, spread: FloatArray) -> FloatArray:
    """(v − μ) / √(σ² + floor²).

    Parameters
    ----------
    values, mean, spread : (…) float32
        v, μ and σ, in units of what is bright.
    """
    found: FloatArray = (values - mean) / np.sqrt(spread**2 + FLOOR**2)
    return found


def _compared(placed: OnAtlas, prepared: Scan, mask: Mask | None) -> Compared:
    atlas = placed.atlas
    there = placed.onto_template(prepared)
    gain = gain_of(there, atlas.template, atlas.region)
    view = field_of_view(prepared.voxels)
    region = atlas.region & placed.sees(prepared.grid.part(view))
    if mask is not None:
        inside = placed.onto_template(prepared.with_voxels(mask.astype(np.float32)))
        region = region & (inside > 0.5)
    if not region.any():
        raise ScanError("nothing of the atlas lies in the scan: is it of the same part of the body?")
    z_atlas = np.where(region, z_of(there * gain, atlas.template, atlas.spread), 0).astype(np.float32)
    maps = np.stack([atlas.template, atlas.spread, atlas.region.astype(np.float32)])
    mean, spread, within = placed.onto_subject(maps, prepared.grid)
    here: Mask = np.zeros(prepared.grid.shape, bool)
    here[view] = within[view] > 0.5
    if mask is not None:
        here &= mask
    values = np.asarray(prepared.voxels, np.float32) * gain
    z = np.where(here, z_of(values, mean, spread), 0).astype(np.float32)
    return Compared(
        placed,
        prepared.with_voxels(z),
        Scan(z_atlas, atlas.grid.affine),
        prepared.with_voxels(mean),
        prepared.with_voxels(values),
        here,
        placed.labels_seen(prepared.grid.part(view)),
    )


def _settings(atlas: Atlas) -> AtlasConfig:
    try:
        return AtlasConfig(**atlas.about["settings"])
    except (KeyError, TypeError, ValueError):
        raise ScanError("the atlas does not tell how it was built: build it again") from None


def _own(shown: Scan, is_healthy: bool, brain: Scan | None) -> Mask | None:
    """The brain on the grid of what is registered."""
    if brain is not None:
        return _on(brain, shown.grid)
    return np.asarray(shown.voxels > 0) if is_healthy else None


def _on(mask: Scan, grid: Grid) -> Mask:
    found: Mask = resample((mask.voxels > 0.5).astype(np.float32), mask.grid, grid) > 0.5
    return found


def _at_border(displacement: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """A displacement (3, X, Y, Z) at places (3, I, J, K) in voxels; beyond its border as there."""
    size = torch.tensor(displacement.shape[1:], dtype=torch.float32)[:, None, None, None]
    place = ((2 * index + 1) / size - 1).flip(0).permute(1, 2, 3, 0)[None]
    return F.grid_sample(displacement[None], place, padding_mode="border", align_corners=False)[0]
