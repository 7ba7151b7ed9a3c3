"""How well scores tell abnormal from normal: areas under curves, and what a threshold makes of them."""

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

Scores: TypeAlias = npt.NDArray[np.float64]
Labels: TypeAlias = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Decisions:
    """What a threshold makes of scores: shares in [0, 1]. An image is called abnormal if its score ≥ t.

    Parameters
    ----------
    accuracy : float
        Images called rightly.
    balanced_accuracy : float
        Mean of recall and specificity.
    recall : float
        Abnormals that are called so.
    precision : float
        Of those called abnormal, how many are; 0 where none is called.
    specificity : float
        Normals that are called so.
    f1 : float
        2 · precision · recall / (precision + recall), of the abnormal class; 0 where none is found.
    """

    accuracy: float
    balanced_accuracy: float
    recall: float
    precision: float
    specificity: float
    f1: float

    def as_dict(self) -> dict[str, float]:
        """By name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def auc(scores: Scores, labels: Labels) -> float:
    """Area under the receiver operating characteristic; nan where there is one class only.

    Parameters
    ----------
    scores : (N,) float
        The higher, the more abnormal.
    labels : (N,) int
        0 normal, 1 abnormal.
    """
    return float(roc_auc_score(labels, scores)) if _both(labels) else float("nan")


def average_precision(scores: Scores, labels: Labels) -> float:
    """Area under precision over recall, as a sum of steps; nan where there is one class only.

    Parameters
    ----------
    scores : (N,) float
        The higher, the more abnormal.
    labels : (N,) int
        0 normal, 1 abnormal.
    """
    return float(average_precision_score(labels, scores)) if _both(labels) else float("nan")


def decide(scores: Scores, labels: Labels, threshold: float) -> Decisions:
    """Decisions at a threshold.

    Parameters
    ----------
    scores : (N,) float
        The higher, the more abnormal.
    labels : (N,) int
        0 normal, 1 abnormal.
    threshold : float
        May be infinite.

    Examples
    --------
    >>> decide(np.array([0.1, 0.4, 0.8]), np.array([0, 1, 1]), 0.5).recall
    0.5
    """
    called, truth = np.asarray(scores) >= threshold, np.asarray(labels) == 1
    hit, missed = int((called & truth).sum()), int((~called & truth).sum())
    false, right = int((called & ~truth).sum()), int((~called & ~truth).sum())
    recall = hit / (hit + missed) if truth.any() else float("nan")
    specificity = right / (right + false) if not truth.all() else float("nan")
    return Decisions(
        accuracy=(hit + right) / max(len(truth), 1),
        balanced_accuracy=(recall + specificity) / 2,
        recall=recall,
        precision=hit / (hit + false) if hit + false else 0.0,
        specificity=specificity,
        f1=2 * hit / (2 * hit + false + missed) if truth.any() else float("nan"),
    )


def candidates(scores: Scores) -> Scores:
    """Thresholds that are tried, from the largest: +∞, which calls none, and every distinct score.

    Parameters
    ----------
    scores : (N,) float
        Of validation.
    """
    return np.concatenate([[np.inf], np.unique(scores)[::-1]])


def f1_threshold(scores: Scores, labels: Labels) -> float:
    """The threshold of largest F1 of the abnormal class; of several the largest.

    Parameters
    ----------
    scores : (N,) float
        Of validation.
    labels : (N,) int
        0 normal, 1 abnormal.

    Examples
    --------
    >>> f1_threshold(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 0, 1]))
    2.0
    """
    return _best(candidates(scores), [decide(scores, labels, t).f1 for t in candidates(scores)])


def youden_threshold(scores: Scores, labels: Labels) -> float:
    """The threshold of largest recall + specificity − 1 (Youden's J); of several the largest.

    Parameters
    ----------
    scores : (N,) float
        Of validation.
    labels : (N,) int
        0 normal, 1 abnormal.
    """
    tried = candidates(scores)
    return _best(tried, [decide(scores, labels, t).balanced_accuracy for t in tried])


def false_positive_threshold(normals: Scores, rate: float) -> float:
    """The smallest score at which at most a share `rate` of the given normals is called; +∞ if none is.

    It says nothing of other normals: for that see `conformal.conformal_threshold`.

    Parameters
    ----------
    normals : (N,) float
        Scores of normals.
    rate : float
        In [0, 1].
    """
    tried = candidates(normals)
    allowed = [t for t in tried if (np.asarray(normals) >= t).mean() <= rate]
    return float(allowed[-1])


def _best(tried: Scores, values: list[float]) -> float:
    if np.isnan(values).all():
        raise ValueError("a threshold needs normals and abnormals: one class is missing")
    return float(tried[int(np.nanargmax(values))])  # the first, which is the largest threshold


def _both(labels: Labels) -> bool:
    return len(np.unique(labels)) == 2
