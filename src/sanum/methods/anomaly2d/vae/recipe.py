"""Recipes of the variational autoencoder: `vae` at 64 pixels, and `vae-faithful` as published, at 128.

Paper     Baur et al., Med Image Anal 2021; departures in README.md
Command   sanum detect crossval NORMALS ABNORMALS -o OUT --method vae
Reached   README.md
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import nn

from ....data.augment import AugmentConfig
from ....learn.overrides import LATER
from ....learn.schedule import LoopConfig
from ....nets.strided import Norm
from ....scan.picture_conform import PictureConfig
from ...common.detector_config import OF_POOLING
from ...common.detector_recipe import DetectorRecipe
from ...common.published import PUBLISHED_LOOP, PUBLISHED_VIEWS
from ...common.recipe import Batch
from .loss import distance, kl_from_standard, objective
from .maps import MapKind, map_of
from .model import Vae

LOOP = replace(PUBLISHED_LOOP, learning_rate=1e-4, steps=7_500)


@dataclass(frozen=True)
class VaeRecipe(DetectorRecipe):
    """Recipe of the network `Vae`.

    Parameters
    ----------
    widths : tuple of int
        Channels after each halving.
    code : int
        Numbers of the code.
    dropout : float
        Share that training leaves out beside the code.
    norm : "batch" or "group"
        Of the network; private training needs group norm.
    kl_weight : float
        Of the KL divergence in the objective, the score and the maps.
    map : str
        See `maps.map_of`.
    """

    method: ClassVar[str] = "vae"
    of_scoring: ClassVar[tuple[str, ...]] = ("map", *OF_POOLING)
    batch_size: int = 8
    precision: Literal["32", "auto"] = "auto"
    loop: LoopConfig = LOOP
    augment: AugmentConfig = PUBLISHED_VIEWS
    validate_every: int = 75
    widths: tuple[int, ...] = (32, 64, 128)
    code: int = 128
    dropout: float = 0.1
    kl_weight: float = 1.0
    map: MapKind = "residual"
    norm: Norm = field(default="batch", metadata=LATER)

    @property
    def not_exported(self) -> str:
        """A gradient is no part of an ONNX graph."""
        if self.map in ("residual", "bright"):
            return ""
        return (
            f"map={self.map} is a gradient, which an ONNX graph cannot hold: fit with map=residual or "
            "map=bright to export"
        )

    def build(self, channels: int) -> nn.Module:
        """Make the network.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        return Vae(channels, self.picture.size, self.widths, self.code, self.dropout, self.norm)

    def objective(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `loss.py`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `DetectorRecipe.objective`.
        """
        return objective(batch["image"], model(batch["image"]), batch["valid"], self.kl_weight)

    def reconstruct(self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """x̂.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        made: torch.Tensor = model(image)[0]
        return made

    def respond(
        self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map as `map` says; score the negative ELBO for each valid number of the image.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        inside = valid[:, None].float()
        made, mu, log_sigma = model(image)
        bound = distance(image, made, inside) + self.kl_weight * kl_from_standard(mu, log_sigma)
        score = bound / (inside.sum((1, 2, 3)).clamp_min(1) * image.shape[1])
        return map_of(model, image, inside, self.map, self.kl_weight), score


VAE = VaeRecipe("vae")
FAITHFUL = replace(
    VAE,
    name="vae-faithful",
    precision="32",
    picture=PictureConfig(size=128, high=99.8, signed=False),
    augment=AugmentConfig(),
    widths=(32, 64, 128, 128),
)
RECIPES = {r.name: r for r in (VAE, FAITHFUL)}
