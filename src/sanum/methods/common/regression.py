"""Networks that regress a T1w from a scan, as predictors.

One pass over the scan alone and one over its left-right flip, averaged.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from ...files import sha256
from ...metrics.errors import match_intensity
from ...scan.contrast import Contrast
from ...space.components import largest_component
from ...types import FloatArray, Mask
from ...weights.file import load_weights, weights_of
from .anatomy import Maps
from .building import box_of, build_for, widths_of
from .memory_plan import MemoryPlan

LEAST_OF_BRAIN = 0.1
"""T1w intensity, white matter 1: the target is 0 outside of the brain, fluid about 0.25."""

Build = Callable[[Sequence[int]], nn.Module]
# scans (B, 1, X, Y, Z) → T1w, and the probability of an anomaly if the network gives one
Read = Callable[[nn.Module, torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]]


class RegressionPredictor:
    """A network that turns a scan into a T1w, with weights, on a device.

    Parameters
    ----------
    method : str
        Whose weights the file must hold.
    build : function
        Network of some widths.
    read : function
        See `Read`.
    weights : Path
        A file of `sanum train`.
    device : str
        A torch device.
    room : int, optional
        Bytes of memory that the network may take; see `MemoryPlan`.

    Raises
    ------
    WeightsError
        Missing, damaged, of another version or of another method.
    """

    def __init__(
        self,
        method: str,
        build: Build,
        read: Read,
        *,
        weights: Path,
        device: str = "cpu",
        room: int | None = None,
    ) -> None:
        state, description = load_weights(weights)
        with weights_of(weights, description, method):
            widths = widths_of(description)
            self.net: nn.Module = build_for(state, widths, lambda: build(widths))
            self.box = box_of(description)
        self.net.eval().to(memory_format=torch.channels_last_3d)
        self.read, self.weights_name, self.weights_sha256 = read, weights.name, sha256(weights)
        self.memory_plan = MemoryPlan(self.net, (1, *self.box.shape), device, room=room)

    @property
    def device(self) -> str:
        """Where the network is."""
        return self.memory_plan.placement.device

    @torch.inference_mode()
    def __call__(
        self,
        pair: FloatArray,
        *,
        covered: Mask | None = None,
        quick: bool = False,
        contrast: Contrast = "unknown",
    ) -> Maps:
        """Predict from the scan of `pair` (2, X, Y, Z); its mirror image is not looked at.

        Parameters
        ----------
        pair : (2, X, Y, Z) float32
            The scan and its mirror image, scaled by `scan.conform`.
        covered : (X, Y, Z) bool, optional
            Not looked at.
        quick : bool
            One pass, without the flip.
        contrast : str
            Not looked at.
        """
        scan = torch.from_numpy(np.ascontiguousarray(pair[:1], dtype=np.float32))[None]
        t1w, anomaly = self._maps(scan)
        if not quick:
            other, other_anomaly = self._maps(scan.flip(2))
            t1w = t1w / 2 + other.flip(0) / 2
            if anomaly is not None and other_anomaly is not None:
                anomaly = anomaly / 2 + other_anomaly.flip(0) / 2
        image = t1w.numpy()
        brain = brain_in(image)
        score = difference(pair[0], image, brain) if anomaly is None else anomaly.numpy()
        return Maps(image, score * brain, brain, unknown(image))

    def _maps(self, scan: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """T1w, and the probability of an anomaly if there is one, each (X, Y, Z), on the CPU."""

        def run(device: str) -> tuple[torch.Tensor, torch.Tensor | None]:
            t1w, anomaly = self.read(self.net, scan.to(device))
            return t1w[0, 0].float().cpu(), None if anomaly is None else anomaly[0, 0].float().cpu()

        return self.memory_plan(run)


def brain_in(t1w: FloatArray) -> FloatArray:
    """Where a T1w (X, Y, Z) whose background is 0 shows brain: its largest part, without holes; 0 or 1.

    Parameters
    ----------
    t1w : (X, Y, Z) float32
        White matter near 1.
    """
    inside = ndimage.binary_fill_holes(largest_component(t1w > LEAST_OF_BRAIN))
    brain: FloatArray = inside.astype(np.float32)
    return brain


def difference(scan: FloatArray, t1w: FloatArray, brain: FloatArray) -> FloatArray:
    """|a I + b − Î| (X, Y, Z) in [0, 1], white matter 1; a, b fit the scan to the T1w inside the brain.

    A score, no probability, and it means something where the scan is a T1w itself.

    Parameters
    ----------
    scan, t1w : (X, Y, Z) float32
        I and Î.
    brain : (X, Y, Z) float32
        Probability of brain; inside is above 0.5.
    """
    inside = brain > 0.5
    if not inside.any():
        return np.zeros_like(t1w)
    score: FloatArray = np.minimum(np.abs(match_intensity(scan, t1w, inside) - t1w), 1) * inside
    return score


def unknown(t1w: FloatArray) -> FloatArray:
    """NaN everywhere: the method does not estimate its uncertainty.

    Parameters
    ----------
    t1w : (X, Y, Z) float32
        Whose shape it takes.
    """
    return np.full_like(t1w, np.nan)
