"""Recipes of the deep autoencoding Gaussian mixture: `dagmm`, and `dagmm-faithful` with the study's settings.

Paper     Zong et al., ICLR 2018; for images a study of head CT, published slides; departures in README.md
Command   sanum detect crossval NORMALS ABNORMALS -o OUT --method dagmm
Reached   README.md
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import nn

from ....data.augment import AugmentConfig
from ....learn.schedule import LoopConfig
from ...common.detector_recipe import DetectorRecipe
from ...common.published import PUBLISHED_LOOP, PUBLISHED_PICTURE, PUBLISHED_VIEWS, SHORT_LOOP
from ...common.recipe import Batch
from ...common.residual import residual
from .loss import objective
from .model import Dagmm

LOOP = replace(SHORT_LOOP, clip=5.0)


@dataclass(frozen=True)
class DagmmRecipe(DetectorRecipe):
    """Recipe of the network `Dagmm`.

    Parameters
    ----------
    widths : tuple of int
        Channels after each halving.
    code : int
        Numbers of the autoencoder's code.
    reduced : int
        Numbers of the code that are described by the Gaussians, beside the two of the error.
    gaussians : int
        How many.
    standardise : bool
        Scale what the Gaussians describe to variance 1.
    energy_weight : float
        λ₁ of the objective.
    barrier_weight : float
        λ₂ of the objective.
    jitter : float
        Added to the diagonals of the covariances.
    """

    method: ClassVar[str] = "dagmm"
    batch_size: int = 30
    precision: Literal["32", "auto"] = "auto"
    loop: LoopConfig = LOOP
    augment: AugmentConfig = PUBLISHED_VIEWS
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    code: int = 128
    reduced: int = 3
    gaussians: int = 2
    standardise: bool = True
    energy_weight: float = 0.1
    barrier_weight: float = 0.005
    jitter: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gaussians < 1 or self.reduced < 1 or not self.jitter > 0:
            raise ValueError("gaussians and reduced must be at least 1, and jitter above 0")

    def build(self, channels: int) -> nn.Module:
        """Make the network.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        return Dagmm(
            channels,
            self.picture.size,
            self.widths,
            self.code,
            reduced=self.reduced,
            gaussians=self.gaussians,
            standardise=self.standardise,
        )

    def settle(self, model: nn.Module, parts: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Keep the Gaussians of all training pictures.

        Parameters
        ----------
        model : Module
            As `build` made it.
        parts : iterable of tensor, tensor
            As of `DetectorRecipe.settle`.
        """
        assert isinstance(model, Dagmm)
        model.settle(parts, self.jitter)

    def objective(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `loss.py`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `DetectorRecipe.objective`.
        """
        image, valid = batch["image"], batch["valid"]
        weights = self.energy_weight, self.barrier_weight
        return objective(model(image, valid), image, valid, weights, self.jitter)

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
        made: torch.Tensor = model(image, valid[:, None].float())[0]
        return made

    def respond(
        self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map |x − x̂|, score the energy.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        assert isinstance(model, Dagmm)
        made, z, _ = model(image, valid[:, None].float())
        return residual(image, made), model.energy(z)


DAGMM = DagmmRecipe("dagmm")
FAITHFUL = replace(
    DAGMM,
    name="dagmm-faithful",
    picture=PUBLISHED_PICTURE,
    loop=replace(PUBLISHED_LOOP, clip=LOOP.clip),
    gaussians=4,
    standardise=False,
)
RECIPES = {r.name: r for r in (DAGMM, FAITHFUL)}
