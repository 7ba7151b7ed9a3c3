"""What every method of the task "anomaly2d" gives: a detector that learns normals, then scores any image.

    detector = sanum.load("cae").fit(normals)
    detector.score(images), detector.anomaly_map(images), detector.predict(images)

A method subclasses `Detector` and says how its state is learned from squares, and what maps and scores the
state gives. Reading, scaling, pooling, thresholds and files are the same for all.
"""

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ...data.folds import hold_out
from ...learn.threads import one_thread
from ...metrics.ranking import Scores
from ...scan.errors import ScanError
from ...types import FloatArray
from .detector_graph import ExportedGraph, export_graph
from .findings import LABEL_FREE, LABELS, REFERENCE, Chosen, Held, Learned, OnStep, Validation
from .pooling import pooled
from .scorer import PictureScorer, said_of
from .squares import Images, SquareStack, stack_of
from .threshold import label_free, labelled


class Detector(PictureScorer):
    """Learns what normal images look like.

    Parameters
    ----------
    config : DetectorSettings
        Frozen; decides everything but the data.
    device : str
        A torch device.
    """

    def __init__(self, config: Any, *, device: str = "cpu") -> None:
        super().__init__(config, device=device)
        self.history: list[dict[str, float]] = []

    @abstractmethod
    def learn(self, train: SquareStack, held: Held | None, on_step: OnStep | None) -> dict[str, Chosen]:
        """States by how they were chosen: `LABEL_FREE`, and `LABELS` if `held` has both classes.

        Parameters
        ----------
        train : SquareStack
            Normals.
        held : Held or None
            Validation.
        on_step : function, optional
            Called after each step of a training.
        """

    def learn_each(
        self, train: SquareStack, helds: Sequence[Held | None], on_step: OnStep | None
    ) -> list[Learned]:
        """What `learn` gives for each validation; a method that trains long trains once for all of them.

        Parameters
        ----------
        train : SquareStack
            Normals.
        helds : sequence of Held or None
            Validation sets.
        on_step : function, optional
            Called after each step of a training.
        """
        return [Learned(self.learn(train, held, on_step)) for held in helds]

    @abstractmethod
    def respond(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Maps (B, S, S) and, if the method has a formula of its own, scores (B,).

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            As `Square.pixels`.
        valid : (B, S, S) bool
            Pixels that count.
        """

    def fit(
        self,
        images: Images,
        *,
        groups: Sequence[Hashable] | None = None,
        validation: Validation | None = None,
        on_step: OnStep | None = None,
        folder: Path | None = None,
    ) -> Self:
        """Learn from normal images, choose epoch and threshold; returns the detector itself.

        Without validation a share of the normals is held out for it, in whole groups; where there is one
        group only, nothing is, and there is no threshold.

        Parameters
        ----------
        images : iterable of path, array or Picture, or one array
            Normals.
        groups : sequence, optional
            Whose image each is; default each its own.
        validation : Validation, optional
            Other images; best of other people.
        on_step : function, optional
            Called after each step of a training.
        folder : Path, optional
            Gets the checkpoints and the log of a training; one that was stopped there goes on, with the same
            images. Default: one that is removed at the end, unless a step goes wrong.

        Raises
        ------
        TrainingStopped
            On a signal, or at a step that gives no number; the state before it is in the folder.
        ScanError
            An image cannot be used; all are constant; numbers of channels differ.
        ValueError
            A number of groups or labels that does not fit.
        """
        self.folder = folder
        stack, (whose,) = self._usable(images, group=groups)
        if validation is not None:
            held: Held | None = self._held(validation, stack.channels)
        elif len(set(whose)) > 1:
            kept, out = hold_out(whose, self.config.hold_out, seed=self.config.seed)
            held = Held(stack.only(out), np.zeros(len(out), dtype=np.int64))
            stack = stack.only(kept)
        else:
            held = None
            self.notes += ("there is one image, or one group, only: nothing was held out for a threshold",)
        self._learn_from(stack, [held], on_step)
        return self

    def fit_each(
        self,
        images: Images,
        validations: Sequence[Validation],
        *,
        on_step: OnStep | None = None,
        folder: Path | None = None,
    ) -> list[Self]:
        """A detector for each validation, as if each had been fitted alone; a training is done once for all.

        Returns the detector itself and copies of it, in the order of the validations.

        Parameters
        ----------
        images : iterable of path, array or Picture, or one array
            Normals.
        validations : sequence of Validation
            At least one.
        on_step : function, optional
            Called after each step of a training.
        folder : Path, optional
            As of `fit`.

        Raises
        ------
        TrainingStopped, ScanError, ValueError
            As `fit`.
        """
        self.folder = folder
        stack, _ = self._usable(images)
        helds = [self._held(validation, stack.channels) for validation in validations]
        return self._learn_from(stack, helds, on_step)

    def answer(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps (B, S, S), 0 where a pixel does not count, and scores (B,), pooled as the config says.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            As `Square.pixels`.
        valid : (B, S, S) bool
            Pixels that count.
        """
        maps, own = self.respond(pixels, valid)
        pooling = self.config.pooling
        scores = own if own is not None and pooling.kind == "own" else pooled(maps, valid, pooling)
        return maps * valid, scores

    def generated(self, count: int) -> torch.Tensor | None:
        """Images (count, C, S, S) in [0, 1] of the same codes each time; None: it has no generator.

        Parameters
        ----------
        count : int
            How many.
        """
        return None

    @property
    def not_exported(self) -> str:
        """Why there is no graph of it for other programs, as a sentence; empty where there is."""
        return ""

    def export(self, path: str | Path) -> ExportedGraph:
        """Write an ONNX graph and, beside it, a JSON file with the threshold; see `detector_graph`.

        Parameters
        ----------
        path : str or Path
            Of the graph.
        """
        self._require_fitted()
        return export_graph(self, Path(path))

    def decision_function(self, images: Images) -> Scores:
        """`score`, as scikit-learn and PyOD call it.

        Parameters
        ----------
        images : iterable of path, array or Picture, or one array
            Any.
        """
        return self.score(images)

    def anomaly_map(self, images: Images) -> list[FloatArray]:
        """Map of each picture on its own grid (H, W).

        Parameters
        ----------
        images : iterable of path, array or Picture, or one array
            Any.
        """
        return [found.on_picture for found in self.findings(images)]

    def calibrate(self, normals: Images, alpha: float | None = None) -> Self:
        """Set the threshold by normals that were not learned from; returns the detector itself.

        Parameters
        ----------
        normals : iterable of path, array or Picture, or one array
            Held out.
        alpha : float, optional
            Share of normals that may be called abnormal; default the config's.
        """
        self.threshold = label_free(self.score(normals), self.config.alpha if alpha is None else alpha)
        return self

    def _learn_from(
        self, stack: SquareStack, helds: Sequence[Held | None], on_step: OnStep | None
    ) -> list[Self]:
        self.channels = stack.channels
        fitted = [self, *(copy(self) for _ in helds[1:])]
        with one_thread(libraries=True):
            for one, held, learned in zip(fitted, helds, self.learn_each(stack, helds, on_step), strict=True):
                one.choices, one.history = learned.choices, learned.history
                if held is not None:
                    one.choices = {how: one._with_threshold(how, c, held) for how, c in one.choices.items()}
                one.use(LABELS if LABELS in one.choices else LABEL_FREE)
        return fitted

    def _held(self, validation: Validation, channels: int) -> Held:
        stack = stack_of(validation.images, self.config)
        given = validation.labels
        labels = [0 if given is None else int(said_of(given, n, "label")) for n in stack.sources]
        if odd := set(labels) - {0, 1}:
            raise ValueError(f"a label of validation is 0 or 1, got {odd.pop()}")
        if 0 not in labels:
            raise ValueError("validation has no normals: a threshold needs some")
        if stack.channels != channels:
            raise ScanError(f"validation has {stack.channels} channels, and training {channels}")
        return Held(stack, np.array(labels, dtype=np.int64))

    def _with_threshold(self, how: str, one: Chosen, held: Held) -> Chosen:
        """With a threshold, and what the map of held-out normals rarely reaches, for pictures of it."""
        self.adopt(one.state)
        found = list(self._respond_to(held.stack))
        scores = np.array([each.score for each in found])
        normal = held.labels == 0
        seen = np.concatenate([found[n].map[found[n].square.valid] for n in np.flatnonzero(normal)])
        facts = {**one.facts, REFERENCE: float(np.quantile(seen, 0.99))}
        if how == LABELS:
            return Chosen(one.state, labelled(scores, held.labels), facts)
        return Chosen(one.state, label_free(scores[normal], self.config.alpha), facts)
