"""Numbers of a map that looks for an anomaly: at fixed and at all thresholds, by the size of the lesions."""

import numpy as np
import numpy.typing as npt

from ....metrics.calibration import expected_calibration_error
from ....metrics.errors import dice
from ....metrics.overlap import average_precision, count_lesions, dice_curve, soft_dice
from ....metrics.sizes import SIZES, by_size
from ....types import FloatArray, Mask
from ...task import Numbers

THRESHOLDS = np.linspace(0.01, 0.99, 99)
"""Of which the oracle takes each scan's best, and validation one for all."""
_PER_SIZE = ("true", "detected", "recall", "dice", "false", "false_ml")
OF_SCORE = ("dice_oracle", "dice_soft", "average_precision", "dice_curve", "volume_curve")
"""Numbers that need no threshold fixed beforehand."""
OF_DETECTION = (
    *("dice", "dice_oracle", "dice_soft", "lesion_f1", "average_precision", "ece"),
    *("true_ml", "found_ml", "false_ml"),
    *("healthy_ml", "anomalous_percent"),
    *(f"{part}_{n}" for n in range(len(SIZES)) for part in _PER_SIZE),
    *("dice_curve", "volume_curve"),
)
"""Names of all numbers of detection; those of bin n of `SIZES` end in _n."""


def of_score(p: FloatArray, lesion: Mask | None, where: Mask, voxel_ml: float) -> Numbers:
    """Numbers of a score map on a scan whose lesion is known, or of a healthy one.

    Parameters
    ----------
    p : (X, Y, Z) float32
        Score in [0, 1].
    lesion : (X, Y, Z) bool or None
        The true one; None: there is none.
    where : (X, Y, Z) bool
        The brain, over which the average precision is.
    voxel_ml : float
        Volume of a voxel, mL.

    Returns
    -------
    mapping of str to float or str
        `volume_curve` is what is above each of `THRESHOLDS`, mL; `dice_curve` Dice there.
    """
    out: Numbers = {"volume_curve": _words(volume_curve(p, voxel_ml), 6)}
    if lesion is not None:
        curve = dice_curve(p, lesion, THRESHOLDS)
        inside = where | lesion
        out |= {
            "dice_oracle": float(np.max(curve)),
            "dice_soft": soft_dice(p, lesion),
            "average_precision": average_precision(p[inside], lesion[inside]),
            "dice_curve": _words(curve, 4),
        }
    return out


def of_lesion(p: FloatArray, found: Mask, lesion: Mask, where: Mask, voxel_ml: float) -> Numbers:
    """Numbers of the probability of an anomaly and of its mask, where the lesion is known.

    Parameters
    ----------
    p : (X, Y, Z) float32
        Probability.
    found : (X, Y, Z) bool
        The mask of the results, whose threshold was fixed beforehand.
    lesion : (X, Y, Z) bool
        The true one.
    where : (X, Y, Z) bool
        The brain.
    voxel_ml : float
        Volume of a voxel, mL.
    """
    inside = where | lesion
    out: Numbers = {
        **of_score(p, lesion, where, voxel_ml),
        "dice": dice(found, lesion),
        "lesion_f1": count_lesions(found, lesion).f1,
        "ece": expected_calibration_error(p[inside], lesion[inside]),
        "true_ml": float(lesion.sum() * voxel_ml),
        "found_ml": float(found.sum() * voxel_ml),
        "false_ml": float((found & ~lesion).sum() * voxel_ml),
    }
    for n, size in enumerate(by_size(found, lesion, voxel_ml)):
        out |= {f"{part}_{n}": float(getattr(size, part)) for part in _PER_SIZE}
    return {k: v for k, v in out.items() if isinstance(v, str) or np.isfinite(v)}


def of_healthy(p: FloatArray, found: Mask, brain: Mask, voxel_ml: float) -> Numbers:
    """Numbers of a healthy scan, in which all that is called is false.

    Parameters
    ----------
    p : (X, Y, Z) float32
        Probability.
    found : (X, Y, Z) bool
        The mask of the results.
    brain : (X, Y, Z) bool
        The predicted brain.
    voxel_ml : float
        Volume of a voxel, mL.
    """
    return {
        **of_score(p, None, brain, voxel_ml),
        "healthy_ml": float(found.sum() * voxel_ml),
        "anomalous_percent": 100 * float(found.sum()) / max(int(brain.sum()), 1),
    }


def volume_curve(p: FloatArray, voxel_ml: float) -> npt.NDArray[np.float64]:
    """Volume of `p > t` for each t of `THRESHOLDS`, mL.

    Parameters
    ----------
    p : float array
        Scores.
    voxel_ml : float
        Volume of a voxel, mL.
    """
    seen = np.sort(p[p > 0], axis=None)
    above = seen.size - np.searchsorted(seen, THRESHOLDS.astype(p.dtype), "right")
    return np.asarray(above * voxel_ml, np.float64)


def _words(values: npt.NDArray[np.float64], digits: int) -> str:
    return " ".join(f"{x:.{digits}g}" for x in values)
