"""A threshold from normals alone, with a guarantee: split conformal prediction."""

import math

import numpy as np
import numpy.typing as npt


def conformal_threshold(normals: npt.ArrayLike, alpha: float) -> float:
    r"""Threshold t at which a new normal is called abnormal (score ≥ t) with probability at most α.

    With n scores of normals that the detector has not learned from, t lies just above the k-th smallest,
    k = ⌈(n + 1)(1 − α)⌉. If a new normal is exchangeable with them, its rank is uniform, so
    P(S ≥ t) ≤ P(S > s₍ₖ₎) ≤ α (Vovk et al. 2005; Lei et al. 2018). The probability is over the new image
    *and* the n scores; for one given set of n it may be larger. +∞ where k > n: n < 1/α − 1 are too few.

    Parameters
    ----------
    normals : (n,) float
        Scores of normals, held out.
    alpha : float
        In (0, 1).

    Examples
    --------
    >>> conformal_threshold(range(1, 20), 0.05) > 19, conformal_threshold(range(5), 0.05)
    (True, inf)
    """
    scores = np.sort(np.asarray(normals, dtype=np.float64))
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is a probability between 0 and 1, got {alpha}")
    if np.isnan(scores).any():
        raise ValueError("a score is no number")
    # a hair less, for (n + 1)(1 − α) may be a whole number that floats miss by a bit
    rank = math.ceil((len(scores) + 1) * (1 - alpha) - 1e-9)
    if rank > len(scores):
        return math.inf
    return float(np.nextafter(scores[rank - 1], np.inf))


def fewest_normals(alpha: float) -> int:
    """How many normals a finite conformal threshold needs.

    Parameters
    ----------
    alpha : float
        In (0, 1).

    Examples
    --------
    >>> fewest_normals(0.05), fewest_normals(0.1)
    (19, 9)
    """
    return math.ceil(1 / alpha - 1 - 1e-9)
