"""Baselines that cost nothing: the training mean, and the mirror image in the lesion.

The first is a predictor, as any method. The second is none: it must be told where the lesion is.
"""

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F

from ....scan.conform import MODEL_SHAPE, MODEL_SPACING_MM
from ....weights.file import load_weights
from ...common.predictor import difference, unknown
from ...registry import Array, Maps
from ..una.predict import SHIPPED, shipped_sha256

Mask = npt.NDArray[np.bool_]


class MeanPredictor:
    """The mean T1w of the training subjects over their poses, whatever the scan and however it lies.

    It comes with the weights of UNA that ship: T̄ P̄, T̄ the mean over the brains that reach a voxel and P̄ the
    share of brains that do. `anomaly` is the difference from it, as of the rivals.
    """

    weights_name = SHIPPED.name
    shape = MODEL_SHAPE
    spacing_mm = MODEL_SPACING_MM
    memory_plan = None

    def __init__(self, *, device: str = "cpu") -> None:
        self.device, self.weights_sha256 = device, shipped_sha256()
        self.average = load_weights(SHIPPED, expected_sha256=self.weights_sha256)[0]["average"]

    def __call__(self, pair: Array, *, covered: Mask | None = None, quick: bool = False) -> Maps:
        """Return the mean, on a box of the model's extent and the shape of `pair` (2, X, Y, Z)."""
        mean, share = F.interpolate(self.average, size=pair.shape[1:], mode="trilinear")[0].numpy()
        t1w = mean * share
        return Maps(t1w, difference(pair[0], t1w, share), share, unknown(t1w))


def filled_by_mirror(image: Array, mirrored: Array, lesion: Mask) -> Array:
    """The scan with its lesion filled by the mirror image: an oracle, since it is told the true lesion.

    Parameters
    ----------
    image, mirrored : (X, Y, Z) float32
        The two of a pair.
    lesion : (X, Y, Z) bool
        The true one. Where a lesion lies across as well, that one is shown.
    """
    return np.where(lesion, mirrored, image)
