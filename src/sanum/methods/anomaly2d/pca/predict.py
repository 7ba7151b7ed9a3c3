"""The residual of a principal component analysis as a detector."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA

from ....scan.picture_conform import PictureConfig
from ....weights.file import WeightsError
from ...common.detector import Detector
from ...common.detector_config import DetectorConfig
from ...common.findings import Chosen, Held, OnStep, State
from ...common.opening import closed_form, loader
from ...common.squares import SquareStack


@dataclass(frozen=True)
class PcaConfig(DetectorConfig):
    """Configuration of the detector.

    Parameters
    ----------
    name, seed, picture, reading, pooling, hold_out, alpha
        As of `DetectorConfig`.
    components : int
        At most as many as there are normals to learn from.
    """

    components: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.components < 1:
            raise ValueError(f"components must be at least 1, got {self.components}")


CONFIGS = {"pca": PcaConfig("pca", picture=PictureConfig(fit="stretch", signed=False))}


class PcaDetector(Detector):
    """x̂ = μ + Vᵀ V (x − μ), V the normals' first components; map |x − x̂|, score mean (x − x̂)²."""

    method = "pca"

    def learn(self, train: SquareStack, held: Held | None, on_step: OnStep | None) -> dict[str, Chosen]:
        """Mean and components, of the whole decomposition (no random one).

        Parameters
        ----------
        train : SquareStack
            Normals.
        held : Held or None
            Not looked at.
        on_step : function, optional
            Not called.
        """
        flat = train.pixels.numpy().reshape(len(train), -1).astype(np.float64)
        if len(train) < 2:
            raise ValueError("principal components need at least 2 images to learn from")
        fitted = PCA(min(self.config.components, len(train)), svd_solver="full").fit(flat)
        state = {
            "mean": torch.from_numpy(fitted.mean_.astype(np.float32)),
            "components": torch.from_numpy(fitted.components_.astype(np.float32)),
        }
        return closed_form(Chosen(state), both=held is not None and held.has_both)

    def adopt(self, state: State) -> None:
        """Take mean and components.

        Parameters
        ----------
        state : dict of tensor
            "mean", (P,), and "components", (K, P): P numbers of an image.
        """
        numbers = (self.channels or 1) * self.config.picture.size**2
        fits = set(state) == {"mean", "components"} and state["mean"].shape == (numbers,)
        if not fits or state["components"].shape[1:] != (numbers,):
            raise WeightsError(f"expected mean and components of {numbers} numbers")
        # copies of one layout: the order of sums in a product depends on where a matrix lies
        self.mean, self.components = (
            state[name].contiguous().clone().to(self.device) for name in ("mean", "components")
        )

    def respond(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Absolute residual, and its mean square over the valid pixels.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        centred = pixels.flatten(1) - self.mean
        residual = (centred - centred @ self.components.T @ self.components).reshape(pixels.shape)
        weight = valid.to(residual.dtype)
        square = (residual.square().mean(1) * weight).sum((1, 2)) / weight.sum((1, 2))
        return residual.abs().mean(1), square

    def reconstruct(self, pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """x̂.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        centred = pixels.flatten(1) - self.mean
        return (self.mean + centred @ self.components.T @ self.components).reshape(pixels.shape)


load = loader(PcaDetector, CONFIGS)
