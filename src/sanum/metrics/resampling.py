"""Bootstrap intervals over images, of numbers that are means over runs which share those images.

In cross-validation every image is tested in several runs, so the runs' numbers are not independent, and
their standard deviation says nothing of the next data set. Here images are drawn again, whole groups at a
time and each class by itself; every run is measured on what was drawn, and the mean over the runs is taken.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .ranking import Labels, Scores

RESAMPLES = 2000
Weights = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """Test scores of one run.

    Parameters
    ----------
    images : (n,) int
        Which images of all were tested.
    scores : (n,) float
        Of each.
    threshold : float
        Chosen on this run's validation.
    """

    images: npt.NDArray[np.integer]
    scores: Scores
    threshold: float


def draw_weights(
    labels: Labels, groups: Sequence[Hashable], *, resamples: int = RESAMPLES, seed: int = 0
) -> Weights:
    """How often each image is drawn in each resample, (R, N).

    Parameters
    ----------
    labels : (N,) int
        0 normal, 1 abnormal; a group is drawn with those that have the class of its first image.
    groups : (N,) sequence
        Drawn whole.
    resamples : int
        R.
    seed : int
        Of the draw.
    """
    rng = np.random.default_rng(seed)
    first: dict[Hashable, int] = {}
    for n, group in enumerate(groups):
        first.setdefault(group, n)
    place = {group: n for n, group in enumerate(first)}
    own = np.array([place[group] for group in groups])
    of_group = np.asarray(labels)[list(first.values())]
    drawn = np.zeros((resamples, len(first)))
    for label in np.unique(of_group):
        members = np.flatnonzero(of_group == label)
        drawn[:, members] = rng.multinomial(
            len(members), np.full(len(members), 1 / len(members)), size=resamples
        )
    return drawn[:, own]


def intervals(
    runs: Sequence[ScoredRun], labels: Labels, weights: Weights, *, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Percentile interval of each number's mean over the runs: AUC, AP and those of `ranking.Decisions`.

    Parameters
    ----------
    runs : sequence of ScoredRun
        At least one.
    labels : (N,) int
        Of all images.
    weights : (R, N) float
        Of `draw_weights`.
    level : float
        Of the interval.
    """
    names: dict[str, list[Weights]] = {}
    for run in runs:
        measured = weighted_numbers(run, np.asarray(labels)[run.images], weights[:, run.images])
        for name, values in measured.items():
            names.setdefault(name, []).append(values)
    tails = [(1 - level) / 2 * 100, (1 + level) / 2 * 100]
    found = {}
    for name, rows in names.items():
        values = np.stack(rows)
        there = (~np.isnan(values)).sum(0)
        means = (np.nansum(values, 0) / np.maximum(there, 1))[there > 0]
        low, high = np.percentile(means, tails) if means.size else (np.nan, np.nan)
        found[name] = (float(low), float(high))
    return found


def weighted_numbers(run: ScoredRun, labels: Labels, weights: Weights) -> dict[str, Weights]:
    """Numbers of one run in each resample, (R,) each; nan where a class was not drawn.

    Parameters
    ----------
    run : ScoredRun
        Scores of n images.
    labels : (n,) int
        Of these images.
    weights : (R, n) float
        How often each was drawn.
    """
    abnormal = np.asarray(labels) == 1
    w1, w0 = weights[:, abnormal], weights[:, ~abnormal]
    s1, s0 = run.scores[abnormal], run.scores[~abnormal]
    n1, n0 = w1.sum(1), w0.sum(1)
    above = (s1[:, None] > s0[None]) + 0.5 * (s1[:, None] == s0[None])
    hit, false = w1[:, s1 >= run.threshold].sum(1), w0[:, s0 >= run.threshold].sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, specificity = hit / n1, 1 - false / n0
        return {
            "auc": np.einsum("rp,pn,rn->r", w1, above, w0, optimize=True) / (n1 * n0),
            "average_precision": _average_precision(run.scores, abnormal, weights),
            "accuracy": (hit + n0 - false) / (n1 + n0),
            "balanced_accuracy": (recall + specificity) / 2,
            "recall": recall,
            "precision": np.where(hit + false > 0, hit / (hit + false), 0.0),
            "specificity": specificity,
            "f1": 2 * hit / (hit + false + n1),
        }


def _average_precision(scores: Scores, abnormal: npt.NDArray[np.bool_], weights: Weights) -> Weights:
    """∑ (recall_k − recall_k−1) precision_k over distinct scores, from the highest."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # last of each distinct score
    every = np.cumsum(weights[:, order], 1)[:, ends]
    hit = np.cumsum(weights[:, order] * abnormal[order], 1)[:, ends]
    precision = np.where(every > 0, hit / np.maximum(every, 1e-12), 0.0)
    steps = np.diff(hit, axis=1, prepend=0.0)
    total: Weights = hit[:, -1]
    result: Weights = np.where(total > 0, (steps * precision).sum(1) / np.maximum(total, 1e-12), np.nan)
    return result
