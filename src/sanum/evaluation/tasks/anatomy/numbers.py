"""Every number of one case: a reconstruction against what is known, on the scan's own grid."""

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np

from ....healthy.result import Reconstruction
from ....metrics.calibration import coverage
from ....metrics.errors import Errors, dice, errors, errors_inside
from ....metrics.overlap import dice_curve, soft_dice
from ....scan import Scan, read
from ....scan.maps import read_map_on
from ....types import AnyArray, FloatArray, Mask
from ...task import Numbers
from .cases import Case
from .detection import OF_DETECTION, THRESHOLDS, of_healthy, of_lesion, of_score
from .difference import difference_map

HEAD_MM = (192.0, 224.0, 192.0)
"""Right-left, back-front and up: the volume over which "whole volume" averages, a head's."""
COVERAGES = (0.5, 0.8, 0.95)
CURVE = np.linspace(0.05, 0.95, 19)
"""Thresholds of the difference map of which one is chosen on other subjects."""
_WHOLE = tuple(f"{m}_{p}" for m in ("psnr", "ssim", "l1") for p in ("f", "h", "d"))
OF_ANATOMY = (*(f"brain_{n}" for n in _WHOLE), *_WHOLE)
"""Names of the numbers of the anatomy, composed or not; those inside the brain stand first."""
_OF_DIFFERENCE = ("difference_dice_soft", "difference_dice_oracle", "difference_curve")
OF_PERSON = ("age", "sex", "site")
NUMBERS = (
    *OF_ANATOMY,
    *OF_DETECTION,
    *_OF_DIFFERENCE,
    *(f"coverage_{100 * q:.0f}" for q in COVERAGES),
    *("dice_brain", *OF_PERSON),
)
"""Names of all numbers of a case; what cannot be known of it is left out."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """What is known of a case, on its scan's grid (X, Y, Z); None where it is not known.

    Parameters
    ----------
    t1w : (X, Y, Z) float32 or None
        The healthy anatomy: white matter 1, 0 outside the brain.
    lesion, brain : (X, Y, Z) bool or None
        Where they are.
    """

    t1w: FloatArray | None
    lesion: Mask | None
    brain: Mask | None


def read_truth(case: Case) -> GroundTruth:
    """What is known of a case.

    Parameters
    ----------
    case : Case
        Its files are read, in the scan's order of voxels.
    """
    if len(case.files) == 1:
        return GroundTruth(None, None, None)
    grid, scan = read(case.scan).grid, case.scan.name
    t1w, lesion, brain = (
        np.asarray(read_map_on(f, grid, scan=scan, dtype=np.float32).voxels) if f else None
        for f in (case.truth, case.lesion, case.brain)
    )
    return GroundTruth(t1w, *(None if mask is None else mask > 0.5 for mask in (lesion, brain)))


def numbers_of(case: Case, truth: GroundTruth, result: Reconstruction) -> Numbers:
    """Numbers of a case that can be known of it.

    Parameters
    ----------
    case : Case
        Its `healthy` and `contrast` decide which numbers there are.
    truth : GroundTruth
        Of the case.
    result : Reconstruction
        Of its scan.
    """
    anatomy = np.asarray(result.anatomy.voxels, dtype=np.float32)
    found = np.asarray(result.anomaly_mask.voxels) > 0
    predicted = np.asarray(result.brain.voxels) > 0
    out: Numbers = {}
    if truth.t1w is not None:
        brain = truth.brain if truth.brain is not None else truth.t1w > 0
        lesion = truth.lesion if truth.lesion is not None else np.zeros(brain.shape, bool)
        out |= _errors(result.anatomy, truth.t1w, lesion, brain)
        uncertainty = np.asarray(result.uncertainty.voxels)
        if np.isfinite(uncertainty).all():  # NaN in the predicted brain: the method gives none
            shares = coverage((anatomy - truth.t1w)[brain], uncertainty[brain], COVERAGES)
            out |= {f"coverage_{100 * q:.0f}": share for q, share in zip(COVERAGES, shares, strict=True)}
    if truth.brain is not None:
        out["dice_brain"] = dice(predicted, truth.brain)
    ml = result.scan.grid.voxel_volume_ml
    p = np.asarray(result.anomaly.voxels, dtype=np.float32)
    if case.healthy:
        out |= of_healthy(p, found, predicted, ml)
    elif truth.lesion is not None and truth.lesion.any():
        out |= of_lesion(p, found, truth.lesion, truth.brain if truth.brain is not None else predicted, ml)
        if case.contrast.lower() == "t1w":
            scan = np.asarray(result.scan.voxels, np.float32)
            out |= _difference(difference_map(scan, anatomy, predicted), truth.lesion)
    return out | person_numbers(case)


def score_numbers(
    case: Case, truth: GroundTruth, score: FloatArray, predicted: Mask, voxel_ml: float
) -> Numbers:
    """Numbers of a score map of a case that can be known of it.

    Parameters
    ----------
    case : Case
        As of `numbers_of`.
    truth : GroundTruth
        Of the case.
    score : (X, Y, Z) float32
        On the scan's grid; see `SCORES`.
    predicted : (X, Y, Z) bool
        The brain, where the true one is not known.
    voxel_ml : float
        Volume of a voxel, mL.
    """
    lesion = truth.lesion if truth.lesion is not None and truth.lesion.any() else None
    if not case.healthy and lesion is None:
        return {}
    brain = truth.brain if truth.brain is not None else predicted
    return of_score(score, None if case.healthy else lesion, brain, voxel_ml) | person_numbers(case)


def person_numbers(case: Case) -> Numbers:
    """Age, sex and site, as far as they are known.

    Parameters
    ----------
    case : Case
        Whose `person` is told.
    """
    person = case.person
    age: Numbers = {} if person.age is None else {"age": person.age}
    return age | {k: v for k, v in (("sex", person.sex), ("site", person.site)) if v}


def likeness(one: Scan, other: Scan) -> dict[str, float]:
    """Similarity of two anatomies of one head: PSNR and L1 over the head's volume, PSNR over their union.

    Parameters
    ----------
    one, other : Scan
        On one grid.
    """
    a, b = in_head(one, one.voxels, other.voxels)
    both = (a > 0) | (b > 0)
    whole, inside = errors(a, b), errors_inside(a, b, {"brain": both})["brain"]
    return {"psnr": whole.psnr, "l1": whole.l1, "brain_psnr": inside.psnr}


def in_head(scan: Scan, first: AnyArray, second: AnyArray, *masks: Mask) -> list[Any]:
    """Arrays on the scan's grid in a volume of `HEAD_MM` around what either of the first two shows.

    Axes are turned to right, front, up; voxels keep their size. Both are 0 outside of the brain, so what is
    cut off or added holds no error; what is longer than `HEAD_MM` stays whole.

    Parameters
    ----------
    scan : Scan
        Gives the grid.
    first, second : (X, Y, Z) array
        The volume is around the union of their brains.
    *masks : (X, Y, Z) bool
        Cut in the same way.
    """
    turn = nib.orientations.io_orientation(scan.affine)
    arrays = [nib.orientations.apply_orientation(np.asarray(x), turn) for x in (first, second, *masks)]
    spacing = scan.grid.spacing_mm[np.argsort(turn[:, 0])]
    content = (arrays[0] != 0) | (arrays[1] != 0)
    out = list(arrays)
    for axis, (mm, voxel) in enumerate(zip(HEAD_MM, spacing, strict=True)):
        hit = np.flatnonzero(content.any(axis=tuple(a for a in range(3) if a != axis)))
        low, high = (int(hit[0]), int(hit[-1]) + 1) if hit.size else (0, 1)
        spare = max(round(mm / float(voxel)) - (high - low), 0)
        width = [(0, 0)] * 3
        width[axis] = (spare // 2, spare - spare // 2)
        out = [np.pad(np.take(x, range(low, high), axis=axis), width) for x in out]
    return out


def _errors(anatomy: Scan, truth: FloatArray, lesion: Mask, brain: Mask) -> Numbers:
    image = np.asarray(anatomy.voxels, dtype=np.float32)
    a, t, lesion, brain = in_head(anatomy, image, truth, lesion, brain)
    parts = {"f": errors(a, t), "h": errors(a, t, ~lesion)}
    if lesion.any():
        parts["d"] = errors(a, t, lesion)
    out = {f"{k}_{p}": v for p, e in parts.items() for k, v in _finite(e).items()}
    regions = {"f": brain, "h": brain & ~lesion, "d": lesion}
    inside = errors_inside(a, t, regions)
    return out | {f"brain_{k}_{p}": v for p, e in inside.items() for k, v in _finite(e).items()}


def _finite(e: Errors) -> Numbers:
    """Leave out the PSNR of no error at all, and what is of no voxels."""
    return {k: v for k, v in (("psnr", e.psnr), ("ssim", e.ssim), ("l1", e.l1)) if np.isfinite(v)}


def _difference(d: FloatArray, lesion: Mask) -> Numbers:
    return {
        "difference_dice_soft": soft_dice(d, lesion),
        "difference_dice_oracle": float(np.max(dice_curve(d, lesion, THRESHOLDS))),
        "difference_curve": " ".join(f"{x:.4f}" for x in dice_curve(d, lesion, CURVE)),
    }
