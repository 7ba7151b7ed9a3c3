"""One run: learn from the training normals, choose on validation, score the test set once."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...learn.pace import TrainingProgress
from ...methods.common.detector import Detector
from ...methods.common.detector_gallery import Limits
from ...methods.common.findings import LABELS, OnStep, Validation
from ...methods.common.likeness import sheet_of
from ...methods.common.scorer import PictureScorer
from ...methods.common.threshold import label_free
from ...metrics.ranking import (
    Labels,
    Scores,
    auc,
    average_precision,
    decide,
    f1_threshold,
    false_positive_threshold,
    youden_threshold,
)
from ...scan.read_picture import PictureAt
from .gallery import clearest, extremes, gallery_of, widened
from .others import OtherScores, areas_of_others

KEPT_STEPS = 200
"""Of a training whose losses are kept, at most."""

FALSE_POSITIVES = 0.1
"""Share of validation normals that the rule "fpr" allows."""


@dataclass(frozen=True, eq=False)
class NamedImages:
    """Images of one set of a fold.

    Parameters
    ----------
    ids : tuple of str
        What tables call them.
    labels : (n,) int
        0 normal, 1 abnormal.
    sources : tuple of PictureAt
        Where they are.
    groups : tuple of str
        Whose they are.
    """

    ids: tuple[str, ...]
    labels: Labels
    sources: tuple[PictureAt, ...]
    groups: tuple[str, ...]


def measure_folds(
    detector: Detector,
    folds: Sequence[Mapping[str, NamedImages]],
    on_step: OnStep | None = None,
    folder: Path | None = None,
) -> list[dict[str, Any]]:
    """Everything that is known of runs that learn from the same images, as plain values, in their order.

    There is one training; each run chooses of its states on its own validation. Test labels are used after
    the scores are there, to count. A threshold is infinite where validation normals are too few for it; as
    JSON has none, thresholds are text.

    Parameters
    ----------
    detector : Detector
        It has learned nothing.
    folds : sequence of mapping of NamedImages
        Of each run "train" (normals alone; the same in all), "validation" and "test".
    on_step : function, optional
        Called after each step of a training.
    folder : Path, optional
        Of the training: one that was stopped goes on there.

    Raises
    ------
    ValueError
        There are abnormals among those to learn from; an image is in two sets; the runs learn from others.
    """
    train = folds[0]["train"]
    if train.labels.any():
        raise ValueError("an abnormal image is among those to learn from")
    for sets in folds:
        require_apart(sets)
        if sets["train"].ids != train.ids:
            raise ValueError("runs that share a training learn from the same images")
    losses = Losses(on_step)
    validations = [Validation(sets["validation"].sources, sets["validation"].labels) for sets in folds]
    fitted = detector.fit_each(train.sources, validations, on_step=losses, folder=folder)
    return [{**_measured(one, sets), "losses": losses.rows} for one, sets in zip(fitted, folds, strict=True)]


def _measured(detector: Detector, sets: Mapping[str, NamedImages]) -> dict[str, Any]:
    validation, test = sets["validation"], sets["test"]
    choices: dict[str, Any] = {}
    rows: dict[str, list[float]] = {}
    shown: dict[str, Any] = {}
    for how in sorted(detector.choices, key=lambda how: (how == LABELS, how)):  # the protocol's is shown
        detector.use(how)
        seen = OtherScores(detector.config.pooling), OtherScores(detector.config.pooling)
        on_validation, _ = scored(detector, validation, seen[0])
        on_test, limits = scored(detector, test, seen[1])
        choices[how] = {
            "facts": dict(detector.choices[how].facts),
            "validation": areas(on_validation, validation.labels),
            "test": areas(on_test, test.labels),
            "rules": _by_rule(
                how, on_validation, validation.labels, on_test, test.labels, detector.config.alpha
            ),
        }
        rows[how] = [*on_validation.tolist(), *on_test.tolist()]
        rule, first = next(iter(choices[how]["rules"].items()))
        chosen = clearest(on_test, test.labels, float(first["threshold"]))
        ends = extremes(on_test, test.labels)
        shown = {"choice": how, "rule": rule, **gallery_of(detector, test.sources, chosen, ends, limits)}
    if (jpeg := sheet_of(detector, sets["train"].sources)) is not None:
        shown["generated"] = base64.b64encode(jpeg).decode("ascii")
    name_rows(shown, test, rows[shown["choice"]][len(validation.ids) :])
    return {
        "choices": choices,
        "scores": score_rows(validation, test, rows),
        "others": areas_of_others(
            detector, (validation.sources, validation.labels), (test.sources, test.labels), seen
        ),
        "history": list(detector.history),
        "notes": list(detector.notes),
        "channels": detector.channels,
        "gallery": shown,
    }


def name_rows(shown: dict[str, Any], test: NamedImages, scores: Sequence[float]) -> None:
    """Say of each picture of a gallery which image it is, and its score.

    Parameters
    ----------
    shown : dict
        Of `gallery_of`; changed in place.
    test : NamedImages
        The test set.
    scores : sequence of float
        Of each of its images.
    """
    for row in (*shown["rows"], *shown["ends"]):
        place = row.pop("place")
        row |= {"id": test.ids[place], "score": scores[place]}


class Losses:
    """Losses of a training at some two hundred of its steps, at most.

    Parameters
    ----------
    on_step : function, optional
        Called with each step too.
    """

    def __init__(self, on_step: OnStep | None = None) -> None:
        self.on_step = on_step
        self.rows: list[dict[str, float]] = []

    def __call__(self, now: TrainingProgress) -> None:
        """Keep what a step says.

        Parameters
        ----------
        now : TrainingProgress
            After a step.
        """
        if self.on_step is not None:
            self.on_step(now)
        if now.step % max(1, -(-now.steps // KEPT_STEPS)) == 0:
            losses = {name: float(f"{x:.6g}") for name, x in now.values.items() if name.endswith("loss")}
            self.rows.append({"step": float(now.step), **losses})


def scored(
    detector: PictureScorer, test: NamedImages, others: OtherScores | None = None
) -> tuple[Scores, Limits]:
    """Scores of a set, and the limits of its maps: no more than one picture is held at a time.

    Parameters
    ----------
    detector : PictureScorer
        Fitted.
    test : NamedImages
        To score.
    others : OtherScores, optional
        Takes note of each.
    """
    scores, limits = [], None
    for found in detector.findings(test.sources):
        scores.append(found.score)
        if others is not None:
            others.add(found)
        limits = widened(limits, found.map[found.square.valid])
    return np.array(scores), limits or (0.0, 1.0)


def areas(scores: Scores, labels: Labels) -> dict[str, float]:
    """AUC and AP.

    Parameters
    ----------
    scores : (N,) float
        The higher, the more abnormal.
    labels : (N,) int
        0 normal, 1 abnormal.
    """
    return {"auc": auc(scores, labels), "average_precision": average_precision(scores, labels)}


def thresholds_of(how: str, scores: Scores, labels: Labels, alpha: float) -> dict[str, float]:
    """Thresholds that validation gives, by rule: with labels F1, Youden's J, a share of false positives.

    Without labels the quantile of the normals and, with a guarantee, the conformal one.

    Parameters
    ----------
    how : str
        "labels" or "label-free".
    scores : (n,) float
        Of validation.
    labels : (n,) int
        0 normal, 1 abnormal.
    alpha : float
        Share of normals of the label-free rules.
    """
    normals = scores[labels == 0]
    if how == LABELS:
        return {
            "f1": f1_threshold(scores, labels),
            "youden": youden_threshold(scores, labels),
            "fpr": false_positive_threshold(normals, FALSE_POSITIVES),
        }
    chosen = label_free(normals, alpha)
    quantile = float(np.quantile(normals, 1 - alpha))
    return {"quantile": quantile, **({"conformal": chosen.value} if chosen.rule == "conformal" else {})}


def _by_rule(
    how: str, validation: Scores, validated: Labels, test: Scores, tested: Labels, alpha: float
) -> dict[str, Any]:
    return {
        rule: {"threshold": repr(t), "test": decide(test, tested, t).as_dict()}
        for rule, t in thresholds_of(how, validation, validated, alpha).items()
    }


def require_apart(sets: Mapping[str, NamedImages]) -> None:
    """Raise `ValueError` if an image is in two sets.

    Parameters
    ----------
    sets : mapping of NamedImages
        "train", "validation" and "test".
    """
    train, validation, test = (set(sets[name].ids) for name in ("train", "validation", "test"))
    if twice := train & validation | test & (train | validation):
        raise ValueError(f"{min(twice)} is in two of the three sets")


def score_rows(
    validation: NamedImages, test: NamedImages, rows: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """A row for each image: id, set, label, and its raw score by each choice.

    Parameters
    ----------
    validation, test : NamedImages
        The sets that were scored.
    rows : mapping of sequences
        Scores of validation, then of the test set, by how the epoch was chosen.
    """
    names = [("validation", n, validation) for n in range(len(validation.ids))]
    names += [("test", n, test) for n in range(len(test.ids))]
    return [
        {
            "id": images.ids[n],
            "set": name,
            "label": int(images.labels[n]),
            **{how: values[place] for how, values in rows.items()},
        }
        for place, (name, n, images) in enumerate(names)
    ]
