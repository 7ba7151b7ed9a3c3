"""How often people of a group are called abnormal, by a threshold that healthy people give.

The threshold is that of split conformal prediction: half of the healthy people give it, the other half is
called by it, and this is done for many random halves.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .groups import Codes
from .ranking import Scores, false_positive_threshold

Halves = npt.NDArray[np.bool_]

HALVES_OF_A_RESAMPLE = 16
"""Whose mean is taken. The halving widens intervals: of 4 by six tenths, of 16 by two, of 64 not at all."""


@dataclass(frozen=True, eq=False)
class Called:
    """What many random halves made of everybody.

    Parameters
    ----------
    rates : (N,) float
        How often each was called abnormal, of the times when it gave no threshold; nan: it always gave one.
    thresholds : (S,) float
        Of each half; +∞ where it was too small.
    """

    rates: Scores
    thresholds: Scores


def draw_halves(pool: npt.NDArray[np.bool_], splits: int, rng: np.random.Generator) -> Halves:
    """Random halves (S, N) of the pool, the smaller where its number is odd: who gives the threshold.

    Parameters
    ----------
    pool : (N,) bool
        Who may give it.
    splits : int
        S.
    rng : Generator
        Source of randomness.

    Examples
    --------
    >>> draw_halves(np.array([True, True, False]), 4, np.random.default_rng(0)).sum(1)
    array([1, 1, 1, 1])
    """
    places = np.flatnonzero(pool)
    order = np.argsort(rng.random((splits, len(places))), axis=1)
    chosen = np.zeros((splits, len(pool)), dtype=bool)
    np.put_along_axis(chosen, places[order[:, : len(places) // 2]], True, axis=1)
    return chosen


def conformal_thresholds(scores: Scores, counts: npt.ArrayLike, alpha: float) -> Scores:
    """`conformal.conformal_threshold` of many samples at once, (R,).

    Parameters
    ----------
    scores : (N,) float
        Of all.
    counts : (R, N) int or bool
        How often each score is in each sample.
    alpha : float
        In (0, 1).
    """
    order = np.argsort(scores, kind="stable")
    total = np.cumsum(np.asarray(counts, np.float64)[:, order], 1)
    rank = np.ceil((total[:, -1] + 1) * (1 - alpha) - 1e-9)
    place = (total < rank[:, None]).sum(1)
    above = np.append(np.nextafter(np.asarray(scores, np.float64)[order], np.inf), np.inf)
    thresholds: Scores = above[place]
    return thresholds


def called(scores: Scores, halves: Halves, alpha: float, twins: Codes | None = None) -> Called:
    """How often each is called abnormal, by thresholds of other people.

    Parameters
    ----------
    scores : (N,) float
        Of all, normal or not.
    halves : (S, N) bool
        Who gives each threshold; normals alone.
    alpha : float
        Share of normals that may be called abnormal.
    twins : (N,) int, optional
        Whose normal score is the same person's: place among the N, its own where there is no other.
    """
    thresholds = conformal_thresholds(scores, halves, alpha)
    above = scores[None] >= thresholds[:, None]
    other = ~halves if twins is None else ~halves[:, twins]
    times = other.sum(0)
    rates = np.where(times > 0, (above & other).sum(0) / np.maximum(times, 1), np.nan)
    return Called(rates, thresholds)


def called_by_group(
    scores: Scores, halves: Halves, groups: Codes, alpha: float, twins: Codes | None = None
) -> Called:
    """`called`, each by thresholds of its own group; those of the result are (S, k), k groups from 0.

    So the guarantee holds within every group (Vovk 2012, Mondrian conformal prediction), if it has enough
    normals: half of them must be at least `conformal.fewest_normals`.

    Parameters
    ----------
    scores : (N,) float
        Of all, normal or not.
    halves : (S, N) bool
        Who gives each threshold; normals alone.
    groups : (N,) int
        Group of each, from 0.
    alpha : float
        Share of normals that may be called abnormal.
    twins : (N,) int, optional
        As of `called`.
    """
    rates, thresholds = np.full(len(scores), np.nan), []
    for group in range(int(groups.max()) + 1):
        own = groups == group
        part = called(scores, halves & own, alpha, twins)
        rates[own] = part.rates[own]
        thresholds.append(part.thresholds)
    return Called(rates, np.stack(thresholds, 1))


def resampled_rates(
    scores: Scores,
    weights: Scores,
    pool: npt.NDArray[np.bool_],
    members: npt.NDArray[np.bool_],
    alpha: float,
    twins: Codes,
) -> Scores:
    """Share of each set that is called abnormal in each bootstrap resample, (R, k).

    Its thresholds are of random halves of the people drawn; whoever was drawn twice is twice in one half.

    Parameters
    ----------
    scores : (N,) float
        Of all.
    weights : (R, N) float
        How often each was drawn.
    pool : (N,) bool
        Normals that may give the threshold.
    members : (k, N) bool
        The sets.
    alpha : float
        Share of normals that may be called abnormal.
    twins : (N,) int
        As of `called`.
    """
    rng = np.random.default_rng(0)
    total, many = np.zeros((len(weights), len(members))), np.zeros((len(weights), len(members)))
    for _ in range(HALVES_OF_A_RESAMPLE):
        half = draw_halves(pool, len(weights), rng)
        limit = conformal_thresholds(scores, weights * half, alpha)
        other = weights * ~half[:, twins]
        total += (other * (scores >= limit[:, None])) @ members.T
        many += other @ members.T
    with np.errstate(invalid="ignore", divide="ignore"):
        rates: Scores = total / many
    return rates


def recall_at_rate(normals: Scores, abnormals: Scores, rate: float) -> float:
    """Share of the abnormals that is found where a share `rate` of these very normals is called.

    Parameters
    ----------
    normals, abnormals : (n,), (m,) float
        Scores.
    rate : float
        In [0, 1].

    Examples
    --------
    >>> recall_at_rate(np.arange(20.0), np.array([18.0, 19.0, 25.0]), 0.05)
    0.6666666666666666
    """
    if not len(normals) or not len(abnormals):
        return float("nan")
    return float((abnormals >= false_positive_threshold(normals, rate)).mean())
