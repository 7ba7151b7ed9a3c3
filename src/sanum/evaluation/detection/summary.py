"""Over all runs: means, deviations between the runs, and bootstrap intervals over images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.folds import Split
from ...data.pictures import PictureSet
from ...metrics.ranking import decide
from ...metrics.resampling import ScoredRun, Weights, draw_weights, intervals
from .measure import areas

ALL_POSITIVE = "everything abnormal"
RULES = (
    ("labels", "f1"),
    ("labels", "youden"),
    ("labels", "fpr"),
    ("label-free", "quantile"),
    ("label-free", "conformal"),
)
"""How epoch and threshold were chosen, in the order of the tables; the first is the protocol's."""


@dataclass(frozen=True)
class Spread:
    """One number over all runs.

    Parameters
    ----------
    mean : float
        Over the runs.
    sd : float
        Between the runs, of the population (divided by their number). Runs share images: no standard error.
    low, high : float
        95 % bootstrap interval of the mean, over images.
    """

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class SummaryRow:
    """A method with one way of choosing epoch and threshold.

    Parameters
    ----------
    method : str
        As tables call it.
    choice, rule : str
        Of `RULES`.
    runs : int
        That were done.
    numbers : mapping of Spread
        By name.
    """

    method: str
    choice: str
    rule: str
    runs: int
    numbers: Mapping[str, Spread]


def summarize(
    found: PictureSet,
    folds: Sequence[Split],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    rules: Sequence[tuple[str, str]] = RULES,
    seed: int = 0,
) -> list[SummaryRow]:
    """Rows of every method and rule, and one of calling everything abnormal.

    Parameters
    ----------
    found : PictureSet
        The data set.
    folds : sequence of Split
        Of the protocol.
    runs : mapping of sequences
        What `measure.measure_folds` gave for each fold that was done, by method.
    rules : sequence of (str, str)
        How epoch and threshold were chosen, the protocol's first.
    seed : int
        Of the bootstrap.
    """
    weights = draw_weights(found.labels, found.groups, seed=seed)
    place = {entry.id: n for n, entry in enumerate(found.entries)}
    rows = []
    for method, of_method in runs.items():
        for choice, rule in rules:
            scored = [_scored(run, choice, rule, place) for run in of_method]
            there = [one for one in scored if one is not None]
            if there:
                rows.append(_row(method, choice, rule, there, found, weights))
    everything = [ScoredRun(np.array(f.test), np.zeros(len(f.test)), -np.inf) for f in folds]
    rows.append(_row(ALL_POSITIVE, *rules[0], everything, found, weights))
    return rows


def _scored(run: Mapping[str, Any], choice: str, rule: str, place: Mapping[str, int]) -> ScoredRun | None:
    told = run["choices"].get(choice, {}).get("rules", {}).get(rule)
    if told is None:
        return None
    test = [row for row in run["scores"] if row["set"] == "test"]
    return ScoredRun(
        np.array([place[row["id"]] for row in test]),
        np.array([row[choice] for row in test], dtype=np.float64),
        float(told["threshold"]),
    )


def _row(
    method: str, choice: str, rule: str, runs: Sequence[ScoredRun], found: PictureSet, weights: Weights
) -> SummaryRow:
    labels = found.labels
    measured = [
        {
            **areas(run.scores, labels[run.images]),
            **decide(run.scores, labels[run.images], run.threshold).as_dict(),
        }
        for run in runs
    ]
    bounds = intervals(runs, labels, weights)
    numbers = {}
    for name in measured[0]:
        values = np.array([one[name] for one in measured])
        numbers[name] = Spread(float(values.mean()), float(values.std()), *bounds[name])
    return SummaryRow(method, choice, rule, len(runs), numbers)
