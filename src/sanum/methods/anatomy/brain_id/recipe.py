"""Recipes of Brain-ID: `brain-id` and `brain-id-small`, with the budgets of `una-compact` and `una-small`.

Paper     Liu et al., ECCV 2024 (arXiv 2311.16914); departures in README.md
Command   sanum train brain-id-small --data ../shared/data -o runs/brain-id-small
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
from ...common.loss import l1, l1_of_gradient
from ...common.recipe import Batch
from ...common.views import views
from .model import BrainId


@dataclass(frozen=True)
class BrainIdRecipe(AnatomyRecipe):
    """Recipe of the network `BrainId`."""

    method: ClassVar[str] = "brain-id"

    def build(self, anatomies: Sequence[Anatomy]) -> nn.Module:
        """Make the network; `anatomies` are not needed.

        Parameters
        ----------
        anatomies : sequence of Anatomy
            Of the training.
        """
        return BrainId(self.widths)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """∫ (|Î − T| + |∇Î − ∇T|) / volume, mean over the views, for the guide and for the task.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of Tensor
            Of `synth.stream.Stream`.
        """
        scans, t1w, brain = views(batch), batch["t1w"], batch["brain"]
        count = len(scans) // len(t1w)
        t1w, brain = (x.repeat_interleave(count, 0) for x in (t1w, brain))
        terms = {}
        for name, image in zip(("guide", "task"), model(scans), strict=True):
            terms[name] = l1(image, t1w, brain).mean()
            terms[f"{name} gradient"] = l1_of_gradient(image, t1w, brain).mean()
        return torch.stack(list(terms.values())).sum(), {name: t.detach() for name, t in terms.items()}

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
        return {"scan": scan, "healthy T1w": batch["t1w"], "predicted": model(scan)[1]}


# healthy heads; four views of each, two mild and two severe, as published
BRAIN_ID = BrainIdRecipe(
    "brain-id",
    sampling=SamplingConfig(real=0.0, healthy=1.0, level="mild", views=("mild", "severe", "severe")),
    **vars(COMPACT),
)
RECIPES = {r.name: r for r in (BRAIN_ID, replace(BRAIN_ID, name="brain-id-small", **vars(SMALL)))}
