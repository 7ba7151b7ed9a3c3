"""Anatomy that scans are made from: a real healthy T1w, bias-corrected, with what lies where.

The parcellation does not resolve the sulci, so tissue is read off the corrected T1w itself: between
two tissues' mean intensities the partial volume is linear in the intensity.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from ..fluid import border_ramp
from ..scan.conform import MODEL_SHAPE, MODEL_SPACING_MM
from ..space.grid import Grid, box_around, covering
from ..space.mirror import find_mirror
from ..space.register import register_affine, to_sitk
from ..space.resample import resample

CACHE_VERSION = 5
CSF, GREY, WHITE = 0, 1, 2
_DEEP_GROUPS = {  # DLMUSE numbers of nuclei whose contrast differs from the cortex's
    1: (59, 60),  # thalamus
    2: (57, 58),  # putamen
    3: (36, 37, 23, 30),  # caudate, accumbens
    4: (55, 56),  # pallidum
    5: (35, 61, 62),  # brain stem, ventral diencephalon
    6: (38, 39, 71, 72, 73),  # cerebellar cortex
    7: (40, 41),  # cerebellar white matter
    8: (31, 32, 47, 48),  # amygdala, hippocampus
}
_WHITE_LABELS = (81, 82, 83, 84, 85, 86, 87, 88)
_FLUID_LABELS = (4, 11, 49, 50, 51, 52)
_CORTEX_FROM, _LAST_LABEL = 100, 207
ATLAS_GRID = box_around((0, -18, 14), MODEL_SHAPE, MODEL_SPACING_MM)  # the brain of MNI space, in its middle


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
    groups : (X, Y, Z) uint8
        0, or the number of a group of nuclei (1 to 8).
    tissue_means : (3,) float
        T1w intensity of fluid, grey and white matter.
    ramp : (X, Y, Z) float32
        Border ramp of the brain for the fluid.
    mirror : (4, 4) float64
        World reflection across its mid-plane.
    to_mni : (4, 4) float64
        World map, subject mm → MNI mm.
    """

    name: str
    grid: Grid
    t1w: npt.NDArray[np.float32]
    brain: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.uint8]
    tissue_means: npt.NDArray[np.float64]
    ramp: npt.NDArray[np.float32]
    mirror: npt.NDArray[np.float64]
    to_mni: npt.NDArray[np.float64]


def prepare(t1w: Path, parcellation: Path, cache: Path) -> Anatomy:
    """Anatomy of a T1w and its DLMUSE parcellation, kept in `cache` by the content of both files.

    ValueError for different grids and for labels that are not those of a whole brain in DLMUSE.
    """
    digest = hashlib.sha256(
        f"v{CACHE_VERSION}".encode() + t1w.read_bytes() + parcellation.read_bytes()
    ).hexdigest()[:20]
    kept = cache / f"anatomy-{digest}.npz"
    name = t1w.name.split("_")[0]
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = _make(t1w, parcellation)
        partial = kept.with_suffix(f".{name}.tmp.npz")
        np.savez_compressed(partial, **made)  # type: ignore[arg-type]
        partial.replace(kept)
    with np.load(kept) as data:
        grid = Grid(data["t1w"].shape, data["affine"])
        return Anatomy(
            name, grid, data["t1w"].astype(np.float32), data["brain"], data["groups"], data["tissue_means"],
            data["ramp"].astype(np.float32), data["mirror"], data["to_mni"],
        )  # fmt: skip


def correct_bias(
    voxels: npt.NDArray[np.float32], grid: Grid, mask: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Volume divided by its N4 bias field (Tustison et al. 2010), estimated inside `mask`."""
    image = to_sitk(voxels, grid)
    region = sitk.Cast(to_sitk(mask.astype(np.float32), grid) > 0.5, sitk.sitkUInt8)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([30, 30, 20])
    n4.Execute(sitk.Shrink(image, [2] * 3), sitk.Shrink(region, [2] * 3))
    field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)).T
    field = np.clip(field - np.median(field[mask]), -0.7, 0.7)
    return voxels / np.exp(field).astype(np.float32)


@lru_cache(maxsize=1)
def mni_brain() -> tuple[npt.NDArray[np.float32], Grid]:
    """ICBM152 2009a T1w brain (comes with nilearn) at 2 mm."""
    from nilearn.datasets import load_mni152_template

    image = nib.as_closest_canonical(load_mni152_template(resolution=2))
    return np.asarray(image.dataobj, dtype=np.float32), Grid(image.shape, image.affine)


def _make(t1w: Path, parcellation: Path) -> dict[str, npt.NDArray]:
    image, labels_image = (nib.as_closest_canonical(nib.load(p)) for p in (t1w, parcellation))
    if image.shape != labels_image.shape or not np.allclose(image.affine, labels_image.affine, atol=1e-2):
        raise ValueError(
            f"{t1w.name} and {parcellation.name} are on different grids; resample one to the other"
        )
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    labels = _checked(np.asarray(labels_image.dataobj), parcellation.name)
    grid = Grid(voxels.shape, image.affine)
    brain = _whole(labels > 0)
    t1 = correct_bias(voxels, grid, brain)
    white = float(np.median(t1[np.isin(labels, _WHITE_LABELS)]))
    t1 = np.clip(t1 / white, 0, 3)
    means = np.array([
        np.percentile(t1[np.isin(labels, _FLUID_LABELS)], 25),
        _mode(t1[labels >= _CORTEX_FROM]),
        1.0,
    ])  # fmt: skip
    groups = np.zeros(labels.shape, np.uint8)
    for number, members in _DEEP_GROUPS.items():
        groups[np.isin(labels, members)] = number
    template, template_grid = mni_brain()
    stripped = (t1 * brain).astype(np.float32)
    return {
        "t1w": t1.astype(np.float16), "brain": brain, "groups": groups, "tissue_means": means,
        "ramp": border_ramp(brain, tuple(grid.spacing_mm)).astype(np.float16),
        "mirror": find_mirror(stripped, grid), "affine": np.asarray(grid.affine),
        "to_mni": register_affine(stripped, grid, template, template_grid),
    }  # fmt: skip


def _checked(labels: npt.NDArray, name: str) -> npt.NDArray[np.int16]:
    """DLMUSE labels as integers, or a ValueError that tells what is wrong with them."""
    values = np.unique(labels)
    if not np.array_equal(values, np.round(values)):
        raise ValueError(f"{name} holds values that are not integers: expected labels of DLMUSE")
    unknown = [int(v) for v in values if not 0 <= v <= _LAST_LABEL]
    if unknown:
        listed = ", ".join(map(str, unknown[:8])) + (" …" if len(unknown) > 8 else "")
        raise ValueError(f"{name} holds labels that DLMUSE does not have: {listed}")
    for tissue, present in (
        ("white matter", np.isin(_WHITE_LABELS, values)),
        ("fluid", np.isin(_FLUID_LABELS, values)),
        ("cortex", values >= _CORTEX_FROM),
    ):
        if not present.any():
            raise ValueError(f"{name} has no {tissue}: expected a whole brain in the labels of DLMUSE")
    return labels.astype(np.int16)


def _whole(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    closed = ndimage.binary_closing(np.pad(mask, 3), iterations=2)[3:-3, 3:-3, 3:-3]
    parts, n = ndimage.label(closed)
    if n > 1:
        closed = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return ndimage.binary_fill_holes(closed)


def _mode(values: npt.NDArray) -> float:
    counts, edges = np.histogram(values, bins=60, range=(0.2, 1.2))
    top = int(np.argmax(ndimage.gaussian_filter1d(counts.astype(float), 2)))
    return float((edges[top] + edges[top + 1]) / 2)


def read_mask_on(path: Path, anatomy: Anatomy, *, flip: bool = False) -> npt.NDArray[np.float32]:
    """MNI lesion mask (linear, [0, 1]) on the anatomy's grid, through its affine; optionally flipped."""
    mask, grid = _mni_mask(path)
    world = anatomy.to_mni @ anatomy.grid.affine
    if flip:
        world = np.diag([-1.0, 1, 1, 1]) @ world
    return resample(mask, grid, Grid(anatomy.grid.shape, world), antialias=False)


@lru_cache(maxsize=256)
def _mni_mask(path: Path) -> tuple[npt.NDArray[np.float16], Grid]:
    """Read a mask, cut to its box at 2 mm, as half floats: a bank of a hundred takes a few megabytes."""
    image = nib.as_closest_canonical(nib.load(path))
    mask = np.pad(np.asarray(image.dataobj) > 0.5, 4)
    box = tuple(slice(s.start - 4, s.stop + 4) for s in ndimage.find_objects(mask.astype(np.uint8))[0])
    start = np.eye(4)
    start[:3, 3] = [s.start - 4 for s in box]
    full = Grid(mask[box].shape, image.affine @ start)
    spacing = float(np.linalg.norm(image.affine[:3, 0]))
    coarse = covering(full, max(2.0, spacing))
    return resample(mask[box], full, coarse).astype(np.float16), coarse


def ixi_pairs(root: Path) -> list[tuple[Path, Path]]:
    """T1w and parcellation of every subject under a BIDS root with `derivatives/dlmuse`, sorted."""
    pairs = []
    for t1w in sorted(root.glob("sub-*/anat/*_T1w.nii.gz")):
        name = t1w.name.split("_")[0]
        found = sorted((root / "derivatives" / "dlmuse" / name).glob("**/*_dseg.nii.gz"))
        if found:
            pairs.append((t1w, found[0]))
    if not pairs:
        raise ValueError(f"no sub-*/anat/*_T1w.nii.gz with a parcellation under {root}")
    return pairs


def describe(anatomy: Anatomy) -> str:
    """JSON with the numbers of a prepared anatomy."""
    return json.dumps(
        {
            "name": anatomy.name,
            "tissue_means": anatomy.tissue_means.round(3).tolist(),
            "brain_ml": float(anatomy.brain.sum() * anatomy.grid.voxel_volume_ml),
        }
    )
