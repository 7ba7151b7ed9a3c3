"""Means with intervals, and tests between methods: over subjects, for samples of one subject are alike."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

FEWEST_SUBJECTS = 5  # of fewer no interval is given, and no test made
RESAMPLES = 2000


@dataclass(frozen=True)
class Mean:
    """A mean over samples.

    Parameters
    ----------
    value : float
        nan of nothing.
    low, high : float or None
        95 % interval; None of fewer than `FEWEST_SUBJECTS` subjects.
    samples, subjects : int
        With a finite value.
    """

    value: float
    low: float | None
    high: float | None
    samples: int
    subjects: int

    def text(self, digits: int) -> str:
        """The mean, and in brackets its interval if there is one; a dash where nothing is known.

        Parameters
        ----------
        digits : int
            Decimals.

        Examples
        --------
        >>> Mean(0.5, 0.25, 0.75, 9, 6).text(2), Mean(0.5, None, None, 3, 1).text(1)
        ('0.50 [0.25, 0.75]', '0.5')
        """
        if not np.isfinite(self.value):
            return "–"
        value = f"{self.value:.{digits}f}"
        if self.low is None or self.high is None:
            return value
        return f"{value} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def mean_over_subjects(values: npt.ArrayLike, subjects: Sequence[Hashable], *, seed: int = 0) -> Mean:
    """Mean of the finite values with a bootstrap interval over subjects (BCa, Efron 1987).

    All samples of a subject are drawn together; the same seed gives the same interval.

    Parameters
    ----------
    values : (N,) float
        One for each sample; those that are not finite are left out.
    subjects : (N,) sequence
        Whose sample it is.
    seed : int
        Of the bootstrap.
    """
    sums, counts = _by_subject(values, subjects)
    n, samples = len(sums), int(counts.sum())
    if not n:
        return Mean(float("nan"), None, None, 0, 0)
    value = float(sums.sum() / samples)
    if n < FEWEST_SUBJECTS:
        return Mean(value, None, None, samples, n)
    if np.ptp(sums / counts) == 0:
        return Mean(value, value, value, samples, n)
    low, high = stats.bootstrap(
        (sums, counts),
        lambda s, c, axis: s.sum(axis) / c.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="BCa",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Mean(value, float(low), float(high), samples, n)


def paired_test(one: npt.ArrayLike, other: npt.ArrayLike, subjects: Sequence[Hashable]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test on the subjects' mean differences.

    `one` and `other` are of the same samples; None of fewer than `FEWEST_SUBJECTS` subjects.

    Parameters
    ----------
    one : (N,) float
        Values of one method, by sample.
    other : (N,) float
        Values of the other, of the same samples.
    subjects : (N,) sequence
        Whose sample it is.
    """
    difference = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    sums, counts = _by_subject(difference, subjects)
    if len(sums) < FEWEST_SUBJECTS:
        return None
    means = sums / counts
    return float(stats.wilcoxon(means).pvalue) if np.any(means) else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """P values adjusted for their number (Holm 1979), in the order given.

    Parameters
    ----------
    p : sequence of float
        In [0, 1].

    Examples
    --------
    >>> [round(x, 3) for x in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    stepped = np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1)
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return out.tolist()


def _by_subject(
    values: npt.ArrayLike, subjects: Sequence[Hashable]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum and number of the finite values of each subject that has any."""
    x = np.asarray(values, dtype=np.float64)
    if x.shape != (len(subjects),):
        raise ValueError(f"expected one value for each of {len(subjects)} samples, got {x.shape}")
    finite = np.isfinite(x)
    names = {s: n for n, s in enumerate(dict.fromkeys(subjects))}
    where = np.array([names[s] for s in subjects], dtype=int)[finite]
    counts = np.bincount(where, minlength=len(names)).astype(np.float64)
    sums = np.bincount(where, weights=x[finite], minlength=len(names)).astype(np.float64)
    return sums[counts > 0], counts[counts > 0]
