"""Whether probabilities and expected errors mean what they say."""

from collections.abc import Sequence

import numpy as np

from ..types import FloatArray, Mask


def expected_calibration_error(p: FloatArray, truth: Mask, bins: int = 15) -> float:
    """∑ over bins of equal width of n_b/n · |mean p − share of truth| (Naeini et al. 2015); nan of nothing.

    Parameters
    ----------
    p : float array
        Probabilities in [0, 1], of any shape.
    truth : bool array
        Of the same shape.
    bins : int
        Of equal width, over [0, 1].

    Examples
    --------
    >>> p, truth = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 0, 1, 0], bool)
    >>> round(expected_calibration_error(p, truth), 3)
    0.25
    """
    if not p.size:
        return float("nan")
    where = np.minimum((p.ravel() * bins).astype(int), bins - 1)
    expected = np.bincount(where, weights=p.ravel(), minlength=bins)
    observed = np.bincount(where, weights=truth.ravel(), minlength=bins)
    return float(np.abs(expected - observed).sum() / p.size)


def coverage(error: FloatArray, scale: FloatArray, levels: Sequence[float]) -> list[float]:
    """Share of |error| ≤ b·ln(1/(1−q)) for each level q: q itself for a Laplace law of scale b.

    nan of nothing.

    Parameters
    ----------
    error : float array
        Signed errors, of any shape.
    scale : float array
        Predicted scale b of the Laplace law, same shape and unit.
    levels : sequence of float
        Nominal shares q, in (0, 1).

    Examples
    --------
    >>> coverage(np.array([0.5, -0.8, 2.0, 4.0]), np.ones(4), (0.5, 0.95))
    [0.25, 0.75]
    """
    if not error.size:
        return [float("nan")] * len(levels)
    return [float((np.abs(error) <= scale * np.log(1 / (1 - q))).mean()) for q in levels]
