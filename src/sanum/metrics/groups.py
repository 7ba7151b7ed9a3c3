"""How much scores differ between groups of people: effect sizes, tests, and what a covariate explains.

All are of scores of people who are alike in all but the group: healthy ones, each once.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from .ranking import Scores

Codes = npt.NDArray[np.integer]


def auc_weighted(
    low: Scores, high: Scores, low_weights: Scores | None = None, high_weights: Scores | None = None
) -> Scores:
    """P(high > low) + P(high = low)/2 for each of R weightings, (R,): the area under the ROC curve.

    Parameters
    ----------
    low, high : (n,), (m,) float
        Scores of two samples.
    low_weights, high_weights : (R, n), (R, m) float, optional
        How often each counts; default once, and R = 1.

    Examples
    --------
    >>> auc_weighted(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    array([0.875])
    """
    w_low = np.ones((1, len(low))) if low_weights is None else low_weights
    w_high = np.ones((1, len(high))) if high_weights is None else high_weights
    order = np.argsort(low, kind="stable")
    total = np.cumsum(np.pad(w_low[:, order], ((0, 0), (1, 0))), 1)
    below = np.searchsorted(low[order], high, "left")
    not_above = np.searchsorted(low[order], high, "right")
    won = (w_high * (total[:, below] + total[:, not_above]) / 2).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Scores = won / (total[:, -1] * w_high.sum(1))
    return found


def cliffs_delta(one: Scores, other: Scores) -> float:
    """P(one > other) − P(one < other), in [−1, 1] (Cliff 1993, Psychol Bull 114:494); nan of nothing.

    Parameters
    ----------
    one, other : (n,), (m,) float
        Scores of two samples.

    Examples
    --------
    >>> cliffs_delta(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.75
    """
    return float(2 * auc_weighted(other, one)[0] - 1)


def mann_whitney(one: Scores, other: Scores) -> float:
    """Two-sided p of the Mann-Whitney U test: exact for small samples without ties.

    Parameters
    ----------
    one, other : (n,), (m,) float
        Scores of two independent samples.
    """
    return float(stats.mannwhitneyu(one, other).pvalue)


def share_explained(values: Scores, groups: Codes, covariates: Scores | None = None) -> float:
    """Share η² of the variance that the groups explain, beyond what the covariates do (partial η²).

    By chance alone it is about (k − 1)/(n − 1) for k groups of n people.

    Parameters
    ----------
    values : (n,) float
        Scores.
    groups : (n,) int
        Group of each.
    covariates : (n, c) float, optional
        Such as age.

    Examples
    --------
    >>> round(share_explained(np.array([0.0, 2.0, 4.0, 6.0]), np.array([0, 0, 1, 1])), 9)
    0.8
    """
    nuisance, wanted = _bases(groups, covariates)
    return float(_partial(np.asarray(values, np.float64)[None], nuisance, wanted)[0])


def permutation_test(
    values: Scores,
    groups: Codes,
    covariates: Scores | None = None,
    *,
    repeats: int = 2000,
    rng: np.random.Generator,
) -> float:
    """P of `share_explained` when the scores belong to anybody: (1 + as large ones) / (1 + repeats).

    With covariates, the residuals of scores on them are permuted (Freedman and Lane 1983, J Bus Econ Stat
    1:292).

    Parameters
    ----------
    values : (n,) float
        Scores.
    groups : (n,) int
        Group of each.
    covariates : (n, c) float, optional
        Such as age.
    repeats : int
        Permutations.
    rng : Generator
        Source of randomness.
    """
    nuisance, wanted = _bases(groups, covariates)
    x = np.asarray(values, np.float64)
    rest = x - nuisance @ (nuisance.T @ x)
    found = _partial(x[None], nuisance, wanted)[0]
    drawn = rng.permuted(np.tile(rest, (repeats, 1)), axis=1)
    return float((1 + (_partial(drawn, nuisance, wanted) >= found * (1 - 1e-12)).sum()) / (1 + repeats))


def without_covariates(values: Scores, groups: Codes, covariates: Scores, learned: npt.ArrayLike) -> Scores:
    """Scores as everybody would have them at the mean of the covariates.

    The slopes are those within the groups, so that what a group itself does to scores stays.

    Parameters
    ----------
    values : (n,) float
        Scores.
    groups : (n,) int
        Group of each; those of `learned` are looked at.
    covariates : (n, c) float
        Such as age.
    learned : (n,) bool
        From whom slopes are learned: normals.

    Examples
    --------
    >>> age = np.array([[20.0], [40.0], [20.0], [40.0]])
    >>> without_covariates(np.array([1.0, 2, 5, 6]), np.array([0, 0, 1, 1]), age, [True] * 4).round(9)
    array([1.5, 1.5, 5.5, 5.5])
    """
    used = np.asarray(learned, bool)
    x, z = np.asarray(values, np.float64), np.asarray(covariates, np.float64)
    design = np.column_stack([_dummies(groups[used]), z[used]])
    slopes = np.linalg.lstsq(design, x[used], rcond=None)[0][-z.shape[1] :]
    moved: Scores = x - (z - z[used].mean(0)) @ slopes
    return moved


def gap(rates: npt.ArrayLike) -> Scores:
    """Largest less smallest along the last axis, of what is known there.

    Parameters
    ----------
    rates : (…, k) float
        A number of each group; nan: not known.

    Examples
    --------
    >>> float(gap([0.25, np.nan, 0.75]))
    0.5
    """
    x = np.asarray(rates, np.float64)
    known = np.isfinite(x)
    most, least = np.where(known, x, -np.inf).max(-1), np.where(known, x, np.inf).min(-1)
    enough = known.sum(-1) > 1
    found: Scores = np.where(enough, most, np.nan) - np.where(enough, least, 0.0)
    return found


def chance_gaps(
    rates: Scores, groups: Codes, chosen: Sequence[int], *, repeats: int = 2000, rng: np.random.Generator
) -> Scores:
    """Gaps between the groups' means when the rates belong to anybody, (R,).

    Parameters
    ----------
    rates : (n,) float
        How often each person was called abnormal.
    groups : (n,) int
        Group of each.
    chosen : sequence of int
        Groups that are compared; the others' people do not take part.
    repeats : int
        R.
    rng : Generator
        Source of randomness.
    """
    used = np.isin(groups, chosen)
    drawn = rng.permuted(np.tile(rates[used], (repeats, 1)), axis=1)
    places = [groups[used] == one for one in chosen]
    return gap(np.stack([drawn[:, place].mean(1) for place in places], 1))


def _dummies(groups: Codes) -> Scores:
    found: Scores = (np.asarray(groups)[:, None] == np.unique(groups)).astype(np.float64)
    return found


def _bases(groups: Codes, covariates: Scores | None) -> tuple[Scores, Scores]:
    """Orthonormal bases (n, ·): of constant and covariates, and of what the groups add."""
    n = len(groups)
    columns = [np.ones((n, 1))] if covariates is None else [np.ones((n, 1)), np.asarray(covariates, float)]
    nuisance = _basis(np.column_stack(columns))
    dummies = _dummies(groups)
    return nuisance, _basis(dummies - nuisance @ (nuisance.T @ dummies))


def _basis(columns: Scores) -> Scores:
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    basis: Scores = u[:, s > 1e-9 * max(float(s.max(initial=0.0)), 1.0)]
    return basis


def _partial(rows: Scores, nuisance: Scores, wanted: Scores) -> Scores:
    """Share of each row's sum of squares, beyond `nuisance`, that `wanted` takes."""
    rest = rows - (rows @ nuisance) @ nuisance.T
    whole = (rest**2).sum(1)
    part: Scores = ((rest @ wanted) ** 2).sum(1) / np.where(whole > 0, whole, np.inf)
    return part
