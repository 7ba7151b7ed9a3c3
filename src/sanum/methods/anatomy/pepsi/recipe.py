"""Recipes of PEPSI: `pepsi` and `pepsi-small`, with the budgets of `una-compact` and `una-small`.

Paper     Liu et al., MICCAI 2024 (arXiv 2403.06227); departures in README.md
Command   sanum train pepsi-small --data ../shared/data -o runs/pepsi-small
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
from ...common.recipe import Batch
from ...common.views import views
from .loss import objective
from .model import Pepsi


@dataclass(frozen=True)
class PepsiRecipe(AnatomyRecipe):
    """Recipe of the network `Pepsi`."""

    method: ClassVar[str] = "pepsi"

    def build(self, anatomies: Sequence[Anatomy]) -> nn.Module:
        """Make the network; `anatomies` are not needed.

        Parameters
        ----------
        anatomies : sequence of Anatomy
            Of the training.
        """
        return Pepsi(self.widths)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Objective of `loss.py`, over the views of each head.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of Tensor
            Of `synth.stream.Stream`.
        """
        scans = views(batch)
        count = len(scans) // len(batch["sick"])
        targets, lesion, brain = (batch[k].repeat_interleave(count, 0) for k in ("sick", "lesion", "brain"))
        return objective(model(scans, targets), targets, lesion, brain)

    def show(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Scan, healthy T1w, both images with the pathology, and the pathology.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of Tensor
            Of `synth.stream.Stream`.
        """
        scan = batch["image"][:, :1]
        output = model(scan)
        return {
            "scan": scan,
            "healthy T1w": batch["t1w"],
            "T1w": output.images[:, :1],
            "FLAIR": output.images[:, 1:],
            "pathology": output.pathology[:, 1:].sigmoid(),
            "lesion": batch["lesion"],
        }


# every head has an anomaly; four views of each, two mild and two severe, as published
PEPSI = PepsiRecipe(
    "pepsi",
    sampling=SamplingConfig(
        real=0.0, healthy=0.0, level="mild", views=("mild", "severe", "severe"), sick=True
    ),
    **vars(COMPACT),
)
RECIPES = {r.name: r for r in (PEPSI, replace(PEPSI, name="pepsi-small", **vars(SMALL)))}
