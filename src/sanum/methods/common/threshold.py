"""The score from which an image is called abnormal, and how it was chosen."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...metrics.conformal import conformal_threshold, fewest_normals
from ...metrics.ranking import Labels, Scores, f1_threshold

Rule = Literal["f1", "conformal", "quantile", "half", "given"]


@dataclass(frozen=True)
class Threshold:
    """A threshold: an image is abnormal if score ≥ value. Kept beside the weights, in no exported graph.

    Parameters
    ----------
    value : float
        May be +∞: nothing is called abnormal.
    rule : str
        "f1": of largest F1 on validation; "conformal": with a guarantee, see
        `metrics.conformal.conformal_threshold`; "quantile": of scores of held-out normals, with
        none; "half": of a probability, the likelier class; "given".
    level : float or None
        The α of the rule; None where it has none.
    images : int
        Validation images that it was chosen on.
    """

    value: float
    rule: Rule = "given"
    level: float | None = None
    images: int = 0

    def __post_init__(self) -> None:
        if math.isnan(self.value):
            raise ValueError("a threshold is a number")

    def as_json(self) -> dict[str, Any]:
        """Plain values; JSON knows no infinity, so the value is text."""
        return {**vars(self), "value": repr(self.value)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Threshold":
        """What `as_json` gave.

        Parameters
        ----------
        values : dict
            Of `as_json`.
        """
        return cls(**{**values, "value": float(values["value"])})


def label_free(normals: Scores, alpha: float) -> Threshold:
    """Threshold from held-out normals alone: split-conformal, or a quantile where they are too few for that.

    Parameters
    ----------
    normals : (n,) float
        Their scores.
    alpha : float
        Share of normals that may be called abnormal.
    """
    if len(normals) >= fewest_normals(alpha):
        return Threshold(conformal_threshold(normals, alpha), "conformal", alpha, len(normals))
    return Threshold(float(np.quantile(normals, 1 - alpha)), "quantile", alpha, len(normals))


def labelled(scores: Scores, labels: Labels) -> Threshold:
    """Threshold of largest F1 on validation.

    Parameters
    ----------
    scores : (n,) float
        Of validation.
    labels : (n,) int
        0 normal, 1 abnormal; both are there.
    """
    return Threshold(f1_threshold(scores, labels), "f1", None, len(scores))
