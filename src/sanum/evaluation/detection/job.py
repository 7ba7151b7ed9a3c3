"""A cross-validation as a batch sees it (`cohort.job.Job`): an item is the manifest of a fold."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from ... import __version__
from ...files import parse_json, sha256
from ...learn.loop import StepWentWrong
from ...learn.overrides import flat
from ...learn.pace import TrainingProgress
from ...methods.api import Output, OutputSpec, Result
from ...methods.common.findings import OnStep
from ...methods.common.plain_result import PlainResult
from ...methods.common.scorer import PictureScorer
from ...scan.errors import ScanError
from ...scan.names import printable
from ...scan.read_picture import PictureAt
from .measure import NamedImages, measure_folds

Sets = Mapping[str, NamedImages]
Manifest = Mapping[str, Any]

OUTPUTS: Mapping[str, OutputSpec] = {
    "run": OutputSpec("run", "Thresholds, numbers, scores and curves of one run.", None, "run", ".json"),
    "gallery": OutputSpec("gallery", "Pictures of its test set.", None, "gallery", ".json"),
}
TRAININGS = ".training"
"""Folder, in the output folder, of trainings that are not finished."""

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
    trainings : Path, optional
        Folder of the trainings: one that was stopped goes on there.
    done : dict
        What runs gave that were trained together with the last one, and are still to come.
    """

    label: str
    make: Callable[[], Any]
    files: Mapping[str, PictureAt]
    resources: Any
    trainings: Path | None = None
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    name: ClassVar[str] = "detect crossval"
    past: ClassVar[str] = "cross-validated"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES
    main: ClassVar[tuple[str, str]] = ("labels", "f1")
    """How epoch and threshold of the numbers in the table were chosen."""

    def measure(
        self, folds: Sequence[Sets], on_step: OnStep, folder: Path | None = None
    ) -> list[dict[str, Any]]:
        """Runs that learn from the same images.

        Parameters
        ----------
        folds : sequence of mapping of NamedImages
            "train", "validation" and "test" of each.
        on_step : function
            Called after each step of a training.
        folder : Path, optional
            Of the training.
        """
        return measure_folds(self.make(), folds, on_step, folder)

    def together(self, one: Manifest, other: Manifest) -> bool:
        """Whether two runs share a training: they learn from the same images.

        Parameters
        ----------
        one, other : mapping
            Manifests of two folds.
        """
        return bool(one["train"] == other["train"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, method and its configuration."""
        made: PictureScorer = self.make()
        return {"version": __version__, "method": self.label, "of": made.method, "config": flat(made.config)}

    def read(self, item: HasPlace) -> dict[str, Sets]:
        """Sets of a fold, by its stem, and of those after it that share its training.

        `ScanError` if an image has changed since the folds were made.

        Parameters
        ----------
        item : HasPlace
            Of the batch.
        """
        first: Manifest = parse_json(item.path.read_bytes())
        folds = {item.stem: first}
        for path in sorted(item.path.parent.glob("*.json")):
            if path.stem > item.path.stem and self.together(first, other := parse_json(path.read_bytes())):
                folds[path.stem] = other
        return {
            stem: {name: self._set(content[name]) for name in ("train", "validation", "test")}
            for stem, content in folds.items()
        }

    def compute(self, loaded: dict[str, Sets], on_step: Callable[[str], None]) -> Result:
        """The run; one that was trained together with the last one is not trained again.

        Parameters
        ----------
        loaded : dict
            From `read`.
        on_step : function
            Called with the name of each step.

        Raises
        ------
        ScanError
            A step of the training gave no number; the state before it is saved.
        """
        stem = next(iter(loaded))
        on_step("reading pictures")

        def stepped(now: TrainingProgress) -> None:  # each step, for a run that is to stop stops there
            on_step(f"step {now.step} of {now.steps}, {now.seconds_left:.0f} s left of the training")

        if stem not in self.done:
            self.done.clear()
            folder = self._folder_of(stem)
            try:
                told = self.measure(list(loaded.values()), stepped, folder)
            except StepWentWrong as error:
                raise ScanError(f"{self.label} in {stem}: {error}") from error
            self.done.update(zip(loaded, told, strict=True))
            for left in folder.parent.glob(f"{stem}-*") if folder else ():  # by other settings too
                shutil.rmtree(left)
        run = self.done.pop(stem)
        choice, rule = self.main
        chosen = run["choices"][choice]
        numbers = {**chosen["test"], **chosen["rules"][rule]["test"]}
        gallery = run.pop("gallery")
        contents = {
            name: json.dumps({"method": self.label, "fold": stem, **one}, indent=1) + "\n"
            for name, one in (("run", run), ("gallery", gallery))
        }
        return PlainResult(
            stem,
            {name: Output(OUTPUTS[name], text) for name, text in contents.items()},
            {name: numbers[name] for name in NUMBERS},
            tuple(run["notes"]),
        )

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Nothing more: the method stands among the settings.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        return {}

    def _folder_of(self, stem: str) -> Path | None:
        """Of the training of a fold: another configuration has another one."""
        if self.trainings is None:
            return None
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True, default=str).encode()).hexdigest()
        return self.trainings / self.label / f"{stem}-{digest[:12]}"

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
