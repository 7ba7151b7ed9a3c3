"""One run of a classifier, and all runs as a batch: what differs from detectors (`evaluation.detection`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...methods.common.findings import OnStep, Validation
from ...metrics.ranking import decide, f1_threshold, youden_threshold
from ..detection.gallery import clearest, extremes, gallery_of
from ..detection.job import CrossvalJob, Manifest, Sets
from ..detection.measure import (
    Losses,
    areas,
    name_rows,
    require_apart,
    score_rows,
    scored,
)
from ..detection.write import Wording

CHOICE = "loss"
RULES = ((CHOICE, "half"), (CHOICE, "f1"), (CHOICE, "youden"))
"""How epoch and threshold were chosen; the first is the study's."""

WORDING = Wording(
    {
        (CHOICE, "half"): "Epoch by validation loss, abnormal where that is the likelier class",
        (CHOICE, "f1"): "Threshold of largest F1 on validation",
        (CHOICE, "youden"): "Threshold of largest recall + specificity on validation",
    },
    RULES,
    "Both classes were learned from; every image was tested once.",
    "sanum classify crossval",
)


@dataclass(frozen=True, eq=False)
class ClassifierCrossvalJob(CrossvalJob):
    """One classifier on every fold.

    Parameters
    ----------
    label, make, files, resources, trainings, done
        As of `CrossvalJob`.
    """

    name: ClassVar[str] = "classify crossval"
    main: ClassVar[tuple[str, str]] = RULES[0]

    def together(self, one: Manifest, other: Manifest) -> bool:
        """Never: every run learns from other images.

        Parameters
        ----------
        one, other : mapping
            Manifests of two folds.
        """
        return False

    def measure(
        self, folds: Sequence[Sets], on_step: OnStep, folder: Path | None = None
    ) -> list[dict[str, Any]]:
        """One run: learn, choose the epoch on validation, score the test set once.

        Parameters
        ----------
        folds : sequence of mapping of NamedImages
            One: "train", "validation" and "test".
        on_step : function
            Called after each step of a training.
        folder : Path, optional
            Of the training.

        Raises
        ------
        ValueError
            An image is in two sets; one class is missing.
        """
        (sets,) = folds
        require_apart(sets)
        train, validation, test = (sets[name] for name in ("train", "validation", "test"))
        classifier, losses = self.make(), Losses(on_step)
        classifier.fit(
            train.sources,
            train.labels,
            groups=train.groups,
            validation=Validation(validation.sources, validation.labels),
            on_step=losses,
            folder=folder,
        )
        on_validation = classifier.score(validation.sources)
        on_test, limits = scored(classifier, test)
        thresholds = {
            "half": 0.5,
            "f1": f1_threshold(on_validation, validation.labels),
            "youden": youden_threshold(on_validation, validation.labels),
        }
        rules = {
            rule: {"threshold": repr(t), "test": decide(on_test, test.labels, t).as_dict()}
            for rule, t in thresholds.items()
        }
        chosen = {
            "facts": dict(classifier.choices[CHOICE].facts),
            "validation": areas(on_validation, validation.labels),
            "test": areas(on_test, test.labels),
            "rules": rules,
        }
        chosen_images = clearest(on_test, test.labels, 0.5), extremes(on_test, test.labels)
        shown = gallery_of(classifier, test.sources, *chosen_images, limits)
        name_rows(shown, test, on_test.tolist())
        looks = [
            {"step": row["step"], "validation loss": row["validation_loss"]} for row in classifier.history
        ]
        told = {
            "choices": {CHOICE: chosen},
            "scores": score_rows(validation, test, {CHOICE: [*on_validation.tolist(), *on_test.tolist()]}),
            "history": classifier.history,
            "losses": [*losses.rows, *looks],
            "notes": list(classifier.notes),
            "channels": classifier.channels,
            "gallery": {"choice": CHOICE, "rule": "half", **shown},
        }
        return [told]
