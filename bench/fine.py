"""What the second stage adds: held-out real T1w of 1 mm, whole or as 5 mm slices, beside cubic interpolation.

The truth is the T1w itself, freed of its bias field; so are the slices, and once more as they were scanned.
A candidate may be scaled by a line: what counts is where things are. Errors are means over the brain of
|candidate − truth| with white matter at 1; the gradient energy is the mean length of the gradient, against
that of the truth.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

import sanum
from sanum.scan import Scan
from sanum.space.grid import Grid
from sanum.space.resample import resample
from sanum.synth.bias import correct_bias
from sanum.synth.labels import read_canonical

HEADS = {
    "head-2": "heads-1mm/head-2_desc-defaced_T1w.nii.gz",
    "head-4": "heads-1mm/head-4_desc-brain_T1w.nii.gz",
}
INNER_MM = 3.0  # from the brain's border


def as_slices(voxels: np.ndarray, grid: Grid, thickness_mm: float, axis: int = 2) -> tuple[np.ndarray, Grid]:
    """The head as slices of this thickness would show it: their profile, then one in so many planes."""
    step = thickness_mm / float(grid.spacing_mm[axis])
    soft = ndimage.gaussian_filter1d(voxels, 0.42 * step, axis=axis)
    affine = grid.affine.copy()
    affine[:3, axis] *= step
    x, y, z = (int((n - 1) / step) + 1 if a == axis else n for a, n in enumerate(grid.shape))
    thick = Grid((x, y, z), affine)
    return resample(soft, grid, thick, antialias=False), thick


def steepness(image: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Length of the gradient per mm."""
    return np.asarray(np.sqrt(sum(g**2 for g in np.gradient(image, *spacing_mm))))


def row(name: str, image: np.ndarray, truth: np.ndarray, where: np.ndarray, spacing_mm: np.ndarray) -> str:
    gain, offset = np.polyfit(image[where].astype(np.float64), truth[where].astype(np.float64), 1)
    fitted = gain * image + offset
    edges = steepness(fitted, spacing_mm)[where].mean() / steepness(truth, spacing_mm)[where].mean()
    error = np.abs(fitted - truth)[where].mean()
    psnr = -10 * np.log10(((fitted - truth)[where] ** 2).mean())
    return f"| {name} | {error:.4f} | {psnr:.2f} | {edges:.2f} | {gain:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights")
    parser.add_argument("--mm", type=float, nargs="+", default=[0.0, 5.0], help="0: as it is")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| scan | error | PSNR | gradient | gain |\n|---|---|---|---|---|")
    for head, name in HEADS.items():
        voxels, affine = read_canonical(options.data / name)
        grid = Grid(voxels.shape, affine)
        scan = Scan(voxels.astype(np.float32), affine, contrast="T1w")
        whole = sanum.reconstruct(scan, weights=options.weights, fast=True)
        brain = np.asarray(whole.brain.voxels) > 0
        truth = correct_bias(voxels.astype(np.float32), grid, brain)
        where = ndimage.binary_erosion(brain, iterations=round(INNER_MM / float(grid.spacing_mm.min())))
        white = float(np.percentile(truth[where], 85))
        truth = truth / white
        shaded = voxels.astype(np.float32) / white
        for mm, shown in product(options.mm, ("", ", with its shading")):
            if shown and not mm:
                continue
            image = shaded if shown else truth
            seen, there = as_slices(image, grid, mm) if mm else (image, grid)
            label = f"{head}, {f'{mm:g} mm slices' if mm else 'as it is'}{shown}"
            if mm:
                cubic = resample(seen, there, grid, order=3)
                print(row(f"{label}: cubic", cubic, truth, where, grid.spacing_mm))
            scan = Scan(seen * 1000, there.affine, contrast="T1w")
            for kind, fast in (("2 mm", True), ("1 mm", False)):
                result = sanum.reconstruct(scan, weights=options.weights, fast=fast, space="1mm")
                anatomy = resample(np.asarray(result.anatomy.voxels), result.anatomy.grid, grid, order=3)
                print(row(f"{label}: {kind}", anatomy, truth, where, grid.spacing_mm), flush=True)


if __name__ == "__main__":
    main()
