"""How well a void is filled: the metric of the BraTS inpainting challenge, on voids cut into healthy people.

MSE, PSNR and SSIM inside the void, after the truth and the filling were clipped and scaled by the 0.5th and
99.5th percentile of the scan: as Kofler et al., "The BraTS Challenge 2023: Local Synthesis of Healthy Brain
Tissue via Inpainting" (arXiv:2305.08992). Written from the paper, not with the challenge's own code; SSIM is
the mean over the void of the map of `sanum.metrics.errors_inside` (Gaussian window, range 1).

The held-out IXI subjects, stripped by their labels, and the held-out stroke masks in their brains' size;
one void a subject, set to 0 ("sanum" finds it by itself, "sanum --mask" is given it). The anatomy is put onto
the scan's scale by a smooth gain and a line, fitted outside of the void. Beside it: the mirror image and a
smooth interpolation. Three passes of the main job a subject, 1 minute on a free core. Prints a Markdown
table, whose last column is the mean gradient within 5 mm of the void, over that of the truth there.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from sanum.data.split import split_masks, split_subjects
from sanum.healthy.compose import matched
from sanum.healthy.filling import mirrored
from sanum.healthy.mask import Lesion
from sanum.healthy.reconstruction import reconstruct
from sanum.methods import registry
from sanum.methods.common.anatomy import Predictor
from sanum.metrics.errors import errors_inside
from sanum.scan import Scan, read
from sanum.scan.conform import Conformed
from sanum.scan.maps import read_map, read_map_on
from sanum.space.grid import Grid, apply_affine
from sanum.space.mirror import find_mirror
from sanum.space.resample import resample
from sanum.types import FloatArray, Mask

AVERAGE_MM = np.array([-71.0, -106, -50]), np.array([71.0, 72, 82])  # the box of MNI's brain
MOST_ML = 60.0  # of a void, but for as many voxels as are equally deep
PERCENTILES = 0.5, 99.5
SEAM_MM = 5.0  # outside of the void


def cases(data: Path, count: int) -> Iterator[tuple[str, Scan, Mask]]:
    """Name, stripped T1w and void."""
    for (t1w, labels), drawn in zip(split_subjects(data)[1][:count], split_masks(data)[1], strict=False):
        scan = read(t1w)
        shown = np.asarray(read_map_on(labels, scan.grid, scan=t1w.name).voxels) > 0
        brain = ndimage.binary_fill_holes(ndimage.binary_closing(shown, iterations=2))
        low, high = np.percentile(apply_affine(scan.affine, np.argwhere(brain)), (0.2, 99.8), axis=0)
        to_average = np.eye(4)
        to_average[:3, :3] = np.diag((AVERAGE_MM[1] - AVERAGE_MM[0]) / (high - low))
        to_average[:3, 3] = AVERAGE_MM[0] - to_average[:3, :3] @ low
        lesion = read_map(drawn)
        there = Grid(lesion.voxels.shape, np.linalg.inv(to_average) @ lesion.affine)
        share = resample(np.asarray(lesion.voxels) > 0, there, scan.grid) * brain
        most = int(MOST_ML / scan.grid.voxel_volume_ml)  # the middle of a larger one
        deep = ndimage.distance_transform_edt(share > 0.5)
        least = np.sort(deep[share > 0.5])[-most] if (share > 0.5).sum() > most else 0.0
        voxels = np.where(brain, np.maximum(np.asarray(scan.voxels, dtype=np.float32), 1), 0)
        yield t1w.name, replace(scan, voxels=voxels, path=None), (share > 0.5) & (deep >= least)


def fillings(scan: Scan, void: Mask, predictor: Predictor) -> Iterator[tuple[str, FloatArray]]:
    """Each way's volume, of which the void alone is looked at; the seam, of what is `keep-healthy`."""
    spacing = tuple(float(s) for s in scan.grid.spacing_mm)
    empty = scan.with_voxels(np.where(void, 0, scan.voxels).astype(np.float32))
    lesion = Lesion(Scan(void, scan.affine), "void")
    smooth = lesion.hidden(empty)
    yield "smooth interpolation", np.asarray(smooth.voxels)
    top = np.percentile(smooth.voxels, 99.5)
    around = Conformed(np.asarray(smooth.voxels) / top, np.ones(void.shape, bool), scan.grid)
    across = find_mirror(around.image, scan.grid)
    yield "mirror image, joined", mirrored(around, across, lesion.mask).image * top
    for name, given in (("sanum", {}), ("sanum --mask", {"mask": void})):
        result = reconstruct(empty, predictor=predictor, contrast="T1w", **given)
        healthy = (np.asarray(result.brain.voxels) > 0) & ~ndimage.binary_dilation(void, iterations=2)
        (kept,) = result.others.values()
        for how, made in (("anatomy", result.anatomy), ("keep-healthy", kept)):
            image = np.asarray(made.voxels, dtype=np.float32)
            yield f"{name}, {how}", matched(image, np.asarray(scan.voxels), healthy, spacing)


def numbers(scan: Scan, void: Mask, filled: FloatArray) -> dict[str, float]:
    """The metric, and the mean steepness just outside of the void over that of the truth there."""
    truth = np.asarray(scan.voxels, dtype=np.float32)
    low, high = np.percentile(truth, PERCENTILES)
    ours, own = (((np.clip(x, low, high) - low) / (high - low)).astype(np.float32) for x in (filled, truth))
    inside = errors_inside(np.where(void, ours, own), own, {"void": void})["void"]
    away = ndimage.distance_transform_edt(~void, sampling=scan.grid.spacing_mm)
    rim = (away <= SEAM_MM) & ~ndimage.binary_dilation(truth == 0, iterations=2)
    steep = [float(np.linalg.norm(np.gradient(x), axis=0)[rim & ~void].mean()) for x in (ours, own)]
    mse = float(((ours - own)[void].astype(np.float64) ** 2).mean())
    return {"MSE": mse, "PSNR": inside.psnr, "SSIM": inside.ssim, "seam": steep[0] / steep[1]}


def main() -> None:
    """A line for each subject and way, then the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--subjects", type=int, default=8)
    parser.add_argument("--keep", type=Path, help="folder for the volumes")
    given = parser.parse_args()
    predictor = registry.load("una", weights=given.weights) if given.weights else registry.load("una")
    found: dict[str, list[dict[str, float]]] = {}
    for subject, scan, void in cases(given.data, given.subjects):
        ml = float(void.sum()) * scan.grid.voxel_volume_ml
        for way, filled in fillings(scan, void, predictor):
            found.setdefault(way, []).append(numbers(scan, void, filled))
            print(
                subject, f"{ml:.0f} mL", way, {k: round(v, 4) for k, v in found[way][-1].items()}, flush=True
            )
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                np.savez_compressed(
                    given.keep / f"{subject} {way}.npz", truth=scan.voxels, void=void, filled=filled
                )
    print("\n| filling | n | MSE | PSNR, dB | SSIM | steepness around it |\n|---|---|---|---|---|---|")
    for way, rows in found.items():
        mean = {k: np.mean([r[k] for r in rows]) for k in rows[0]}
        print(
            f"| {way} | {len(rows)} | {mean['MSE']:.4f} | {mean['PSNR']:.2f} | {mean['SSIM']:.3f} "
            f"| {mean['seam']:.2f} |"
        )


if __name__ == "__main__":
    main()
