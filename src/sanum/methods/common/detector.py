"""What every method of the task "anomaly2d" gives: a detector that learns normals, then scores any image.

    detector = sanum.load("cae").fit(normals)
    detector.score(images), detector.anomaly_map(images), detector.predict(images)

A method subclasses `Detector` and says how its state is learned from squares, and what maps and scores the
state gives. Reading, scaling, pooling, thresholds and files are the same for all.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from ...data.folds import hold_out
from ...learn.overrides import override
from ...learn.threads import one_thread
from ...metrics.ranking import Scores
from ...scan.errors import ScanError
from ...types import FloatArray
from .detector_file import restore_detector, save_detector
from .detector_graph import ExportedGraph, export_graph
from .findings import LABEL_FREE, LABELS, Chosen, Finding, Held, OnStep, State, Validation
from .pooling import pooled
from .squares import BATCH, Images, SquareStack, stack_of, stacks_of
from .threshold import Threshold, label_free, labelled


class Detector(ABC):
    """Learns what normal images look like.

    Parameters
    ----------
    config : DetectorSettings
        Frozen; decides everything but the data.
    device : str
        A torch device.
    """

    method: ClassVar[str] = ""

    def __init__(self, config: Any, *, device: str = "cpu") -> None:
        self.config, self.device = config, device
        self.channels: int | None = None
        self.choices: dict[str, Chosen] = {}
        self.choice = ""
        self.notes: tuple[str, ...] = ()
        self.folder: Path | None = None
        self.weights_name = self.weights_sha256 = ""

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

    @abstractmethod
    def adopt(self, state: State) -> None:
        """Compute with this state from now on; raises `WeightsError` if it does not fit.

        Parameters
        ----------
        state : dict of tensor
            As `learn` gave it, or a file.
        """

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

    def reconstruct(self, pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor | None:
        """What it makes of squares, (B, C, S, S) in their unit; None: this method makes no images.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            As `Square.pixels`.
        valid : (B, S, S) bool
            Pixels that count.
        """
        return None

    @property
    def not_exported(self) -> str:
        """Why there is no graph of it for other programs, as a sentence; empty where there is."""
        return ""

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
        stack = stack_of(images, self.config)
        whose = [n if groups is None else _at(groups, n, "group") for n in stack.sources]
        use = [n for n, square in enumerate(stack.squares) if not square.is_constant]
        self.notes = ()
        if left := len(stack) - len(use):
            self.notes = (f"{left} of {len(stack)} pictures have one value everywhere: left out",)
        if not use:
            raise ScanError("all pictures are constant: there is nothing to learn from")
        stack, whose = stack.only(use), [whose[n] for n in use]
        if validation is not None:
            held: Held | None = self._held(validation, stack.channels)
        elif len(set(whose)) > 1:
            kept, out = hold_out(whose, self.config.hold_out, seed=self.config.seed)
            held = Held(stack.only(out), np.zeros(len(out), dtype=np.int64))
            stack = stack.only(kept)
        else:
            held = None
            self.notes += ("there is one image, or one group, only: nothing was held out for a threshold",)
        self.channels = stack.channels
        with one_thread(libraries=True):
            self.choices = self.learn(stack, held, on_step)
            if held is not None:
                self.choices = {
                    how: self._with_threshold(how, one, held) for how, one in self.choices.items()
                }
        self.use(LABELS if LABELS in self.choices else LABEL_FREE)
        return self

    def use(self, choice: str) -> Self:
        """Go on with the state and the threshold that were chosen in this way; returns the detector itself.

        Parameters
        ----------
        choice : str
            "labels" or "label-free".
        """
        if choice not in self.choices:
            known = ", ".join(self.choices) or "none: call fit first"
            raise ValueError(f'nothing was chosen by "{choice}": there are {known}')
        self.choice = choice
        self.adopt(self.choices[choice].state)
        return self

    def findings(self, images: Images) -> Iterator[Finding]:
        """What it says of each picture, one after the other.

        Parameters
        ----------
        images : iterable of path, array or Picture, or one array
            Any.

        Raises
        ------
        ScanError
            An image cannot be used, or has another number of channels than those learned from.
        """
        self._require_fitted()
        for stack in stacks_of(images, self.config, BATCH):
            yield from self._respond_to(stack)

    def score(self, images: Images) -> Scores:
        """Raw score of each picture, (N,): the higher, the more abnormal.

        Parameters
        ----------
        images : iterable of path, array or Picture, or one array
            Any.
        """
        return np.array([found.score for found in self.findings(images)])

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

    def predict(self, images: Images) -> npt.NDArray[np.int64]:
        """1 for each picture whose score reaches the threshold, else 0.

        Parameters
        ----------
        images : iterable of path, array or Picture, or one array
            Any.

        Raises
        ------
        ValueError
            There is no threshold.
        """
        if self.threshold is None:
            raise ValueError("there is no threshold: call calibrate with normals, or set one")
        return (self.score(images) >= self.threshold.value).astype(np.int64)

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

    @property
    def threshold(self) -> Threshold | None:
        """From which score on an image is abnormal; set it to a number or a `Threshold`."""
        return self.choices[self.choice].threshold if self.choice else None

    @threshold.setter
    def threshold(self, value: "float | Threshold | None") -> None:
        self._require_fitted()
        one = self.choices[self.choice]
        new = value if value is None or isinstance(value, Threshold) else Threshold(float(value))
        self.choices[self.choice] = Chosen(one.state, new, one.facts)

    def with_settings(self, *settings: str) -> Self:
        """A detector that has learned nothing, with other values in its config.

        Parameters
        ----------
        *settings : str
            Such as "picture.size=128" or "pooling.kind=top".

        Raises
        ------
        ValueError
            No such key, or no such value; the sentence lists those that there are.
        """
        return type(self)(override(self.config, settings), device=self.device)

    def save(self, path: str | Path) -> Path:
        """Write what was learned (safetensors); the config and the threshold stand in its header.

        Parameters
        ----------
        path : str or Path
            Of the file; made whole or not at all.
        """
        self._require_fitted()
        return save_detector(self, Path(path))

    def export(self, path: str | Path) -> ExportedGraph:
        """Write an ONNX graph and, beside it, a JSON file with the threshold; see `detector_graph`.

        Parameters
        ----------
        path : str or Path
            Of the graph.
        """
        self._require_fitted()
        return export_graph(self, Path(path))

    def restore(self, path: Path) -> Self:
        """Take what `save`, or a training, wrote; returns the detector itself.

        Parameters
        ----------
        path : Path
            Of the file.

        Raises
        ------
        WeightsError
            Missing, damaged, of another method or version.
        """
        restore_detector(self, path)
        return self

    def _held(self, validation: Validation, channels: int) -> Held:
        stack = stack_of(validation.images, self.config)
        given = validation.labels
        labels = [0 if given is None else int(_at(given, n, "label")) for n in stack.sources]
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
        facts = {**one.facts, "map_reference": float(np.quantile(seen, 0.99))}
        if how == LABELS:
            return Chosen(one.state, labelled(scores, held.labels), facts)
        return Chosen(one.state, label_free(scores[normal], self.config.alpha), facts)

    def _respond_to(self, stack: SquareStack) -> Iterator[Finding]:
        if stack.channels != self.channels:
            raise ScanError(
                f"the pictures have {stack.channels} channels, and {self.method} has learned from "
                f"{self.channels}"
            )
        for part in stack.parts(BATCH):
            with one_thread(), torch.inference_mode():
                maps, scores = self.answer(part.pixels.to(self.device), part.valid.to(self.device))
                shown = maps.float().cpu().numpy()
            for square, score, one in zip(part.squares, scores.double().cpu().tolist(), shown, strict=True):
                if not np.isfinite(score):
                    raise ScanError(f"{self.method} gives a score that is no number: train it again")
                yield Finding(score, one, square)

    def _require_fitted(self) -> None:
        if not self.choice:
            raise ValueError(f"{self.method} has learned nothing yet: call fit, or load weights")


def _at(values: Sequence[Any] | npt.NDArray[Any], place: int, what: str) -> Any:
    if place >= len(values):
        raise ValueError(f"expected a {what} for each image, got {len(values)}")
    return values[place]
