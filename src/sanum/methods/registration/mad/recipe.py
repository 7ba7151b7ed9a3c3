"""Recipe of MAD for brains: T1w of healthy people alone; every other contrast is drawn.

Paper     Sideri-Lampretsa et al., 2023 (arXiv 2309.02875); departures in README.md
Command   sanum train mad --data DATA -o OUT
Hardware  one of two threads of a core that others used too, bfloat16
Hours     1.4: 3,700 steps, 59,000 pairs of 56 heads. Begun for 5,000 steps; the end was moved to 4,200 at
          step 1,426 and to 3,700 at step 2,280, so the rate fell to zero earlier
Reached   mean error of the displacement in training 14.1 mm, of the distance 5.9 mm, all hiding on;
          README.md has what it means for registration
Tried     twelve numbers regressed from both images, all hiding from the start: no better than their mean
          after 450 steps; points, all hiding from the start: the same after 240; without any hiding:
          17.7 mm after 300
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

LOOP = LoopConfig(steps=3700, learning_rate=1.5e-3, ema=0.999, sheet_every=0, save_every=250)


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
