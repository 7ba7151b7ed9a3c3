"""The mean T1w of the training subjects as a predictor: a baseline that costs nothing."""

from pathlib import Path

import torch.nn.functional as F

from ....files import sha256
from ....scan.contrast import Contrast
from ....space.box import Box
from ....types import FloatArray, Mask
from ....weights.file import load_weights
from ....weights.store import resolve
from ...common.anatomy import Maps
from ...common.regression import difference, unknown

KEPT_WITH = "una-compact"
"""Weights that the mean is kept with."""


def load(*, weights: Path | None = None, device: str = "cpu", room: int | None = None) -> "MeanPredictor":
    """Predictor of the mean.

    Parameters
    ----------
    weights : None
        It takes none.
    device : str
        Reported as `device`; the mean is read on the CPU.
    room : int, optional
        Not needed.
    """
    return MeanPredictor(device=device)


class MeanPredictor:
    """The mean T1w of the training subjects over their poses; the same for every scan.

    It is kept with the weights that ship: T̄ P̄, T̄ the mean over the brains that reach a voxel and P̄ the
    share of brains that do. `anomaly` is the difference from it, as of any method without a head for it.

    Parameters
    ----------
    device : str
        Reported as `device`; the mean is read on the CPU.
    """

    box = Box((80, 96, 80), 2.0)  # that of the weights
    memory_plan = None

    def __init__(self, *, device: str = "cpu") -> None:
        file = resolve(KEPT_WITH)
        self.device, self.weights_name, self.weights_sha256 = device, file.name, sha256(file)
        self.average = load_weights(file)[0]["average"]

    def __call__(
        self,
        pair: FloatArray,
        *,
        covered: Mask | None = None,
        quick: bool = False,
        contrast: Contrast = "unknown",
    ) -> Maps:
        """Maps of the mean, on a box of the model's extent.

        Parameters
        ----------
        pair : (2, X, Y, Z) float32
            Its shape is that of the maps; its first image is what `anomaly` is the difference of.
        covered, quick, contrast : (X, Y, Z) bool, bool, str
            Change nothing.
        """
        mean, share = F.interpolate(self.average, size=pair.shape[1:], mode="trilinear")[0].numpy()
        t1w = mean * share
        return Maps(t1w, difference(pair[0], t1w, share), share, unknown(t1w))
