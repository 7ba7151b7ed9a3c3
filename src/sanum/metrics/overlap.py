"""How well a map of probabilities, or of differences, finds a lesion."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn.metrics import average_precision_score

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
LEAST_OVERLAP = 0.1


def soft_dice(p: Array, truth: Mask) -> float:
    """2 ∑ p·y / (∑ p + ∑ y), no threshold; nan if both are empty.

    >>> soft_dice(np.array([0.5, 0.5, 0.0]), np.array([True, False, False]))
    0.5
    """
    total = float(p.sum(dtype=np.float64)) + int(truth.sum())
    return 2 * float(p[truth].sum(dtype=np.float64)) / total if total else float("nan")


def dice_curve(p: Array, truth: Mask, thresholds: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Dice of `p > t` with `truth` for each threshold t; nan where both are empty."""
    t = np.asarray(thresholds, dtype=p.dtype)
    every, hit = np.sort(p, axis=None), np.sort(p[truth])
    found = every.size - np.searchsorted(every, t, "right")
    right = hit.size - np.searchsorted(hit, t, "right")
    total = found + hit.size
    return np.where(total > 0, 2 * right / np.maximum(total, 1), np.nan)


@dataclass(frozen=True)
class Lesions:
    """Lesions counted one by one.

    Parameters
    ----------
    true : int
        Lesions there are.
    seen : int
        True lesions that were found.
    found : int
        Parts called lesion.
    right : int
        Parts called lesion that are.
    """

    true: int
    seen: int
    found: int
    right: int

    @property
    def f1(self) -> float:
        """2 · precision · recall / (precision + recall); nan without a true lesion."""
        if not self.true:
            return float("nan")
        recall, precision = self.seen / self.true, self.right / self.found if self.found else 0.0
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def count_lesions(found: Mask, truth: Mask, least: float = LEAST_OVERLAP) -> Lesions:
    """Count connected parts (26 neighbours); one counts as met where `least` of its voxels are in the other.

    No part is too small to count.
    """
    return Lesions(*_met(truth, found, least), *_met(found, truth, least))


def _met(parts_of: Mask, other: Mask, least: float) -> tuple[int, int]:
    """Number of parts, and of those of which the share `least` lies in `other`."""
    parts, n = ndimage.label(parts_of, structure=np.ones((3,) * parts_of.ndim))
    size = np.bincount(parts[parts > 0], minlength=n + 1)[1:]
    shared = np.bincount(parts[(parts > 0) & other], minlength=n + 1)[1:]
    return n, int((shared >= least * size).sum())


def average_precision(p: Array, truth: Mask) -> float:
    """Area under precision over recall, voxel by voxel; nan without a lesion."""
    return float(average_precision_score(truth.ravel(), p.ravel())) if truth.any() else float("nan")
