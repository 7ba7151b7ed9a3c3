"""Recipes of conditional diffusion: `ddim`, `ddim-noise`, `ddim-3d` for CPUs; `-full` as published.

Paper     Song et al., ICLR 2021; settings of Graf et al., Eur Radiol Exp 2023; departures in README.md
Command   sanum translate fit PAIRS -o MODEL --method ddim
Hardware  one core for the small ones; `-full` wants a GPU of 24 GB and one to three days
Reached   README.md
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import nn

from ....learn.draws import drawn_from
from ...common.diffusion import require_halvings
from ...common.recipe import Batch
from ...common.translation import LOOP, TranslationRecipe
from .loss import diffusion_loss
from .model import ConditionalDiffusion


@dataclass(frozen=True)
class DdimRecipe(TranslationRecipe):
    """Recipe of `ConditionalDiffusion`.

    Parameters
    ----------
    finds : "image" or "noise"
        What the network answers with.
    widths : tuple of int
        Channels of the U-Net before and after each halving.
    attention : bool
        At its last level.
    noise_steps : int
        T.
    sampler_steps : int
        Of the way from noise to image.
    drop : float
        Share of the training patches whose scan is left out.
    guidance : float
        w of classifier-free guidance; more than 0 needs a network that has learned with `drop`.
    """

    method: ClassVar[str] = "ddim"
    draws: ClassVar[bool] = True
    overlap: float = 0.25
    finds: Literal["image", "noise"] = "image"
    widths: tuple[int, ...] = (16, 16, 32, 64)
    attention: bool = False
    noise_steps: int = 1000
    sampler_steps: int = 20
    drop: float = 0.0
    guidance: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.sampler_steps <= self.noise_steps:
            raise ValueError(
                f"sampler_steps must be 1 to noise_steps, got {self.sampler_steps} of {self.noise_steps}"
            )
        if not 0 <= self.drop < 1:
            raise ValueError(f"drop must be at least 0 and below 1, got {self.drop}")
        if self.guidance and not self.drop:
            raise ValueError(f"guidance {self.guidance} needs a network that learned without scans: set drop")

    def build(self) -> nn.Module:
        """The network, drawn from PyTorch's global generator."""
        require_halvings(self.patch, self.widths)
        return ConditionalDiffusion(
            self.dims,
            self.channels,
            self.widths,
            self.noise_steps,
            finds_noise=self.finds == "noise",
            attention=self.attention,
        )

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `loss.diffusion_loss`; it has no further terms.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "source" (B, channels, *patch) and "target" (B, 1, *patch).
        """
        assert isinstance(model, ConditionalDiffusion)
        source, target = batch["source"], batch["target"]
        count = len(target)
        with drawn_from(int(batch["seed"]), target.device):
            times = torch.randint(1, self.noise_steps + 1, (count,), device=target.device)
            noise = torch.randn_like(target)
            dropped = torch.rand(count, device=target.device) < self.drop
            return diffusion_loss(model, source, target, times, noise, dropped), {}

    def translate(self, model: nn.Module, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """What the noise becomes.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        source : (B, channels, *patch) float32
            In [−1, 1].
        noise : (B, 1, *patch) float32
            x_T.
        """
        assert isinstance(model, ConditionalDiffusion)
        return model.sample(source, noise, self.sampler_steps, self.guidance)


SMALL = DdimRecipe("ddim")
NOISE = replace(SMALL, name="ddim-noise", finds="noise")
VOLUMES = replace(
    SMALL,
    name="ddim-3d",
    dims=3,
    patch=(32, 32, 32),
    batch_size=1,
    apply_batch=1,
    widths=(8, 16, 32),
    sampler_steps=10,
    loop=replace(LOOP, steps=800),
)
FULL = replace(
    SMALL,
    name="ddim-full",
    patch=(256, 256),
    widths=(64, 128, 256, 512),
    attention=True,
    sampler_steps=50,
    drop=0.3,
    precision="auto",
    loop=replace(LOOP, steps=1_000_000, learning_rate=2e-5, save_every=1000),
)
FULL_NOISE = replace(FULL, name="ddim-noise-full", finds="noise")
FULL_VOLUMES = replace(
    FULL,
    name="ddim-3d-full",
    dims=3,
    spacing_mm=1.0,
    patch=(32, 128, 128),
    batch_size=2,
    apply_batch=1,
    attention=False,
    drop=0.0,
)
RECIPES = {recipe.name: recipe for recipe in (SMALL, NOISE, VOLUMES, FULL, FULL_NOISE, FULL_VOLUMES)}
