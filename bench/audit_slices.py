"""Axial slices of real brains for `bench/audit.py`, on scanners and with diseases that are made.

The person and the anatomy are real. The second scanner is the same scan with another transfer curve, shading,
sharpness and noise, so that everybody is seen by both (travelling heads), and the truth is known: no disease.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sanum.methods.anomaly2d.fluid2d.growth import GrowthConfig, draw_growth, with_anomalies

SIDE = 96
SLICES = 5
APART_MM = 6.0
VENTRICLES = (4, 49, 50, 51, 52)  # of dlmuse: third, inferior lateral, lateral
EDGE = 2  # voxels at the border of the brain that have no say
BRIGHT = 90  # percentile of the brain that becomes 0.7
LESIONS = GrowthConfig(healthy=0.0, most=2, textured=0.0, contrast=(0.15, 0.4), radius=(0.04, 0.1))

Stack = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Brain:
    """Slices of one person: image (N, S, S) in [0, 1] and 0 outside; brain; what counts; ventricles."""

    name: str
    image: Stack
    brain: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.bool_]
    ventricles: npt.NDArray[np.bool_]


def brains_of(data: Path) -> list[Brain]:
    """Everybody in a BIDS data set with labels in derivatives/dlmuse."""
    found = []
    for t1w in sorted(data.glob("sub-*/anat/*_T1w.nii.gz")):
        name = t1w.name.split("_")[0]
        labels = data / "derivatives" / "dlmuse" / name / "anat" / f"{name}_dseg.nii.gz"
        image, label = (nib.as_closest_canonical(nib.load(path)) for path in (t1w, labels))
        found.append(brain(name, image.get_fdata(), np.asarray(label.dataobj), image.header.get_zooms()[2]))
    return found


def brain(name: str, image: npt.NDArray[np.float64], labels: npt.NDArray[np.int16], mm: float) -> Brain:
    """Slices around the middle of the brain, from arrays (X, Y, Z) in RAS."""
    inside = ndimage.binary_fill_holes(labels > 0)
    middle = ndimage.center_of_mass(inside)
    corner = [round(middle[axis]) - SIDE // 2 for axis in (0, 1)]
    planes = [round(middle[2] + (n - SLICES // 2) * APART_MM / mm) for n in range(SLICES)]
    scale = 0.7 / np.percentile(image[inside], BRIGHT)

    def cut(volume: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        wide = np.pad(volume, [(SIDE, SIDE), (SIDE, SIDE), (0, 0)])
        x, y = corner[0] + SIDE, corner[1] + SIDE
        return np.moveaxis(wide[x : x + SIDE, y : y + SIDE, planes], 2, 0)

    mask = cut(inside)
    disk = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), EDGE)[None]
    return Brain(
        name,
        np.clip(cut(image) * scale * mask, 0, 1).astype(np.float32),
        mask,
        ndimage.binary_erosion(mask, disk),
        np.isin(cut(labels), VENTRICLES),
    )


@dataclass(frozen=True)
class Scanner:
    """How it differs from IXI's: transfer curve, shading, σ of the blur in voxels, σ of the noise."""

    gamma: float
    shading: float
    blur: float
    noise: float


SCANNERS = {
    "softer": Scanner(gamma=1.25, shading=0.15, blur=0.6, noise=0.02),
    "harder": Scanner(gamma=1.5, shading=0.25, blur=0.0, noise=0.02),
}


def seen_by(scanner: Scanner, one: Brain, rng: np.random.Generator) -> Stack:
    """The same person on another scanner."""
    shading = ndimage.gaussian_filter(rng.normal(size=one.image.shape), (0, SIDE / 4, SIDE / 4))
    shading *= scanner.shading / np.abs(shading).max()
    sharp = ndimage.gaussian_filter(one.image, (0, scanner.blur, scanner.blur))
    image = sharp**scanner.gamma * (1 + shading)
    image *= 0.7 / np.percentile(image[one.brain], BRIGHT)
    noisy = image + rng.normal(0, scanner.noise, image.shape)
    return np.clip(noisy * one.brain, 0, 1).astype(np.float32)


def with_lesions(one: Brain, image: Stack, rng: np.random.Generator) -> Stack:
    """Bright and dark lesions that the fluid grew, in every slice."""
    sick = [
        with_anomalies(plane[None], inside, draw_growth(rng, LESIONS))[0][0]
        for plane, inside in zip(image, one.brain, strict=True)
    ]
    return np.stack(sick) * one.brain


def with_atrophy(one: Brain, image: Stack, wider_mm: float = 4.0, mm: float = 2.0) -> Stack:
    """Wider ventricles: every pixel is read nearer to them, less so far away and at the border."""
    out = []
    for plane, holes, inside in zip(image, one.ventricles, one.brain, strict=True):
        if not holes.any():
            out.append(plane)
            continue
        far, (x, y) = ndimage.distance_transform_edt(~holes, return_indices=True)
        places = np.indices(plane.shape).astype(float)
        towards = np.stack([x, y]) - places
        border = ndimage.distance_transform_edt(inside)
        step = np.minimum(far, wider_mm / mm) * np.exp(-far * mm / 18) * np.clip(border * mm / 12, 0, 1)
        moved = places + towards / np.maximum(far, 1e-6) * step
        out.append(ndimage.map_coordinates(plane, moved, order=1))
    return np.stack(out).astype(np.float32) * one.brain
