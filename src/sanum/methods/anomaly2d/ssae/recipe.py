"""Recipes of the scale-space autoencoder: `ssae`, `ssae-faithful` with the study's own input and map.

Paper     Baur et al., MICCAI 2020; its exact numbers are those of the study, see README.md
Command   sanum detect crossval NORMALS ABNORMALS -o OUT --method ssae
Reached   README.md
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import nn

from ....data.augment import AugmentConfig
from ....learn.overrides import LATER
from ....learn.schedule import LoopConfig
from ....nets.strided import Norm
from ...common.detector_recipe import DetectorRecipe
from ...common.published import PUBLISHED_LOOP, PUBLISHED_PICTURE, PUBLISHED_VIEWS, SHORT_LOOP
from ...common.recipe import Batch
from ...common.residual import residual
from .loss import errors_by_scale, objective
from .model import LEVELS, Ssae


@dataclass(frozen=True)
class SsaeRecipe(DetectorRecipe):
    """Recipe of the network `Ssae`.

    Parameters
    ----------
    widths : tuple of int
        Channels of the finest band's autoencoder, after each halving.
    dropout : float
        Share of the channels that training leaves out.
    norm : "batch" or "group"
        Of the network; private training needs group norm.
    encode_lowpass : bool
        The rest goes through an autoencoder too, and has a term in loss and score.
    scale_weights : tuple of float
        λ of the three bands.
    all_scales : bool
        The map is the mean of the residuals of all scales, each at full size; else that of the finest alone.
    """

    method: ClassVar[str] = "ssae"
    batch_size: int = 30
    loop: LoopConfig = SHORT_LOOP
    precision: Literal["32", "auto"] = "auto"
    augment: AugmentConfig = PUBLISHED_VIEWS
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    dropout: float = 0.25
    encode_lowpass: bool = False
    scale_weights: tuple[float, ...] = (1.0, 1.0, 1.0)
    all_scales: bool = True
    norm: Norm = field(default="batch", metadata=LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.scale_weights) != LEVELS:
            raise ValueError(
                f"scale_weights has one number for each of {LEVELS} bands, got {self.scale_weights}"
            )

    def build(self, channels: int) -> nn.Module:
        """Make the network.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        size, lowpass = self.picture.size, self.encode_lowpass
        return Ssae(channels, size, self.widths, self.dropout, self.norm, encode_lowpass=lowpass)

    @property
    def all_weights(self) -> tuple[float, ...]:
        """λ of every scale that counts."""
        return (*self.scale_weights, 1.0) if self.encode_lowpass else self.scale_weights

    def objective(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `loss.py`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `DetectorRecipe.objective`.
        """
        images, made = model(batch["image"])
        return objective(images, made, batch["valid"], self.all_weights)

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
        made: list[torch.Tensor] = model(image)[1]
        return made[0]

    def respond(
        self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map of |Iₖ − Rₖ|, score ∑ mean (Iₖ − Rₖ)², without weights.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        images, made = model(image)
        scales = len(self.all_weights)
        score = torch.stack(errors_by_scale(images, made, valid[:, None].float(), scales)).sum(0)
        if not self.all_scales:
            return residual(images[0], made[0]), score
        size = image.shape[2:]
        maps = [
            F.interpolate(residual(one, other)[:, None], size=size, mode="bilinear")[:, 0]
            for one, other in zip(images[:scales], made[:scales], strict=True)
        ]
        return torch.stack(maps).mean(0), score


SSAE = SsaeRecipe("ssae")
FAITHFUL = replace(
    SSAE, name="ssae-faithful", picture=PUBLISHED_PICTURE, loop=PUBLISHED_LOOP, all_scales=False
)
RECIPES = {r.name: r for r in (SSAE, replace(SSAE, name="ssae-lowpass", encode_lowpass=True), FAITHFUL)}
