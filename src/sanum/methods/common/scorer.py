"""What everything that scores 2-D images shares, however it learned: states, findings, threshold, files."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from ...learn.overrides import flat, override
from ...learn.threads import one_thread
from ...metrics.ranking import Scores
from ...scan.errors import ScanError
from .detector_config import OF_MAPS
from .detector_file import restore_detector, save_detector
from .findings import LARGEST, REFERENCE, Chosen, Finding, State
from .squares import BATCH, Images, SquareStack, stack_of, stacks_of
from .threshold import Threshold


class PictureScorer(ABC):
    """Gives each picture a score and a map, after it has learned.

    Parameters
    ----------
    config : PictureSettings
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
        self.asked: tuple[str, ...] = ()
        """Settings of `rescored`."""

    @abstractmethod
    def answer(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps (B, S, S), 0 where a pixel does not count, and scores (B,).

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

    @abstractmethod
    def adopt(self, state: State) -> None:
        """Compute with this state from now on; raises `WeightsError` if it does not fit.

        Parameters
        ----------
        state : dict of tensor
            As `learn` gave it, or a file.
        """

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

    def rescored(self, *settings: str) -> Self:
        """The same that was learned, with another map or another way to a score.

        A threshold of other scores is left out (`calibrate` a detector, or set one), and so is what is known
        of another map.

        Parameters
        ----------
        *settings : str
            Such as "pooling.kind=top", "map=kl", "score=image" or "cam=fullgrad".

        Raises
        ------
        ValueError
            No such key, or no such value; one that decides what is learned.
        """
        self._require_fitted()
        made = copy(self)
        made.config, before = override(self.config, settings), flat(self.config)
        changed = {key for key, value in flat(made.config).items() if value != before[key]}
        if wrong := sorted(changed - set(self.config.of_scoring)):
            known = ", ".join(self.config.of_scoring)
            raise ValueError(f"{wrong[0]} decides what is learned: fit with it; afterwards there are {known}")
        of_map = changed & set(OF_MAPS)
        pooling = getattr(made.config, "pooling", None)
        scores_too = bool(changed - of_map) or (pooling is not None and pooling.kind != "own")
        one = self.choices[self.choice]
        facts = {key: x for key, x in one.facts.items() if not of_map or key not in (REFERENCE, LARGEST)}
        threshold = None if changed and scores_too else one.threshold
        made.choices, made.asked = {self.choice: Chosen(one.state, threshold, facts)}, settings
        return made.use(self.choice)

    def save(self, path: str | Path) -> Path:
        """Write what was learned (safetensors); the config and the threshold stand in its header.

        Parameters
        ----------
        path : str or Path
            Of the file; made whole or not at all.
        """
        self._require_fitted()
        return save_detector(self, Path(path))

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

    def _respond_to(self, stack: SquareStack) -> Iterator[Finding]:
        if stack.channels != self.channels:
            raise ScanError(
                f"the pictures have {stack.channels} channels, and {self.method} has learned from "
                f"{self.channels}: convert them, or fit with pictures of {stack.channels}"
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

    def _usable(
        self, images: Images, **given: Sequence[Any] | npt.NDArray[Any] | None
    ) -> tuple[SquareStack, list[list[Any]]]:
        """Squares that show something, and what is said of each, by default its number; notes the rest."""
        stack = stack_of(images, self.config)
        said = [
            [n if values is None else said_of(values, n, name) for n in stack.sources]
            for name, values in given.items()
        ]
        use = [n for n, square in enumerate(stack.squares) if not square.is_constant]
        self.notes = ()
        if left := len(stack) - len(use):
            self.notes = (f"{left} of {len(stack)} pictures have one value everywhere: left out",)
        if not use:
            raise ScanError("all pictures are constant: there is nothing to learn from")
        return stack.only(use), [[row[n] for n in use] for row in said]


def said_of(values: Sequence[Any] | npt.NDArray[Any], place: int, what: str) -> Any:
    """The value of an image.

    Parameters
    ----------
    values : sequence
        One for each image.
    place : int
        Of the image.
    what : str
        What a value is called.

    Raises
    ------
    ValueError
        There are fewer values than images.
    """
    if place >= len(values):
        raise ValueError(f"expected a {what} for each image, got {len(values)}")
    return values[place]
