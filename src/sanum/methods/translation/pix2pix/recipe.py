"""Recipes of Pix2Pix: `pix2pix` and `pix2pix-3d` for CPUs, both `-full` with the settings of the spine study.

Paper     Isola et al., CVPR 2017; settings of Graf et al., Eur Radiol Exp 2023; departures in README.md
Command   sanum translate fit PAIRS -o MODEL --method pix2pix
Hardware  one core for the small ones; `-full` wants a GPU of 24 GB and about a day
Reached   README.md
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from ....learn.schedule import OptimizerConfig
from ....learn.turns import Turn
from ...common.recipe import Batch
from ...common.translation import LOOP, TranslationRecipe
from ...common.translation_nets import require_large
from .loss import Terms, discriminator_loss, generator_loss
from .model import Pix2PixNet

GAN = OptimizerConfig(
    optimizer="adam",
    betas=(0.5, 0.999),
    learning_rate=5e-4,
    warmup=0,
    schedule="linear",
    weight_decay=0.0,
    clip=1e9,
)


@dataclass(frozen=True)
class Pix2PixRecipe(TranslationRecipe):
    """Recipe of `Pix2PixNet`: discriminator and generator take turns.

    Parameters
    ----------
    widths : (6,) tuple of int
        Channels of the levels of the U-Net, and of its last map.
    judge : (int, int)
        Channels after the discriminator's first layer, and layers after it.
    gan_weight, likeness_weight, ssim_weight : float
        a, b and c of the generator's loss.
    gan : OptimizerConfig
        Of both networks.
    """

    method: ClassVar[str] = "pix2pix"
    widths: tuple[int, ...] = (16, 16, 32, 64, 64, 16)
    judge: tuple[int, int] = (32, 3)
    gan_weight: float = 1.0
    likeness_weight: float = 10.0
    ssim_weight: float = 1.0
    gan: OptimizerConfig = GAN

    def build(self) -> nn.Module:
        """The networks, drawn from PyTorch's global generator."""
        require_large(self.patch)
        return Pix2PixNet(self.dims, self.channels, self.widths, self.judge)

    def turns(self) -> tuple[Turn, ...]:
        """Discriminator, then generator, on the same batch."""
        return (
            Turn(self.of_discriminator, "discriminator", ("discriminator",), self.gan, watched=False),
            Turn(self.of_generator, "generator", ("generator",), self.gan, watched=False),
        )

    def of_discriminator(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """See `loss.discriminator_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "source" and "target".
        """
        assert isinstance(model, Pix2PixNet)
        return discriminator_loss(model, batch["source"], batch["target"])

    def of_generator(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """See `loss.generator_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "source" and "target".
        """
        assert isinstance(model, Pix2PixNet)
        weights = (self.gan_weight, self.likeness_weight, self.ssim_weight)
        return generator_loss(model, batch["source"], batch["target"], weights)

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


SMALL = Pix2PixRecipe("pix2pix")
VOLUMES = replace(
    SMALL,
    name="pix2pix-3d",
    dims=3,
    patch=(32, 32, 32),
    batch_size=2,
    apply_batch=2,
    judge=(16, 2),
    loop=replace(LOOP, steps=600),
)
FULL = replace(
    SMALL,
    name="pix2pix-full",
    patch=(256, 256),
    batch_size=4,
    widths=(64, 64, 128, 256, 512, 64),
    judge=(64, 3),
    precision="auto",
    gan=replace(GAN, learning_rate=2e-5),
    loop=replace(LOOP, steps=300_000, save_every=1000),
)
FULL_VOLUMES = replace(
    FULL,
    name="pix2pix-3d-full",
    dims=3,
    spacing_mm=1.0,
    patch=(32, 128, 128),
    batch_size=2,
    apply_batch=2,
    widths=(32, 32, 64, 128, 256, 32),
    judge=(64, 2),
)
RECIPES = {recipe.name: recipe for recipe in (SMALL, VOLUMES, FULL, FULL_VOLUMES)}
