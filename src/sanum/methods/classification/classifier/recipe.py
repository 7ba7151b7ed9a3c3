"""Recipes of the classifier: `classifier`, and `classifier-densenet` with the study's network.

Study     good and poor ultra-widefield fundus photographs, published slides; departures in README.md
Command   sanum classify crossval NORMALS ABNORMALS -o OUT
Hardware  one CPU core, about three minutes a fold of 94 images
Reached   README.md
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ....data.augment import AugmentConfig, PictureViewParams, apply_views, draw_view
from ....data.pictures import find_pictures, load_pictures
from ....learn.schedule import LoopConfig, OptimizerConfig
from ....learn.turns import Turn
from ....nets.cam import CamKind
from ....nets.cam_of_network import NetworkCamKind
from ....scan.errors import ScanError
from ....scan.picture_conform import PictureConfig
from ...common.picture_recipe import PictureRecipe, PictureSourceOfBatches
from ...common.recipe import Batch
from ...common.squares import SquareStack, stack_of
from .loss import class_weights, weighted_cross_entropy
from .model import Backbone, PictureClassifier

AnyCamKind = Literal[CamKind, NetworkCamKind]
STUDY_VIEWS = AugmentConfig(flip=0.5, rotate_deg=3, shift=0.05, zoom=0.05)
"""As published."""


@dataclass(frozen=True)
class ClassifierRecipe(PictureRecipe):
    """Recipe of a `PictureClassifier`.

    Parameters
    ----------
    name, seed, batch_size, workers, compile, picture, reading, augment, hold_out, validate_every, precision
        As of `PictureRecipe`.
    loop : LoopConfig
        Steps, and the rate of the steps after `head_steps`.
    backbone : str
        "efficientnet-lite0", or "densenet121" (extra `monai`), which knows no photographs.
    tuned_from : int
        First stage of the pretrained backbone that learns, 0 (all) to 7 (its head).
    views : int
        Views of each picture, of which it is kept what the stages that stand still make; 0: always new
        views, and nothing kept.
    dropout : float
        Share of the features that training leaves out.
    head_steps : int
        Steps in which the last layer alone learns, of a pretrained backbone.
    head : OptimizerConfig
        Of these steps.
    cam : str
        Kind of the class-activation map, see `nets.cam` and `nets.cam_of_network`.
    """

    method: ClassVar[str] = "classifier"
    of_scoring: ClassVar[tuple[str, ...]] = ("cam",)
    batch_size: int = 16
    picture: PictureConfig = field(
        default_factory=lambda: PictureConfig(size=224, fit="stretch", signed=False)
    )
    augment: AugmentConfig = STUDY_VIEWS
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            learning_rate=3e-4, warmup=0, steps=80, ema=0.0, save_every=40, sheet_every=0
        )
    )
    validate_every: int = 10
    backbone: Backbone = "efficientnet-lite0"
    tuned_from: int = 5
    views: int = 3
    dropout: float = 0.2
    head_steps: int = 20
    head: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=3e-3, warmup=0))
    cam: AnyCamKind = "gradcam"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share below 1, got {self.dropout}")
        if not 0 <= self.tuned_from <= 7:
            raise ValueError(f"tuned_from is a stage from 0 to 7, got {self.tuned_from}")
        if min(self.head_steps, self.views) < 0:
            raise ValueError(f"head_steps and views are at least 0, got {self.head_steps} and {self.views}")

    def build(self, channels: int) -> nn.Module:
        """Make the network; it is the same for any number of channels.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        return PictureClassifier(self.backbone, self.tuned_from, self.dropout)

    def turns(self) -> tuple[Turn, ...]:
        """The last layer first, then the late stages; without a pretrained backbone everything at once.

        A loss that leaps stops nothing: where it is nearly 0, one odd picture in a batch makes it a hundred
        times as large.
        """
        if self.backbone == "densenet121":
            return (Turn(self.loss, watched=False),)
        head = Turn(self.loss, "head", ("classify",), self.head, end=self.head_steps, watched=False)
        tune = Turn(self.loss, "tune", begin=self.head_steps, watched=False)
        return tuple(turn for turn, used in ((head, self.head_steps), (tune, True)) if used)

    def objective(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `loss.py`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "early" as of `PictureClassifier.early`, or "image" (B, C, S, S); "label" (B,), "weights" (2,).
        """
        net: Any = model
        early = batch["early"] if "early" in batch else net.early(batch["image"])
        logits = net.logits(net.late(early))
        return weighted_cross_entropy(logits, batch["label"], batch["weights"]), {
            "accuracy": (logits.argmax(1) == batch["label"]).float().mean().detach()
        }

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> "LabelledPictures":
        """Read the labelled pictures of a table, for `sanum train`.

        Parameters
        ----------
        data : Path
            A CSV file with path and label.
        cache : Path
            Not needed.
        on_prepare : function, optional
            Called with how many of how many are read.

        Raises
        ------
        ScanError
            Labels are missing.
        """
        entries = [entry for entry in find_pictures([data]) if entry.label is not None]
        if {entry.label for entry in entries} != {0, 1}:
            raise ScanError(
                f"{data.name} has no labels of both classes: expected a table with path and label"
            )
        told = (lambda n: on_prepare(n, len(entries))) if on_prepare else None
        found = load_pictures(entries, self.reading, near=None, on_picture=told)
        stack = stack_of(found.sources, self)
        return LabelledPictures(self, stack, found.labels[list(stack.sources)])


class LabelledPictures(PictureSourceOfBatches):
    """Batches of views, each with the class of its picture.

    Parameters
    ----------
    recipe : ClassifierRecipe
        Of the method.
    stack : SquareStack
        Those to learn from.
    labels : (N,) int
        0 normal, 1 abnormal; both are there.
    """

    def __init__(
        self, recipe: ClassifierRecipe, stack: SquareStack, labels: Sequence[int] | npt.NDArray[np.integer]
    ) -> None:
        super().__init__(recipe, stack)
        self.labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
        self.weights = class_weights(labels)
        self.net: PictureClassifier | None = None
        self.kept: dict[int, torch.Tensor] = {}

    def build(self) -> nn.Module:
        """The recipe's network; its early stages make what is kept of views."""
        net = super().build()
        assert isinstance(net, PictureClassifier)
        self.net = net
        return net

    def batch(self, samples: range) -> Batch:
        """One batch.

        Parameters
        ----------
        samples : range
            Numbers of its samples.
        """
        places, count = self.places(samples), len(self.stack)
        known = {"label": self.labels[places], "weights": self.weights}
        views = self.recipe.views  # type: ignore[attr-defined]
        if not views:
            return {**super().batch(samples), **known}
        numbers = [(n // count % views) * count + place for n, place in zip(samples, places, strict=True)]
        early = torch.stack([self._early(n) for n in numbers])
        return {"early": early, "seed": self.seed_of(samples), **known}

    def _early(self, number: int) -> torch.Tensor:
        """What the early stages make of a view, (V, …); the first of a picture is the picture itself."""
        if number not in self.kept:
            assert self.net is not None
            view, place = divmod(number, len(self.stack))
            drawn = draw_view(np.random.default_rng([self.recipe.seed, 1, number]), self.recipe.augment)
            chosen = drawn if view else PictureViewParams()
            with torch.no_grad():
                pixels, _ = apply_views(self.pixels[[place]], self.valid[[place]], [chosen])
                device = next(self.net.parameters()).device
                self.kept[number] = self.net.early(pixels.to(device))[0].cpu()
        return self.kept[number]

    def describe(self) -> dict[str, Any]:
        """Channels, and how many pictures of each class."""
        return {**super().describe(), "abnormals": int(self.labels.sum())}


CLASSIFIER = ClassifierRecipe("classifier")
DENSENET = replace(
    CLASSIFIER,
    name="classifier-densenet",
    backbone="densenet121",
    views=0,
    batch_size=64,
    loop=replace(CLASSIFIER.loop, learning_rate=1e-3),
)
RECIPES = {r.name: r for r in (CLASSIFIER, DENSENET)}
