"""Whether probabilities and expected errors mean what they say."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def expected_calibration_error(p: Array, truth: Mask, bins: int = 15) -> float:
    """∑ over bins of equal width of n_b/n · |mean p − share of truth| (Naeini et al. 2015); nan of nothing.

    >>> told, true = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 0, 1, 0], bool)
    >>> round(expected_calibration_error(told, true), 3)
    0.25
    """
    if not p.size:
        return float("nan")
    where = np.minimum((p.ravel() * bins).astype(int), bins - 1)
    told = np.bincount(where, weights=p.ravel(), minlength=bins)
    true = np.bincount(where, weights=truth.ravel(), minlength=bins)
    return float(np.abs(told - true).sum() / p.size)


def coverage(error: Array, scale: Array, levels: Sequence[float]) -> list[float]:
    """Share of |error| ≤ b·ln(1/(1−q)) for each level q: q itself for a Laplace law of scale b.

    nan of nothing.

    >>> coverage(np.array([0.5, -0.8, 2.0, 4.0]), np.ones(4), (0.5, 0.95))
    [0.25, 0.75]
    """
    if not error.size:
        return [float("nan")] * len(levels)
    return [float((np.abs(error) <= scale * np.log(1 / (1 - q))).mean()) for q in levels]
