"""Recipes of CUT: `cut`, `cut-paired` and `cut-3d` for CPUs; `cut-full` with the settings of the spine study.

Paper     Park et al., ECCV 2020; settings of Graf et al., Eur Radiol Exp 2023; departures in README.md
Command   sanum translate fit PAIRS -o MODEL --method cut
Hardware  one core for the small ones; `-full` wants a GPU of 24 GB and about a day
Reached   README.md
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from ....learn.draws import drawn_from
from ....learn.schedule import OptimizerConfig
from ....learn.turns import Turn
from ...common.recipe import Batch
from ...common.translation import LOOP, Pairing, TranslationRecipe
from .loss import Terms, discriminator_loss, generator_loss
from .model import CutNet

GAN = OptimizerConfig(
    optimizer="adam",
    betas=(0.5, 0.999),
    learning_rate=4e-4,
    warmup=0,
    schedule="linear",
    weight_decay=0.0,
    clip=1e9,
)


@dataclass(frozen=True)
class CutRecipe(TranslationRecipe):
    """Recipe of `CutNet`: discriminator and generator take turns; without pairs, or with some ("both").

    Parameters
    ----------
    design : (int, int, int)
        Width, residual blocks and halvings of the generator.
    head : int
        Numbers that a head makes of a place.
    judge : (int, int)
        Channels after the discriminator's first layer, and layers after it.
    places : int
        Of each map, that are compared.
    temperature : float
        τ.
    nce_weight, likeness_weight, ssim_weight : float
        a, b and c of the generator's loss.
    gan : OptimizerConfig
        Of all networks.
    """

    method: ClassVar[str] = "cut"
    pairings: ClassVar[tuple[Pairing, ...]] = ("unpaired", "both")
    pairing: Pairing = "unpaired"
    batch_size: int = 4
    design: tuple[int, int, int] = (16, 4, 1)
    head: int = 64
    judge: tuple[int, int] = (32, 3)
    places: int = 128
    temperature: float = 0.07
    nce_weight: float = 0.5
    likeness_weight: float = 10.0
    ssim_weight: float = 1.0
    gan: OptimizerConfig = GAN

    def build(self) -> nn.Module:
        """The networks, drawn from PyTorch's global generator."""
        if any(n % 2 ** self.design[2] for n in self.patch):
            raise ValueError(f"patch must be multiples of {2 ** self.design[2]}, got {self.patch}")
        return CutNet(self.dims, self.channels, self.design, self.head, self.judge)

    def turns(self) -> tuple[Turn, ...]:
        """Discriminator, then generator and heads, on the same batch."""
        return (
            Turn(self.of_discriminator, "discriminator", ("discriminator",), self.gan, watched=False),
            Turn(self.of_generator, "generator", ("generator", "heads"), self.gan, watched=False),
        )

    def of_discriminator(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """See `loss.discriminator_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "source" and "other".
        """
        assert isinstance(model, CutNet)
        return discriminator_loss(model, batch["source"], batch["other"])

    def of_generator(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """See `loss.generator_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "source", "other", and "target" where there are pairs.
        """
        assert isinstance(model, CutNet)
        source = batch["source"]
        with drawn_from(int(batch["seed"]), source.device):
            return generator_loss(
                model,
                source,
                batch["other"],
                batch.get("target"),
                weights=(self.nce_weight, self.likeness_weight, self.ssim_weight),
                patches=self.places,
                temperature=self.temperature,
            )

    def translate(self, model: nn.Module, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The generator's answer; the noise is not used.

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


SMALL = CutRecipe("cut")
PAIRED = replace(SMALL, name="cut-paired", pairing="both")
VOLUMES = replace(
    SMALL,
    name="cut-3d",
    dims=3,
    patch=(32, 32, 32),
    batch_size=1,
    apply_batch=1,
    design=(8, 3, 1),
    judge=(16, 2),
    loop=replace(LOOP, steps=600),
)
FULL = replace(
    SMALL,
    name="cut-full",
    patch=(256, 256),
    design=(32, 6, 1),
    head=256,
    judge=(64, 3),
    places=256,
    precision="auto",
    gan=replace(GAN, learning_rate=2e-4),
    loop=replace(LOOP, steps=300_000, save_every=1000),
)
RECIPES = {recipe.name: recipe for recipe in (SMALL, PAIRED, VOLUMES, FULL)}
