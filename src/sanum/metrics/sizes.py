"""Lesions by their size: a total hides that the small ones are missed."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..types import Mask
from .overlap import LEAST_OVERLAP

BOUNDS_ML = (0.1, 1.0, 10.0)
SIZES = ("below 0.1 mL", "0.1 to 1 mL", "1 to 10 mL", "10 mL and more")
"""Names of the bins that `BOUNDS_ML` part; a bound belongs to the bin above it."""


@dataclass(frozen=True)
class OfSize:
    """Lesions of one bin of size, and what was called there.

    Parameters
    ----------
    true : int
        True lesions of this size.
    detected : int
        Those of which the asked share of voxels is called.
    recall : float
        Share of the voxels of these lesions that is called; nan without such lesions.
    dice : float
        Of these lesions with the called parts that meet one of them, without voxels of true lesions of other
        sizes; nan without such lesions. Parts that meet no lesion at all are in `false`, not here.
    false : int
        Called parts of this size of which less than the asked share is true.
    false_ml : float
        What they measure together, mL.
    """

    true: int
    detected: int
    recall: float
    dice: float
    false: int
    false_ml: float


def by_size(found: Mask, truth: Mask, voxel_ml: float, least: float = LEAST_OVERLAP) -> tuple[OfSize, ...]:
    """True lesions and false parts (26 neighbours) in each bin of `SIZES`.

    Parameters
    ----------
    found : (X, Y, Z) bool
        What a method calls lesion.
    truth : (X, Y, Z) bool
        Lesions there are; may be empty.
    voxel_ml : float
        Volume of a voxel, mL.
    least : float
        As of `count_lesions`.
    """
    around, box = np.ones((3,) * truth.ndim), ndimage.find_objects((found | truth).view(np.uint8))
    found, truth = (x[box[0]] if box else x for x in (found, truth))
    called, n_called = ndimage.label(found, structure=around)
    lesion, n_lesions = ndimage.label(truth, structure=around)
    size, hit = _sizes(lesion, n_lesions), _sizes(lesion * found, n_lesions)
    part, right = _sizes(called, n_called), _sizes(called * truth, n_called)
    bin_of_lesion = np.digitize(size * voxel_ml, BOUNDS_ML)
    bin_of_part = np.digitize(part * voxel_ml, BOUNDS_ML)
    is_false = right < least * part
    both = np.unique(np.stack([lesion[truth & found], called[truth & found]]), axis=1)
    out = []
    for n in range(len(SIZES)):
        here = bin_of_lesion == n
        meeting = np.unique(both[1][here[both[0] - 1]]) - 1
        # of the parts that meet them: all but what other sizes' lesions explain
        elsewhere = np.zeros(n_called, int)
        other = ~here[lesion[truth & found] - 1]
        np.add.at(elsewhere, called[truth & found][other] - 1, 1)
        total = int(size[here].sum())
        near = int((part - elsewhere)[meeting].sum())
        wrong = (bin_of_part == n) & is_false
        out.append(
            OfSize(
                true=int(here.sum()),
                detected=int((hit[here] >= least * size[here]).sum()),
                recall=int(hit[here].sum()) / total if total else float("nan"),
                dice=2 * int(hit[here].sum()) / (total + near) if total else float("nan"),
                false=int(wrong.sum()),
                false_ml=float(part[wrong].sum() * voxel_ml),
            )
        )
    return tuple(out)


def _sizes(labels: np.ndarray, n: int) -> np.ndarray:
    """Voxels of each label, 1 to n."""
    return np.bincount(labels.ravel(), minlength=n + 1)[1:]
