"""Recipe of MAD for brains: T1w of healthy people alone; every other contrast is drawn.

Paper     Sideri-Lampretsa et al., 2023 (arXiv 2309.02875); departures in README.md
Command   sanum train mad --data DATA -o OUT
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from ....data.split import SubjectsConfig, split_subjects
from ....learn.schedule import LoopConfig
from ....space.affine import matrix_of
from ...common.recipe import Batch, Recipe
from .loss import displacement_error, distance_error
from .pairs import PairConfig
from .source import MadSource

LOOP = LoopConfig(steps=5000, learning_rate=1.5e-3, ema=0.999, sheet_every=0, save_every=250)


@dataclass(frozen=True)
class MadRecipe(Recipe):
    """Recipe of the network `MadNet`.

    Parameters
    ----------
    widths : tuple of int
        Of the network.
    keypoints : int
        Points that it looks for.
    w_distance : float
        Weight of the distance, in mm, beside the displacements'.
    pairs : PairConfig
        How far apart the images of a pair are, and how they are seen.
    subjects : SubjectsConfig
        Who is learned from.
    """

    method: ClassVar[str] = "mad"
    batch_size: int = 16
    workers: int = 0
    loop: LoopConfig = LOOP
    widths: tuple[int, int, int] = (32, 64, 128)
    keypoints: int = 48
    w_distance: float = 0.5
    pairs: PairConfig = field(default_factory=PairConfig)
    subjects: SubjectsConfig = field(default_factory=SubjectsConfig)

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> MadSource:
        """Read the heads of a folder.

        Parameters
        ----------
        data : Path
            Folder with ixi/, or of the subjects.
        cache : Path
            Not needed.
        on_prepare : function, optional
            Called with how many of how many heads are read.
        """
        return MadSource(self, data, on_prepare)

    def check(self, data: Path) -> list[str]:
        """Nothing to say; ValueError where there are no heads with labels.

        Parameters
        ----------
        data : Path
            Folder with ixi/, or of the subjects.
        """
        split_subjects(data, self.subjects)
        return []

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Objective of a batch and its terms in mm, each a detached scalar.

        Parameters
        ----------
        model : Module
            A `MadNet`.
        batch : dict of tensor
            "images" (B, 2, 32, 32, 32), "apart" (B, 12).
        """
        first, second = batch["images"].split(1, 1)
        found, true = model(first, second), matrix_of(batch["apart"], batch["apart"].new_zeros(3))
        moved = displacement_error(model.displaced(found), model.displaced(true))  # type: ignore[operator]
        apart = distance_error(model.distance(found), model.distance(true))  # type: ignore[operator]
        terms = {"displacement": moved.detach(), "distance": apart.detach()}
        return (moved + self.w_distance * apart) / 10, terms

    def describe(self) -> dict[str, Any]:
        """Enough to build the network again."""
        return {**super().describe(), "widths": list(self.widths), "keypoints": self.keypoints}


RECIPES = {"mad": MadRecipe("mad")}
