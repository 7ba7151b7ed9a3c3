"""Baselines that use the truth: the input itself, and with its lesion filled by the mirror image.

Both know where the brain ends, and their intensities are matched to the true T1w over healthy tissue: what
they lack is the anatomy, and no more. "mirror" also knows where the lesion is.
"""

from dataclasses import replace

import numpy as np

from ....healthy.result import Reconstruction
from ....metrics.errors import match_intensity
from ....scan import read
from ....space.mirror import find_mirror, mirror
from ....types import FloatArray, Mask
from .cases import Case
from .numbers import GroundTruth

ORACLES = ("input", "mirror")


class Oracle:
    """A baseline by its name; it finds no anomaly and gives no uncertainty.

    Parameters
    ----------
    name : "input" or "mirror"
    """

    weights_sha256 = ""

    def __init__(self, name: str) -> None:
        if name not in ORACLES:
            raise ValueError(f'unknown baseline "{name}": known are {", ".join(ORACLES)}')
        self.name = name

    def reconstruct(self, case: Case, truth: GroundTruth) -> Reconstruction:
        """The scan as its own reconstruction.

        Parameters
        ----------
        case : Case
            Its scan is read.
        truth : GroundTruth
            Of the case.

        Raises
        ------
        ValueError
            The healthy T1w of the case is not known.
        """
        if truth.t1w is None:
            raise ValueError(f"{self.name} needs the true healthy T1w, which {case.name} lacks")
        scan = read(case.scan)
        image = np.asarray(scan.voxels, dtype=np.float32)
        brain = truth.brain if truth.brain is not None else truth.t1w > 0
        lesion = truth.lesion if truth.lesion is not None else np.zeros(brain.shape, bool)
        if self.name == "mirror":
            across = find_mirror(image, scan.grid)
            image = filled_by_mirror(image, mirror(image, scan.grid, across), lesion)
        anatomy = np.maximum(match_intensity(image, truth.t1w, brain & ~lesion), 0) * brain
        nothing = scan.with_voxels(np.zeros(brain.shape, np.uint8))
        return Reconstruction(
            scan=scan,
            anatomy=replace(scan, voxels=anatomy.astype(np.float32), contrast="T1w"),
            anomaly=nothing,
            anomaly_mask=nothing,
            uncertainty=scan.with_voxels(np.where(brain, np.nan, 0).astype(np.float32)),
            brain=scan.with_voxels(brain.astype(np.uint8)),
            contrast=scan.contrast,
        )


def filled_by_mirror(image: FloatArray, mirrored: FloatArray, lesion: Mask) -> FloatArray:
    """The scan with its lesion filled by the mirror image.

    Parameters
    ----------
    image, mirrored : (X, Y, Z) float32
        The scan and its mirror image.
    lesion : (X, Y, Z) bool
        The true one. If there is also a lesion at the mirrored place, the result has that one.
    """
    return np.where(lesion, mirrored, image)
