"""Recipes of SynthSR: `synthsr` with the budget of `una-compact`, `synthsr-small` with that of `una-small`.

Paper     Iglesias et al., NeuroImage 2021 and Science Advances 2023; departures in README.md
Command   sanum train synthsr-small --data ../shared/data -o runs/synthsr-small
Reached   docs/evaluation.md
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from ....synth.anatomy import Anatomy
from ....synth.sampling import SamplingConfig
from ...common.anatomy_recipe import AnatomyRecipe
from ...common.budget import COMPACT, SMALL
from ...common.loss import l1
from ...common.recipe import Batch
from .model import Synthsr


@dataclass(frozen=True)
class SynthsrRecipe(AnatomyRecipe):
    """Recipe of the network `Synthsr`: L1 to the T1w, over the whole box."""

    method: ClassVar[str] = "synthsr"

    def build(self, anatomies: Sequence[Anatomy]) -> nn.Module:
        """Make the network; `anatomies` are not needed.

        Parameters
        ----------
        anatomies : sequence of Anatomy
            Of the training.
        """
        return Synthsr(self.widths)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """∫ |Î − T| / volume of the brain.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of Tensor
            Of `synth.stream.Stream`.
        """
        error = l1(model(batch["image"][:, :1]), batch["t1w"], batch["brain"]).mean()
        return error, {"recon": error.detach()}

    def show(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Scan, truth and T1w.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of Tensor
            Of `synth.stream.Stream`.
        """
        scan = batch["image"][:, :1]
        return {"scan": scan, "healthy T1w": batch["t1w"], "predicted": model(scan)}


# synthetic images of healthy heads alone, as published; the modalities are those that UNA is trained on
SYNTHSR = SynthsrRecipe("synthsr", sampling=SamplingConfig(real=0.0, healthy=1.0), **vars(COMPACT))
RECIPES = {r.name: r for r in (SYNTHSR, replace(SYNTHSR, name="synthsr-small", **vars(SMALL)))}
