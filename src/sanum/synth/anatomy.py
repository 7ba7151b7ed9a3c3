"""Anatomy that scans are made from: a healthy T1w and its labels.

The T1w is a real one, bias-corrected, with a parcellation of any numbering of `schemes`; or it is rendered
from FreeSurfer labels alone. Parcellations do not resolve the sulci, so tissue is read off the T1w itself:
between two tissues' mean intensities the partial volume is linear in the intensity.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..files import clear_way, sha256_of, whole_file
from ..fluid import border_ramp
from ..fluid.flow import distance_within
from ..space.components import largest_component
from ..space.grid import Grid, apply_affine, box_of, covering, middle_of
from ..space.mirror import find_mirror
from ..space.register import register_affine
from ..space.resample import resample
from ..types import AnyArray, FloatArray, Mask
from .bias import correct_bias
from .box import DEFAULT_BOX
from .kept import read_kept
from .labels import (
    ASEG,
    DLMUSE,
    FREESURFER,
    SAME_MM,
    SCHEMES,
    Labels,
    Scheme,
    read_canonical,
    read_labels,
    scheme_in_table,
    scheme_of,
)
from .render import render_t1w
from .subjects import subject_of

CACHE_VERSION = 6
FAR_MM = 40.0  # distances beyond do not matter
COVERED = 0.99  # share of the labels that the T1w must show
CLOSE_MM = 4.0  # gaps between labels up to twice this wide belong to the brain
Target = Literal["real", "rendered"]
ATLAS_GRID = DEFAULT_BOX.grid((0, -18, 14))  # the brain of MNI space, in its middle


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One healthy head on an RAS grid.

    Parameters
    ----------
    name : str
    grid : Grid
    t1w : (X, Y, Z) float32
        Bias-corrected, white matter at 1.
    brain : (X, Y, Z) bool
    labels : (X, Y, Z) int16
        In the numbers of `scheme`.
    tissue_means : (3,) float
        T1w intensity of fluid, grey and white matter.
    ramp : (X, Y, Z) float32
        Border ramp of the brain for the fluid.
    mirror : (4, 4) float64
        World reflection across its mid-plane.
    to_mni : (4, 4) float64
        World map, subject mm → MNI mm.
    scheme : str
        Of `labels.SCHEMES`.
    target : "real" or "rendered"
        Whether `t1w` was measured, or rendered from the labels.
    """

    name: str
    grid: Grid
    t1w: FloatArray
    brain: Mask
    labels: Labels
    tissue_means: npt.NDArray[np.float64]
    ramp: FloatArray
    mirror: npt.NDArray[np.float64]
    to_mni: npt.NDArray[np.float64]
    scheme: str = "dlmuse"
    target: Target = "real"

    @cached_property
    def groups(self) -> npt.NDArray[np.uint8]:
        """Number of the group of nuclei of each voxel (`labels.GROUPS`), else 0."""
        return SCHEMES[self.scheme].group_of(self.labels)

    @cached_property
    def ventricles(self) -> Mask:
        """Lateral and third ventricles (X, Y, Z)."""
        return np.isin(self.labels, list(SCHEMES[self.scheme].ventricles)) & self.brain

    @cached_property
    def from_ventricles_mm(self) -> npt.NDArray[np.float16]:
        """Distance to the ventricles (X, Y, Z), at most `FAR_MM`; half floats, for there are many heads."""
        far = distance_within(~self.ventricles, tuple(self.grid.spacing_mm), FAR_MM, edge=False)
        return np.asarray(far, np.float16)

    @cached_property
    def depth_mm(self) -> npt.NDArray[np.float16]:
        """Distance to the brain's border (X, Y, Z), 0 outside, at most `FAR_MM`."""
        return np.asarray(distance_within(self.brain, tuple(self.grid.spacing_mm), FAR_MM), np.float16)

    @cached_property
    def white_matter(self) -> Mask:
        """White matter (X, Y, Z): by the T1w, half-way to the grey, outside of the deep nuclei."""
        _, grey, white = self.tissue_means
        out: Mask = self.brain & (self.groups == 0) & (self.t1w > (grey + white) / 2)
        return out

    @cached_property
    def centre_mm(self) -> npt.NDArray[np.float64]:
        """World position of the middle of the brain."""
        return middle_of(self.brain, self.grid.affine)


def prepare(t1w: Path | None, parcellation: Path, cache: Path, *, ignore_unknown: bool = False) -> Anatomy:
    """Anatomy of a T1w and its parcellation, or of a whole head's FreeSurfer labels alone.

    Kept in `cache` by the content of the files. The numbering of the parcellation of a T1w is told by
    `labels.scheme_in_table`, else by `labels.scheme_of`.

    Parameters
    ----------
    t1w : Path or None
        T1w of a head or of a brain; None: it is rendered from the labels.
    parcellation : Path
        Labels of the T1w's brain, which may lie on another grid in the same world: each voxel of the T1w gets
        the nearest label. Without a T1w, FreeSurfer labels of a whole head.
    cache : Path
        Folder that keeps prepared anatomies, by the content of the files.
    ignore_unknown : bool
        As of `read_labels`.

    Raises
    ------
    ValueError
        Grids that do not overlap; labels that are not those of a whole brain in their numbering; a T1w in
        which tissue has not the order of a T1w where the labels say that it is.
    """
    table = scheme_in_table(parcellation) if t1w is not None else None
    named = f"-{table.name}" if table not in (None, DLMUSE) else ""
    start = f"v{CACHE_VERSION}{'i' if ignore_unknown else ''}{named}".encode()
    digest = sha256_of((t1w, parcellation), start)
    kept = cache / f"anatomy-{digest[:20]}.npz"
    data = read_kept(kept)
    if data is None:
        if t1w is not None:
            made = _measured(t1w, parcellation, table, ignore_unknown)
        else:
            made = _rendered(parcellation, ignore_unknown, seed=int(digest[:8], 16))
        clear_way(kept)
        with whole_file(kept) as partial:
            np.savez_compressed(partial, **made)
        data = made
    grid = Grid(data["t1w"].shape, data["affine"])
    return Anatomy(
        subject_of(t1w or parcellation),
        grid,
        data["t1w"].astype(np.float32),
        data["brain"],
        data["labels"],
        data["tissue_means"],
        data["ramp"].astype(np.float32),
        data["mirror"],
        data["to_mni"],
        *(
            (_scheme(data["labels"], table).name, "real")
            if t1w is not None
            else (FREESURFER.name, "rendered")
        ),
    )


def at_spacing(anatomy: Anatomy, spacing_mm: float) -> Anatomy:
    """The anatomy on voxels of `spacing_mm`, if its own are much finer: the detail would not be visible.

    Parameters
    ----------
    anatomy : Anatomy
        Returned as it is where its voxels are not finer than two thirds of `spacing_mm`.
    spacing_mm : float
        Edge of the voxels in mm.
    """
    if float(anatomy.grid.spacing_mm.max()) * 1.5 > spacing_mm:
        return anatomy
    grid = covering(anatomy.grid, spacing_mm)
    brain = resample(anatomy.brain, anatomy.grid, grid) > 0.5
    return replace(
        anatomy,
        grid=grid,
        t1w=resample(anatomy.t1w, anatomy.grid, grid),
        brain=brain,
        labels=np.rint(resample(anatomy.labels, anatomy.grid, grid, order=0)).astype(np.int16),
        ramp=border_ramp(brain, tuple(grid.spacing_mm)),
    )


def cropped(anatomy: Anatomy, margin_mm: float) -> Anatomy:
    """The anatomy without what lies farther from its brain, along the axes.

    Parameters
    ----------
    anatomy : Anatomy
        Whole.
    margin_mm : float
        Kept around the brain on each side.
    """
    box = box_of(anatomy.brain, anatomy.grid, anatomy.grid, margin_mm)
    return replace(
        anatomy,
        grid=anatomy.grid.part(box),
        t1w=anatomy.t1w[box].copy(),
        brain=anatomy.brain[box].copy(),
        labels=anatomy.labels[box].copy(),
        ramp=anatomy.ramp[box].copy(),
    )


@lru_cache(maxsize=1)
def mni_brain() -> tuple[FloatArray, Grid]:
    """ICBM152 2009a T1w brain (comes with nilearn) at 2 mm."""
    from nilearn.datasets import load_mni152_template

    image = nib.as_closest_canonical(load_mni152_template(resolution=2))
    return np.asarray(image.dataobj, dtype=np.float32), Grid(image.shape, image.affine)


def _measured(t1w: Path, parcellation: Path, table: Scheme | None, ignore_unknown: bool) -> dict[str, Any]:
    voxels, affine = read_canonical(t1w)
    raw = read_canonical(parcellation)[0]
    scheme = _scheme(raw, table)
    labels, its_affine = read_labels(parcellation, scheme, ignore_unknown=ignore_unknown)
    grid = Grid(voxels.shape, affine)
    if not grid.same_as(its_grid := Grid(labels.shape, its_affine), SAME_MM):
        labels = _laid_over(labels, its_grid, grid, (t1w.name, parcellation.name))
    brain = _whole(np.isin(labels, list(scheme.brain)), grid)
    t1 = correct_bias(voxels.astype(np.float32), grid, brain)
    t1 = np.clip(t1 / float(np.median(t1[np.isin(labels, list(scheme.white))])), 0, 3)
    placed = _placed(t1, brain, labels, grid, scheme)
    fluid, grey, white = placed["tissue_means"]
    if not fluid < grey < white:
        raise ValueError(
            f"{t1w.name} and {parcellation.name} do not fit: fluid has {fluid:.2f} and cortex {grey:.2f} of "
            "the brightness of white matter, and in a T1w it rises; is it one, and do the labels lie on it?"
        )
    return placed


def _scheme(labels: AnyArray, table: Scheme | None) -> Scheme:
    """What the table says but for labels of a whole head, which the same table names."""
    told = scheme_of(labels)
    return told if table is None or (table is ASEG and told is FREESURFER) else table


def _laid_over(labels: Labels, source: Grid, grid: Grid, names: tuple[str, str]) -> Labels:
    """Nearest label at each voxel of another grid; ValueError if that does not show them all."""
    inside = np.linalg.inv(grid.affine) @ source.affine
    there = apply_affine(inside, np.argwhere(labels > 0))
    seen = ((there > -0.5) & (there < np.array(grid.shape) - 0.5)).all(axis=-1).mean()
    if seen < COVERED:
        raise ValueError(
            f"{names[0]} and {names[1]} are on different grids, and {seen:.0%} of the labels lie in the T1w: "
            "register one to the other"
        )
    return np.rint(resample(labels, source, grid, order=0)).astype(np.int16)


def _rendered(parcellation: Path, ignore_unknown: bool, seed: int) -> dict[str, Any]:
    labels, affine = read_labels(parcellation, FREESURFER, ignore_unknown=ignore_unknown)
    grid = Grid(labels.shape, affine)
    brain = _whole(np.isin(labels, list(FREESURFER.brain)), grid)
    t1 = render_t1w(labels, tuple(grid.spacing_mm), seed=seed)
    return _placed(np.clip(t1, 0, 3), brain, labels, grid, FREESURFER)


def _placed(t1: FloatArray, brain: Mask, labels: Labels, grid: Grid, scheme: Scheme) -> dict[str, Any]:
    """What the cache keeps of a T1w: its tissue means, its mid-plane and its way to MNI space with it."""
    fluid = np.percentile(t1[np.isin(labels, list(scheme.fluid))], 25)
    means = np.array([fluid, _mode(t1[np.isin(labels, list(scheme.cortex))]), 1.0])
    template, template_grid = mni_brain()
    stripped = (t1 * brain).astype(np.float32)
    return {
        "t1w": t1.astype(np.float16),
        "brain": brain,
        "labels": np.ascontiguousarray(labels),  # as the others: a kernel is compiled for each order
        "tissue_means": means,
        "ramp": border_ramp(brain, tuple(grid.spacing_mm)).astype(np.float16),
        "mirror": find_mirror(stripped, grid),
        "affine": np.asarray(grid.affine),
        "to_mni": register_affine(stripped, grid, template, template_grid),
    }


def _whole(mask: Mask, grid: Grid) -> Mask:
    n = max(1, round(CLOSE_MM / float(grid.spacing_mm.min())))
    inner = (slice(n + 1, -n - 1),) * 3
    closed = ndimage.binary_closing(np.pad(mask, n + 1), iterations=n)[inner]
    out: Mask = ndimage.binary_fill_holes(largest_component(closed))
    return out


def _mode(values: AnyArray) -> float:
    counts, edges = np.histogram(values, bins=60, range=(0.2, 1.2))
    top = int(np.argmax(ndimage.gaussian_filter1d(counts.astype(float), 2)))
    return float((edges[top] + edges[top + 1]) / 2)


def read_mask_on(path: Path, anatomy: Anatomy, *, flip: bool = False) -> FloatArray:
    """MNI lesion mask (linear, [0, 1]) on the anatomy's grid, through its affine; optionally flipped.

    Parameters
    ----------
    path : Path
        Lesion mask in MNI space.
    anatomy : Anatomy
        On whose grid it comes.
    flip : bool
        Left and right are exchanged.
    """
    mask, grid = _mni_mask(path)
    world = anatomy.to_mni @ anatomy.grid.affine
    if flip:
        world = np.diag([-1.0, 1, 1, 1]) @ world
    return resample(mask, grid, Grid(anatomy.grid.shape, world), antialias=False)


@lru_cache(maxsize=256)
def _mni_mask(path: Path) -> tuple[npt.NDArray[np.float16], Grid]:
    """Read a mask, cut to its box at 2 mm, as half floats: a bank of a hundred takes a few megabytes."""
    voxels, affine = read_canonical(path)
    mask = np.pad(voxels > 0.5, 4)
    if not mask.any():
        raise ValueError(f"{path} holds no lesion: expected a mask with ones in it")
    box = tuple(slice(s.start - 4, s.stop + 4) for s in ndimage.find_objects(mask.astype(np.uint8))[0])
    start = np.eye(4)
    start[:3, 3] = [s.start - 4 for s in box]
    full = Grid(mask[box].shape, affine @ start)
    spacing = float(np.linalg.norm(affine[:3, 0]))
    coarse = covering(full, max(2.0, spacing))
    return resample(mask[box], full, coarse).astype(np.float16), coarse


def describe(anatomy: Anatomy) -> str:
    """JSON with the numbers of a prepared anatomy.

    Parameters
    ----------
    anatomy : Anatomy
        A prepared one.
    """
    return json.dumps(
        {
            "name": anatomy.name,
            "target": anatomy.target,
            "tissue_means": anatomy.tissue_means.round(3).tolist(),
            "brain_ml": float(anatomy.brain.sum() * anatomy.grid.voxel_volume_ml),
        }
    )
