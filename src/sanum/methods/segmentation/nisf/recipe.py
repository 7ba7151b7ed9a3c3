"""Recipes of NISF: `nisf`, which learns in minutes on a CPU, and `nisf-faithful` with the authors' settings.

Paper     Stolt-Ansó et al., MICCAI 2023; departures in README.md
Command   sanum segment fit DATA -o MODEL, or sanum train nisf --data DATA -o OUT
Hardware  two cores that others used too
Reached   README.md
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from ....learn.overrides import flat
from ....learn.schedule import LoopConfig
from ...common.recipe import Batch, Recipe
from .latent import LatentConfig
from .loss import latent_size, reconstruction, segmentation, weight_size
from .model import LayerKind, Nisf
from .poses import PoseConfig
from .source import NisfSource
from .stacks import pairs_in, read_stack

LOOP = LoopConfig(
    steps=6000, learning_rate=2e-3, weight_decay=0.0, optimizer="adam", sheet_every=0, save_every=250
)


@dataclass(frozen=True)
class NisfRecipe(Recipe):
    """Recipe of the network `Nisf`.

    Parameters
    ----------
    labels : str
        Names of the labels, such as "1=rv,2=myocardium,3=lv"; others are then an error. Empty: all there
        are.
    width, depth : int
        Of the network; the width is also that of a latent.
    kind : "gabor", "siren" or "relu"
        Of its layers.
    w0, s0 : float
        Frequency and sharpness of the layers.
    gain : float
        How many times faster latents learn than weights.
    points : int
        Of each subject of a batch; `batch_size` counts subjects.
    w_rec, w_seg, l_h, l_w : float
        Weights of the loss: reconstruction, segmentation, mean square of a latent, sum of squares of the
        weights.
    margin : float
        How far the field of the prior goes beyond the labels, in coordinates.
    hold_out : float
        Share of the subjects that chooses the number of latent steps.
    precision : "32" or "auto"
        "auto": bfloat16 where the device computes in it.
    poses : PoseConfig
        Made-up subjects.
    latent : LatentConfig
        How a latent is fitted to a new scan.
    """

    method: ClassVar[str] = "nisf"
    batch_size: int = 8
    workers: int = 0
    loop: LoopConfig = LOOP
    labels: str = ""
    width: int = 64
    depth: int = 5
    kind: LayerKind = "gabor"
    w0: float = 3.0
    s0: float = 0.5
    gain: float = 10.0
    points: int = 512
    w_rec: float = 1.0
    w_seg: float = 1.0
    l_h: float = 1e-4
    l_w: float = 0.0
    margin: float = 0.1
    hold_out: float = 0.2
    precision: Literal["32", "auto"] = "32"
    poses: PoseConfig = field(default_factory=PoseConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "depth", "points"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.hold_out < 1:
            raise ValueError(f"hold_out must be at least 0 and below 1, got {self.hold_out}")

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> NisfSource:
        """Read the stacks of a folder.

        Parameters
        ----------
        data : Path
            With `images` and `labels`.
        cache : Path
            Not needed.
        on_prepare : function, optional
            Called with how many of how many stacks are read.
        """
        pairs, stacks = pairs_in(data), []
        for n, (image, labels) in enumerate(pairs):
            stacks.append(read_stack(image, labels))
            if on_prepare:
                on_prepare(n + 1, len(pairs))
        return NisfSource(self, stacks)

    def check(self, data: Path) -> list[str]:
        """Nothing to say; ScanError where there are no images, or images without labels.

        Parameters
        ----------
        data : Path
            With `images` and `labels`.
        """
        pairs_in(data)
        return []

    def build(self, subjects: int, classes: int) -> Nisf:
        """The network, drawn from PyTorch's global generator.

        Parameters
        ----------
        subjects : int
            With made-up ones.
        classes : int
            With the background.
        """
        return Nisf(
            subjects,
            classes,
            width=self.width,
            depth=self.depth,
            kind=self.kind,
            w0=self.w0,
            s0=self.s0,
            gain=self.gain,
        )

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Objective of a batch and its terms, each a detached scalar.

        Parameters
        ----------
        model : Module
            A `Nisf`.
        batch : dict of tensor
            "points" (B, N, 5), "image" (B, N), "labels" (B, N), "subjects" (B,).
        """
        latents = model.latents_of(batch["subjects"])  # type: ignore[operator]
        intensity, classes = model(batch["points"], latents)
        bce, dice = segmentation(classes, batch["labels"])
        terms = {
            "reconstruction": self.w_rec * reconstruction(intensity, batch["image"]),
            "bce": self.w_seg * bce,
            "dice": self.w_seg * dice,
            "latents": self.l_h * latent_size(latents),
        }
        if self.l_w:
            terms["weights"] = self.l_w * weight_size(model)
        return torch.stack(list(terms.values())).sum(), {name: x.detach() for name, x in terms.items()}

    def describe(self) -> dict[str, Any]:
        """Method and configuration: enough to build the network again, with its structures."""
        return {**super().describe(), "config": flat(self)}


RECIPES = {
    "nisf": NisfRecipe("nisf"),
    "nisf-faithful": NisfRecipe(
        "nisf-faithful",
        batch_size=1,
        points=25_000,
        width=128,
        depth=8,
        w0=5.0,  # coordinates of twice the range: as 10 for the authors' [0, 1)
        s0=5.0,
        gain=1.0,
        l_w=1e-4,
        poses=PoseConfig(copies=1),
        loop=LoopConfig(
            steps=1_200_000,
            learning_rate=1e-4,
            warmup=0,
            weight_decay=0.0,
            optimizer="adam",
            schedule="step",
            step_at=10**9,
            sheet_every=0,
            save_every=1000,
        ),
        latent=LatentConfig(steps=2000, learning_rate=1e-4, points=25_000),
    ),
}
