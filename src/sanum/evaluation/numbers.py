"""Every number of one case: a reconstruction against what is known, on the scan's own grid."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ..healthy.result import Reconstruction
from ..metrics.calibration import coverage, expected_calibration_error
from ..metrics.errors import Errors, dice, errors, errors_inside, match_intensity
from ..metrics.overlap import average_precision, count_lesions, dice_curve, soft_dice
from ..scan import Scan
from ..scan.maps import read_map
from .cases import Case

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
HEAD_MM = (192.0, 224.0, 192.0)
"""Right-left, back-front and up: the volume over which "whole volume" averages, a head's."""
COVERAGES = (0.5, 0.8, 0.95)
CURVE = np.linspace(0.05, 0.95, 19)
"""Thresholds of the difference map of which one is chosen on other subjects."""
FINE = np.linspace(0.01, 0.99, 99)
"""Thresholds of which the oracle takes the best."""
_WHOLE = tuple(f"{m}_{p}" for m in ("l1", "psnr", "ssim") for p in ("f", "h", "d"))
OF_ANATOMY = (*_WHOLE, *(f"brain_{n}" for n in _WHOLE))
"""Names of the numbers that tell of the anatomy, composed or not."""
NUMBERS = (
    *OF_ANATOMY, "dice", "dice_soft", "dice_oracle", "lesion_f1",
    "average_precision", "ece", "difference_dice_soft", "difference_dice_oracle", "difference_curve",
    *(f"coverage_{100 * q:.0f}" for q in COVERAGES), "dice_brain", "anomalous_percent", "true_ml", "found_ml",
)  # fmt: skip
"""Names of all numbers of a case; what cannot be known of it is left out."""
Numbers = dict[str, float | str]


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a case, as arrays on its scan's grid."""

    truth: Array | None
    lesion: Mask | None
    brain: Mask | None


def known(case: Case) -> Known:
    """Read what is known of a case."""
    truth = np.asarray(read_map(case.truth, dtype=np.float32).voxels) if case.truth else None
    lesion, brain = (
        np.asarray(read_map(f, dtype=np.float32).voxels) > 0.5 if f else None
        for f in (case.lesion, case.brain)
    )
    return Known(truth, lesion, brain)


def numbers_of(case: Case, facts: Known, result: Reconstruction) -> Numbers:
    """Numbers of a case that can be known of it."""
    anatomy = np.asarray(result.anatomy.voxels, dtype=np.float32)
    found = np.asarray(result.anomaly_mask.voxels) > 0
    seen = np.asarray(result.brain.voxels) > 0
    out: Numbers = {}
    if facts.truth is not None:
        brain = facts.brain if facts.brain is not None else facts.truth > 0
        lesion = facts.lesion if facts.lesion is not None else np.zeros(brain.shape, bool)
        out |= _errors(result.anatomy, anatomy, facts.truth, lesion, brain)
        scale = np.asarray(result.uncertainty.voxels)[brain]
        if np.isfinite(scale).all():  # some methods do not tell
            shares = coverage((anatomy - facts.truth)[brain], scale, COVERAGES)
            out |= {f"coverage_{100 * q:.0f}": share for q, share in zip(COVERAGES, shares, strict=True)}
    if facts.brain is not None:
        out["dice_brain"] = dice(seen, facts.brain)
    ml = result.scan.grid.voxel_volume_ml
    if case.healthy:
        out["anomalous_percent"] = 100 * float(found.sum()) / max(int(seen.sum()), 1)
    elif facts.lesion is not None and facts.lesion.any():
        out |= _detection(result, facts.lesion, facts.brain if facts.brain is not None else seen)
        out |= {"true_ml": float(facts.lesion.sum() * ml), "found_ml": float(found.sum() * ml)}
        if case.contrast.lower() == "t1w":
            out |= _difference(np.asarray(result.scan.voxels, np.float32), anatomy, seen, facts.lesion)
    return out


def likeness(one: Scan, other: Scan) -> dict[str, float]:
    """How alike two anatomies of one head are: PSNR and L1 over the head's volume, PSNR where either is."""
    a, b = in_head(one, one.voxels, other.voxels)
    both = (a > 0) | (b > 0)
    whole, inside = errors(a, b), errors_inside(a, b, {"brain": both})["brain"]
    return {"psnr": whole.psnr, "l1": whole.l1, "brain_psnr": inside.psnr}


def in_head(scan: Scan, first: npt.ArrayLike, second: npt.ArrayLike, *masks: Mask) -> list[npt.NDArray]:
    """Arrays on the scan's grid in a volume of `HEAD_MM` around what either of the first two shows.

    Axes are turned to right, front, up; voxels keep their size. Both are 0 outside of the brain, so what is
    cut off or added holds no error; what is longer than `HEAD_MM` stays whole.
    """
    turn = nib.orientations.io_orientation(scan.affine)
    arrays = [nib.orientations.apply_orientation(np.asarray(x), turn) for x in (first, second, *masks)]
    spacing = scan.grid.spacing_mm[np.argsort(turn[:, 0])]
    shown = (arrays[0] != 0) | (arrays[1] != 0)
    out = list(arrays)
    for axis, (mm, voxel) in enumerate(zip(HEAD_MM, spacing, strict=True)):
        hit = np.flatnonzero(shown.any(axis=tuple(a for a in range(3) if a != axis)))
        low, high = (int(hit[0]), int(hit[-1]) + 1) if hit.size else (0, 1)
        spare = max(round(mm / float(voxel)) - (high - low), 0)
        width = [(0, 0)] * 3
        width[axis] = (spare // 2, spare - spare // 2)
        out = [np.pad(np.take(x, range(low, high), axis=axis), width) for x in out]
    return out


def _errors(scan: Scan, anatomy: Array, truth: Array, lesion: Mask, brain: Mask) -> Numbers:
    a, t, sick, inside = in_head(scan, anatomy, truth, lesion, brain)
    parts = {"f": errors(a, t), "h": errors(a, t, ~sick)}
    if sick.any():
        parts["d"] = errors(a, t, sick)
    out = {f"{k}_{p}": v for p, e in parts.items() for k, v in _finite(e).items()}
    regions = {"f": inside, "h": inside & ~sick, "d": sick}
    own = errors_inside(a, t, regions)
    return out | {f"brain_{k}_{p}": v for p, e in own.items() for k, v in _finite(e).items()}


def _finite(e: Errors) -> Numbers:
    """Leave out the PSNR of no error at all, and what is of no voxels."""
    return {k: v for k, v in (("l1", e.l1), ("psnr", e.psnr), ("ssim", e.ssim)) if np.isfinite(v)}


def _detection(result: Reconstruction, lesion: Mask, brain: Mask) -> Numbers:
    p = np.asarray(result.anomaly.voxels, dtype=np.float32)
    found = np.asarray(result.anomaly_mask.voxels) > 0
    where = brain | lesion
    out = {
        "dice": dice(found, lesion), "dice_soft": soft_dice(p, lesion),
        "dice_oracle": float(np.max(dice_curve(p, lesion, FINE))),
        "lesion_f1": count_lesions(found, lesion).f1,
        "average_precision": average_precision(p[where], lesion[where]),
        "ece": expected_calibration_error(p[where], lesion[where]),
    }  # fmt: skip
    return {k: v for k, v in out.items() if np.isfinite(v)}


def difference_map(scan: Array, anatomy: Array, brain: Mask) -> Array:
    """|g·scan + o − anatomy| inside the brain, in [0, 1].

    g and o are the least-squares fit to the anatomy over the predicted brain, lesion included, for who looks
    for a lesion does not know it; the 99.5th percentile in the brain becomes 1, and what is above it too.
    """
    if not brain.any():
        return np.zeros_like(anatomy)
    d = np.abs(match_intensity(scan, anatomy, brain) - anatomy) * brain
    return np.clip(d / max(float(np.percentile(d[brain], 99.5)), 1e-6), 0, 1).astype(np.float32)


def _difference(scan: Array, anatomy: Array, brain: Mask, lesion: Mask) -> Numbers:
    d = difference_map(scan, anatomy, brain)
    return {
        "difference_dice_soft": soft_dice(d, lesion),
        "difference_dice_oracle": float(np.max(dice_curve(d, lesion, FINE))),
        "difference_curve": " ".join(f"{x:.4f}" for x in dice_curve(d, lesion, CURVE)),
    }
