"""Recipes of SynDiff: `syndiff` for CPUs, `syndiff-full` with published settings.

Paper     Özbey et al., IEEE TMI 2023; departures in README.md
Command   sanum translate fit PAIRS -o MODEL --method syndiff
Hardware  one core for the small one; `-full` wants a GPU of 24 GB and some days
Reached   README.md
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from ....learn.draws import drawn_from
from ....learn.schedule import OptimizerConfig
from ....learn.turns import Turn
from ...common.diffusion import require_halvings
from ...common.recipe import Batch
from ...common.translation import LOOP, Pairing, TranslationRecipe
from ...common.translation_nets import require_large
from .loss import Terms, generator_loss, judge_loss
from .model import Noisy, SynDiffNet

GAN = OptimizerConfig(
    optimizer="adam",
    betas=(0.5, 0.9),
    learning_rate=5e-4,
    warmup=0,
    schedule="cosine",
    weight_decay=0.0,
    clip=1e9,
)


@dataclass(frozen=True)
class SynDiffRecipe(TranslationRecipe):
    """Recipe of `SynDiffNet`: judges and generators take turns; without pairs, of slices.

    Parameters
    ----------
    widths : tuple of int
        Channels of the diffusion's U-Net before and after each halving.
    attention : bool
        At its last level.
    translator : (6,) tuple of int
        Channels of the levels of the U-Nets that make sources, and of their last map.
    judge : (int, int)
        Channels after a discriminator's first layer, and layers after it.
    noise_steps : int
        T, large steps.
    cycle_weight, back_weight : float
        Of what comes back after both translators, and from the diffusion.
    penalty : float
        γ, of the judges' slope at what is real.
    gan : OptimizerConfig
        Of all networks.
    """

    method: ClassVar[str] = "syndiff"
    draws: ClassVar[bool] = True
    pairings: ClassVar[tuple[Pairing, ...]] = ("unpaired",)
    pairing: Pairing = "unpaired"
    batch_size: int = 4
    overlap: float = 0.25
    widths: tuple[int, ...] = (16, 16, 32, 64)
    attention: bool = False
    translator: tuple[int, ...] = (8, 16, 32, 64, 64, 8)
    judge: tuple[int, int] = (16, 3)
    noise_steps: int = 4
    cycle_weight: float = 5.0
    back_weight: float = 5.0
    penalty: float = 1.0
    gan: OptimizerConfig = GAN

    def __post_init__(self) -> None:
        if self.dims == 3:
            raise ValueError("syndiff is of slices, as published: dims is 2, or use ddim-3d with pairs")
        super().__post_init__()
        if self.noise_steps < 1:
            raise ValueError(f"noise_steps must be at least 1, got {self.noise_steps}")

    def build(self) -> nn.Module:
        """The networks, drawn from PyTorch's global generator."""
        require_large(self.patch)
        require_halvings(self.patch, self.widths)
        return SynDiffNet(
            self.widths, self.translator, self.judge, self.noise_steps, attention=self.attention
        )

    @property
    def noise_fields(self) -> int:
        """The first, and one of each step but the last."""
        return self.noise_steps

    def turns(self) -> tuple[Turn, ...]:
        """The three judges, then the three generators, on the same batch."""
        judges = ("judge_steps", "judge_source", "judge_target")
        generators = ("diffuser", "to_source", "to_target")
        return (
            Turn(self.of_judges, "judges", judges, self.gan, watched=False),
            Turn(self.of_generators, "generators", generators, self.gan, watched=False),
        )

    def of_judges(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """See `loss.judge_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "source" and "other".
        """
        assert isinstance(model, SynDiffNet)
        with drawn_from(2 * int(batch["seed"]), batch["other"].device):
            noisy = self._noisy(model, batch["other"])
            return judge_loss(model, batch["source"], batch["other"], noisy, self.penalty)

    def of_generators(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """See `loss.generator_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "source" and "other".
        """
        assert isinstance(model, SynDiffNet)
        weights = (self.cycle_weight, self.back_weight)
        with drawn_from(2 * int(batch["seed"]) + 1, batch["other"].device):
            noisy = self._noisy(model, batch["other"])
            return generator_loss(model, batch["source"], batch["other"], noisy, weights)

    def _noisy(self, model: SynDiffNet, target: torch.Tensor) -> Noisy:
        times = torch.randint(1, self.noise_steps + 1, (len(target),), device=target.device)
        return model.noisy(target, times)

    def translate(self, model: nn.Module, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """What the noise becomes.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        source : (B, 1, *patch) float32
            In [−1, 1].
        noise : (B, noise_steps, *patch) float32
            x_T, and what the steps draw.
        """
        assert isinstance(model, SynDiffNet)
        return model.sample(source, noise)


SMALL = SynDiffRecipe("syndiff")
FULL = replace(
    SMALL,
    name="syndiff-full",
    patch=(256, 256),
    batch_size=1,
    widths=(64, 64, 128, 128, 256, 256),
    attention=True,
    translator=(64, 64, 128, 256, 512, 64),
    judge=(64, 3),
    cycle_weight=0.5,
    back_weight=0.5,
    precision="auto",
    gan=replace(GAN, learning_rate=1.6e-4),
    loop=replace(LOOP, steps=500_000, ema=0.999, save_every=1000),
)
RECIPES = {recipe.name: recipe for recipe in (SMALL, FULL)}
