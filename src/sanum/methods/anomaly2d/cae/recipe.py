"""Recipes of the convolutional autoencoder: `cae`, and `cae-faithful` with the study's own input.

Study     unsupervised anomaly detection in head CT, published slides; departures in README.md
Command   sanum detect crossval NORMALS ABNORMALS -o OUT --method cae
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
from ...common.detector_recipe import DetectorRecipe
from ...common.published import PUBLISHED_LOOP, PUBLISHED_PICTURE, PUBLISHED_VIEWS, SHORT_LOOP
from ...common.recipe import Batch
from ...common.residual import residual, squared_error
from .loss import objective
from .model import DenseAutoencoder


@dataclass(frozen=True)
class CaeRecipe(DetectorRecipe):
    """Recipe of the network `DenseAutoencoder`.

    Parameters
    ----------
    widths : tuple of int
        Channels after each halving.
    code : int
        Numbers of the code.
    dropout : float
        Share that training leaves out.
    norm : "batch" or "group"
        Of the network; private training needs group norm.
    """

    method: ClassVar[str] = "cae"
    batch_size: int = 30
    loop: LoopConfig = SHORT_LOOP
    precision: Literal["32", "auto"] = "auto"
    augment: AugmentConfig = PUBLISHED_VIEWS
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    code: int = 128
    dropout: float = 0.25
    norm: Norm = field(default="batch", metadata=LATER)

    def build(self, channels: int) -> nn.Module:
        """Make the network.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        return DenseAutoencoder(channels, self.picture.size, self.widths, self.code, self.dropout, self.norm)

    def objective(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `loss.py`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `DetectorRecipe.objective`.
        """
        return objective(model(batch["image"]), batch["image"], batch["valid"])

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
        made: torch.Tensor = model(image)
        return made

    def respond(
        self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map |x − x̂|, score the mean of (x − x̂)².

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        made = model(image)
        return residual(image, made), squared_error(image, made, valid[:, None].float())


CAE = CaeRecipe("cae")
RECIPES = {
    r.name: r
    for r in (CAE, replace(CAE, name="cae-faithful", picture=PUBLISHED_PICTURE, loop=PUBLISHED_LOOP))
}
