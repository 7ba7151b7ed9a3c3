"""Recipes of one-step regression: `regression` and `regression-3d` for CPUs, both `-full` for GPUs.

Paper     none of its own: Ronneberger et al. 2015 (U-Net), Zhao et al. 2017 (L1 and SSIM); README.md
Command   sanum translate fit PAIRS -o MODEL --method regression
Hardware  one core for the small ones; `-full` wants a GPU of 16 GB and some hours
Reached   README.md
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from ...common.recipe import Batch
from ...common.translation import LOOP, TranslationRecipe
from ...common.translation_nets import require_large
from .loss import likeness_loss
from .model import RegressionNet


@dataclass(frozen=True)
class RegressionRecipe(TranslationRecipe):
    """Recipe of `RegressionNet`.

    Parameters
    ----------
    widths : (6,) tuple of int
        Channels of the levels of the U-Net, and of its last map.
    ssim_weight : float
        Of 1 − SSIM beside L1.
    """

    method: ClassVar[str] = "regression"
    widths: tuple[int, ...] = (16, 16, 32, 64, 64, 16)
    ssim_weight: float = 0.5

    def build(self) -> nn.Module:
        """The network, drawn from PyTorch's global generator."""
        require_large(self.patch)
        return RegressionNet(self.dims, self.channels, self.widths)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """L1 + w (1 − SSIM).

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "source" (B, channels, *patch) and "target" (B, 1, *patch).
        """
        return likeness_loss(model(batch["source"]), batch["target"], self.ssim_weight)

    def translate(self, model: nn.Module, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The network's answer; the noise is not used.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        source : (B, channels, *patch) float32
            In [−1, 1].
        noise : (B, 1, *patch) float32
            Not used.
        """
        made: torch.Tensor = model(source)
        return made


SMALL = RegressionRecipe("regression")
VOLUMES = replace(
    SMALL,
    name="regression-3d",
    dims=3,
    patch=(32, 32, 32),
    batch_size=2,
    apply_batch=2,
    loop=replace(LOOP, steps=800),
)
FULL = replace(
    SMALL,
    name="regression-full",
    patch=(256, 256),
    widths=(64, 64, 128, 256, 512, 64),
    precision="auto",
    workers=0,
    loop=replace(LOOP, steps=100_000, learning_rate=2e-4, betas=(0.5, 0.999), save_every=1000),
)
FULL_VOLUMES = replace(
    FULL,
    name="regression-3d-full",
    dims=3,
    spacing_mm=1.0,
    patch=(32, 128, 128),
    batch_size=2,
    apply_batch=2,
    widths=(32, 32, 64, 128, 256, 32),
)
RECIPES = {recipe.name: recipe for recipe in (SMALL, VOLUMES, FULL, FULL_VOLUMES)}
