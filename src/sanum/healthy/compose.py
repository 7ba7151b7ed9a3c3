"""What a result shows: the network's anatomy, the scan's own healthy tissue, or the lesion put back.

A T1w and the predicted anatomy show one contrast on two scales: the scan's coil shading is what its smooth
ratio to the anatomy says, over healthy tissue alone. The seam between the two follows the anomaly, softly.
"""

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from ..report.inputs import PREDICTED
from ..scan import Scan, ScanError
from ..space.components import bounds_of
from ..space.grid import Grid, at_spacing
from ..space.resample import resample
from ..types import FloatArray, Mask
from .filling import interpolated
from .localize import display_name

Compose = Literal["anatomy", "keep-healthy", "keep-lesion"]
COMPOSITIONS: tuple[str, ...] = get_args(Compose)
TITLES: dict[str, str] = {  # of the report's column
    "anatomy": PREDICTED,
    "keep-healthy": "Own tissue, anomaly replaced",
    "keep-lesion": "Healthy anatomy, lesion put back",
}
SHADING_MM = 20.0  # σ over which the scan's shading is taken to be constant
BLUR_MM, RIM_MM, ROUNDS = 4.0, 6.0, 3
BRIGHTEST = 1.25  # that brain tissue is in a T1w with white matter at 1
STEP = 0.1  # between scan and anatomy in healthy tissue; more is a lesion that the mask leaves out
SEAM_MM, MARGIN_MM = 2.0, 4.0  # σ of the seam; how far beyond the anomaly it lies


def compose(
    kind: Compose, scan: Scan, anatomy: Scan, anomaly: Scan, brain: Scan, *, is_drawn: bool = False
) -> Scan:
    """The anatomy as `kind` says, on its grid and scale (white matter near 1).

    Parameters
    ----------
    kind : "anatomy", "keep-healthy" or "keep-lesion"
        The predicted anatomy everywhere; the scan's own tissue with only the anomaly replaced; the predicted
        anatomy with the scan's anomaly put back.
    scan : Scan
        A T1w; needed for the last two alone.
    anatomy : Scan
        As it was predicted.
    anomaly : Scan
        Probability.
    brain : Scan
        Mask. Outside, and where there is no scan to keep, the anatomy is unchanged.
    is_drawn : bool
        The border of the anomaly is known: all tissue beyond it is healthy, so that there is no soft seam
        around it. The predicted anatomy then continues the tissue around it without a step.
    """
    if kind == "anatomy":
        return anatomy
    predicted = np.asarray(anatomy.voxels, dtype=np.float32)
    inside = np.asarray(brain.voxels) > 0
    sick = np.asarray(anomaly.voxels) > 0.5
    spacing = tuple(float(s) for s in anatomy.grid.spacing_mm)
    # not where the anatomy fades out at the brain's border, nor where it is sick
    healthy = ~grown(~inside, spacing, RIM_MM) & ~grown(sick, spacing, RIM_MM)
    if not healthy.any():
        return anatomy
    own = matched(np.asarray(scan.voxels, dtype=np.float32), predicted, healthy, spacing)
    replaced = sick.astype(np.float32) if is_drawn else seam(sick, spacing)
    if kind == "keep-healthy":  # fat and skin that the brain's mask took in
        rim = grown(~inside, spacing, RIM_MM) & (own > BRIGHTEST)
        replaced = np.maximum(replaced, seam(rim, spacing, margin_mm=1.0))
    continued = predicted
    if is_drawn and kind == "keep-healthy":
        step = np.clip(np.where(inside, own - predicted, np.float32(0)), -STEP, STEP)
        continued = predicted + interpolated(step, sick & inside, anatomy.grid.spacing_mm)
        continued = np.where(sick, continued, predicted)
    share = replaced if kind == "keep-healthy" else 1 - replaced  # of the predicted anatomy
    mixed = share * continued + (1 - share) * own
    return replace(anatomy, voxels=np.where(inside, np.maximum(mixed, 0), predicted).astype(np.float32))


def is_t1w(contrast: str | None) -> bool:
    """Whether the tissue of such a scan can be combined with the anatomy.

    Parameters
    ----------
    contrast : str or None
        As read, or guessed; T1w with a contrast agent too.
    """
    return (contrast or "").startswith("T1w")


def require_t1w(scan: Scan, contrast: str | None, compose: str) -> None:
    """Raise `ScanError` if a scan that is no T1w should be combined with the anatomy.

    Parameters
    ----------
    scan : Scan
        For its name.
    contrast : str or None
        As read, or guessed; also that of a T1w with a contrast agent.
    compose : str
        The requested composition.
    """
    if compose != "anatomy" and not is_t1w(contrast):
        raise ScanError(
            f"{compose} needs a T1w, but {display_name(scan)} is {contrast or 'of unknown contrast'}: "
            "leave the composition out, or say --contrast T1w if it is one"
        )


def matched(image: FloatArray, truth: FloatArray, where: Mask, spacing_mm: tuple[float, ...]) -> FloatArray:
    """`image` on the scale of `truth`: a smooth gain and a line, found by turns inside `where`.

    The line is fitted to blurred copies of both, for a predicted anatomy is softer than a scan, and a fit to
    what is softer would take contrast away. All of it is smooth, so it is found on voxels of 4 mm.

    Parameters
    ----------
    image, truth : (X, Y, Z) float32
        The scan, on any scale; the predicted anatomy.
    where : (X, Y, Z) bool
        Healthy tissue.
    spacing_mm : (3,) float
        Of the voxels.
    """
    grid = Grid(image.shape, np.diag([*spacing_mm, 1.0]))
    coarse = at_spacing(grid, np.maximum(spacing_mm, BLUR_MM))
    level = (image - np.percentile(image, 1)).astype(np.float32)
    level /= max(
        float(np.percentile(level[where], 90)), float(np.finfo(np.float32).tiny)
    )  # near 1, as `truth`

    def seen(x: FloatArray) -> FloatArray:
        return resample(x, grid, coarse)

    def blurred(x: FloatArray, by_mm: float) -> FloatArray:
        return np.asarray(ndimage.gaussian_filter(x, by_mm / coarse.spacing_mm, truncate=3))

    tissue, own, whole = seen(where.astype(np.float32)), seen(level * where), seen(level)
    wanted, there = blurred(seen(truth * where), SHADING_MM), tissue > 0.5
    if not there.any():
        there = tissue > 0
    target = blurred(seen(truth), BLUR_MM)[there].astype(np.float64)
    slope, shift = np.ones(coarse.shape, np.float32), np.zeros(coarse.shape, np.float32)
    for _ in range(ROUNDS):
        reached = blurred(slope * own + shift * tissue, SHADING_MM)
        shading = (wanted + 1e-6) / (np.maximum(reached, 0) + 1e-6)
        middle = float(np.median(shading[there]))
        shading = np.clip(shading, middle / 4, middle * 4)
        slope *= shading
        shift *= shading
        found = blurred(slope * whole + shift, BLUR_MM)[there].astype(np.float64)
        if found.std() == 0:  # flat: nothing to fit
            break
        line = np.polyfit(found, target, 1).astype(np.float32)
        slope *= line[0]
        shift = line[0] * shift + line[1]
    level *= smoothly_finer(slope, coarse, grid)
    level += smoothly_finer(shift, coarse, grid)
    return level


def smoothly_finer(x: FloatArray, coarse: Grid, grid: Grid) -> FloatArray:
    """A smooth map on a finer grid of the same box; beyond its outermost voxels it goes on as it ends.

    Parameters
    ----------
    x : (X, Y, Z) float32
        On `coarse`.
    coarse : Grid
        Of the same axes as `grid`.
    grid : Grid
        Where it is wanted.
    """
    affine = coarse.affine.copy()
    affine[:3, 3] -= affine[:3, :3].sum(axis=1)
    beyond = np.pad(x, 1, mode="edge")
    return resample(beyond, Grid(beyond.shape, affine), grid)


def seam(sick: Mask, spacing_mm: tuple[float, ...], margin_mm: float = MARGIN_MM) -> FloatArray:
    """1 inside the anomaly, 0 some millimetres away, smooth between.

    Parameters
    ----------
    sick : (X, Y, Z) bool
        The anomaly.
    spacing_mm : (3,) float
        Of the voxels.
    margin_mm : float
        Distance of the middle of the seam from the anomaly.
    """
    wide = grown(sick, spacing_mm, margin_mm).astype(np.float32)
    if not wide.any():
        return wide
    return np.asarray(ndimage.gaussian_filter(wide, [SEAM_MM / s for s in spacing_mm], truncate=3))


def grown(mask: Mask, spacing_mm: tuple[float, ...], by_mm: float) -> Mask:
    """Mask with everything within `by_mm` of it.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        Any.
    spacing_mm : (3,) float
        Of the voxels.
    by_mm : float
        Distance from the mask.
    """
    out = np.zeros(mask.shape, bool)
    if (found := bounds_of(mask)) is None:
        return out
    # numba only where a scan is composed
    from ..fluid.flow import distance_within
    from ..fluid.kernels.threads import one_kernel_thread

    farthest = by_mm + max(spacing_mm)
    reach = [int(np.ceil(farthest / step)) for step in spacing_mm]
    x, y, z = (slice(max(s.start - r, 0), s.stop + r) for s, r in zip(found, reach, strict=True))
    with one_kernel_thread():  # with more, Numba would also set PyTorch's threads, for the scans that follow
        out[x, y, z] = distance_within(~mask[x, y, z], spacing_mm, farthest, edge=False) <= by_mm
    return out
