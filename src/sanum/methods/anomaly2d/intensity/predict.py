"""The mean intensity as a detector: how far above the normals' own."""

import torch

from ....scan.picture_conform import PictureConfig
from ....weights.file import WeightsError
from ...common.detector import Detector
from ...common.detector_config import DetectorConfig
from ...common.findings import Chosen, Held, OnStep, State
from ...common.opening import closed_form, loader
from ...common.squares import SquareStack

CONFIGS = {
    "intensity": DetectorConfig("intensity", picture=PictureConfig(fit="stretch", scale="none", signed=False))
}


class IntensityDetector(Detector):
    """Score: mean intensity of the valid pixels; map: intensity; both less the mean of the normals."""

    method = "intensity"

    def learn(self, train: SquareStack, held: Held | None, on_step: OnStep | None) -> dict[str, Chosen]:
        """The mean over all training pixels.

        Parameters
        ----------
        train : SquareStack
            Normals.
        held : Held or None
            Not looked at.
        on_step : function, optional
            Not called.
        """
        inside = train.valid[:, None].expand(-1, train.channels, -1, -1)
        state = {"mean": train.pixels[inside].double().mean().float()[None]}
        return closed_form(Chosen(state), both=held is not None and held.has_both)

    def adopt(self, state: State) -> None:
        """Take the mean.

        Parameters
        ----------
        state : dict of tensor
            "mean", (1,).
        """
        if set(state) != {"mean"} or state["mean"].shape != (1,):
            raise WeightsError("expected one mean")
        self.mean = state["mean"].to(self.device)

    def respond(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Intensities above the mean; no formula beside.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            In the unit of the source.
        valid : (B, S, S) bool
            Pixels that count.
        """
        return pixels.mean(1) - self.mean, None


load = loader(IntensityDetector, CONFIGS)
