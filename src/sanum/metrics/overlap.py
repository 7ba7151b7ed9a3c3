"""How well a map of probabilities, or of differences, finds a lesion."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn.metrics import average_precision_score

from ..types import FloatArray, Mask

LEAST_OVERLAP = 0.1


def soft_dice(p: FloatArray, truth: Mask) -> float:
    """2 ∑ p·y / (∑ p + ∑ y), no threshold; nan if both are empty.

    Parameters
    ----------
    p : float array
        Probabilities in [0, 1].
    truth : bool array
        Of the same shape.

    Examples
    --------
    >>> soft_dice(np.array([0.5, 0.5, 0.0]), np.array([True, False, False]))
    0.5
    """
    total = float(p.sum(dtype=np.float64)) + int(truth.sum())
    return 2 * float(p[truth].sum(dtype=np.float64)) / total if total else float("nan")


def dice_curve(p: FloatArray, truth: Mask, thresholds: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Dice of `p > t` with `truth` for each threshold t; nan where both are empty.

    Parameters
    ----------
    p : float array
        Probabilities or scores.
    truth : bool array
        Of the same shape.
    thresholds : (T,) float
        In the unit of `p`.
    """
    t = np.asarray(thresholds, dtype=p.dtype)
    # most of a volume is below the lowest threshold, and needs no place in the order
    every, hit = np.sort(p[p > t.min(initial=np.inf)], axis=None), np.sort(p[truth])
    found = every.size - np.searchsorted(every, t, "right")
    right = hit.size - np.searchsorted(hit, t, "right")
    total = found + hit.size
    return np.where(total > 0, 2 * right / np.maximum(total, 1), np.nan)


@dataclass(frozen=True)
class LesionCounts:
    """How many lesions there are, and how many were detected.

    Parameters
    ----------
    true : int
        Lesions there are.
    detected : int
        True lesions that a predicted one meets.
    predicted : int
        Predicted lesions.
    correct : int
        Predicted lesions that meet a true one.
    """

    true: int
    detected: int
    predicted: int
    correct: int

    @property
    def f1(self) -> float:
        """2 · precision · recall / (precision + recall); nan without a true lesion."""
        if not self.true:
            return float("nan")
        recall, precision = (
            self.detected / self.true,
            self.correct / self.predicted if self.predicted else 0.0,
        )
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def count_lesions(found: Mask, truth: Mask, least: float = LEAST_OVERLAP) -> LesionCounts:
    """Count connected parts (26 neighbours); one counts as met where `least` of its voxels are in the other.

    No part is too small to count.

    Parameters
    ----------
    found : (X, Y, Z) bool
        What a method calls lesion.
    truth : (X, Y, Z) bool
        Lesions there are.
    least : float
        Share of a part's voxels that must be in the other mask, in [0, 1].
    """
    return LesionCounts(*_met(truth, found, least), *_met(found, truth, least))


def _met(parts_of: Mask, other: Mask, least: float) -> tuple[int, int]:
    """Number of parts, and of those of which the share `least` lies in `other`."""
    parts, n = ndimage.label(parts_of, structure=np.ones((3,) * parts_of.ndim))
    size = np.bincount(parts[parts > 0], minlength=n + 1)[1:]
    shared = np.bincount(parts[(parts > 0) & other], minlength=n + 1)[1:]
    return n, int((shared >= least * size).sum())


def average_precision(p: FloatArray, truth: Mask) -> float:
    """Area under precision over recall, voxel by voxel; nan without a lesion.

    Parameters
    ----------
    p : float array
        Probabilities or scores.
    truth : bool array
        Of the same shape.
    """
    return float(average_precision_score(truth.ravel(), p.ravel())) if truth.any() else float("nan")
