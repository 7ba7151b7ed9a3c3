"""A cross-validation as a batch sees it (`cohort.job.Job`): an item is the manifest of a fold."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from ... import __version__
from ...files import parse_json, sha256
from ...learn.overrides import flat
from ...learn.pace import TrainingProgress
from ...methods.api import Output, OutputSpec, Result
from ...methods.common.findings import OnStep
from ...methods.common.plain_result import PlainResult
from ...methods.common.scorer import PictureScorer
from ...scan.errors import ScanError
from ...scan.names import printable
from ...scan.read_picture import PictureAt
from .measure import NamedImages, measure_fold

OUTPUTS: Mapping[str, OutputSpec] = {
    "run": OutputSpec("run", "Thresholds, numbers, scores and curves of one run.", None, "run", ".json"),
    "gallery": OutputSpec("gallery", "Pictures of its test set.", None, "gallery", ".json"),
}
NUMBERS = (
    *("auc", "average_precision", "accuracy", "balanced_accuracy"),
    *("recall", "precision", "specificity", "f1"),
)
"""Of the test set of a run; those of a threshold at the one of `CrossvalJob.main`."""

TABLES: Mapping[str, Mapping[str, int | None]] = {
    "runs.tsv": {"method": None, **dict.fromkeys(NUMBERS, 4)},
}


class HasPlace(Protocol):
    """An item of a batch: the manifest of a fold, and the folder of its results."""

    @property
    def path(self) -> Path:
        """Of the manifest."""

    @property
    def stem(self) -> str:
        """Name that its results start with."""


@dataclass(frozen=True, eq=False)
class CrossvalJob:
    """One method on every fold.

    Parameters
    ----------
    label : str
        What tables call the method.
    make : function
        Gives one that has learned nothing.
    files : mapping of PictureAt
        Where each image is, by id.
    resources : object
        As of `cohort.job.Job`.
    """

    label: str
    make: Callable[[], Any]
    files: Mapping[str, PictureAt]
    resources: Any
    name: ClassVar[str] = "detect crossval"
    past: ClassVar[str] = "cross-validated"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES
    main: ClassVar[tuple[str, str]] = ("labels", "f1")
    """How epoch and threshold of the numbers in the table were chosen."""

    def measure(self, sets: Mapping[str, NamedImages], on_step: OnStep) -> dict[str, Any]:
        """One run.

        Parameters
        ----------
        sets : mapping of NamedImages
            "train", "validation" and "test".
        on_step : function
            Called after each step of a training.
        """
        return measure_fold(self.make(), sets, on_step)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, method and its configuration."""
        made: PictureScorer = self.make()
        return {"version": __version__, "method": self.label, "of": made.method, "config": flat(made.config)}

    def read(self, item: HasPlace) -> tuple[str, dict[str, NamedImages]]:
        """Stem of a fold and its sets; `ScanError` if an image has changed since the folds were made.

        Parameters
        ----------
        item : HasPlace
            Of the batch.
        """
        content = parse_json(item.path.read_bytes())
        return item.stem, {name: self._set(content[name]) for name in ("train", "validation", "test")}

    def compute(self, loaded: tuple[str, dict[str, NamedImages]], on_step: Callable[[str], None]) -> Result:
        """The run.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        stem, sets = loaded
        on_step("reading pictures")

        def stepped(now: TrainingProgress) -> None:  # each step, for a run that is to stop stops there
            on_step(f"step {now.step} of {now.steps}, {now.seconds_left:.0f} s left of the training")

        told = self.measure(sets, stepped)
        choice, rule = self.main
        chosen = told["choices"][choice]
        numbers = {**chosen["test"], **chosen["rules"][rule]["test"]}
        gallery = told.pop("gallery")
        contents = {
            name: json.dumps({"method": self.label, "fold": stem, **one}, indent=1) + "\n"
            for name, one in (("run", told), ("gallery", gallery))
        }
        return PlainResult(
            stem,
            {name: Output(OUTPUTS[name], text) for name, text in contents.items()},
            {name: numbers[name] for name in NUMBERS},
            tuple(told["notes"]),
        )

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Nothing more: the method stands among the settings.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        return {}

    def _set(self, rows: list[dict[str, Any]]) -> NamedImages:
        for row in rows:
            at = self.files.get(row["id"])
            if at is None or sha256(at.path) != row["sha256"]:
                raise ScanError(
                    f"{printable(row['id'])} is gone, or has changed since the folds were made: start again"
                )
        return NamedImages(
            tuple(row["id"] for row in rows),
            np.array([row["label"] for row in rows], dtype=np.int64),
            tuple(self.files[row["id"]] for row in rows),
            tuple(row["group"] for row in rows),
        )
