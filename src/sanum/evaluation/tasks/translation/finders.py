"""What looks for structures in a translation and in the truth: a threshold, or a fixed segmenter."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ....metrics.translation import Side, beyond
from ....scan import Scan
from ....types import AnyArray

if TYPE_CHECKING:
    from ....methods.segmentation.nisf.segmenter import NisfSegmenter


class Finder(Protocol):
    """What is compared by Dice."""

    @property
    def name(self) -> str:
        """What the tables call it."""
        ...

    @property
    def identity(self) -> str:
        """Whatever its answer depends on, in words or as a SHA-256."""
        ...

    def labels(self, scan: Scan) -> AnyArray:
        """Structures (X, Y, Z) of a scan of the target's contrast; 0 is none.

        Parameters
        ----------
        scan : Scan
            Truth or translation.
        """
        ...


@dataclass(frozen=True)
class ThresholdFinder:
    """All that is beyond a threshold.

    Parameters
    ----------
    threshold : float
        In the target's unit: HU of a CT.
    side : "above" or "below"
        Where what is looked for lies.
    """

    threshold: float
    side: Side = "above"

    @property
    def name(self) -> str:
        """Such as "above 250"."""
        return f"{self.side} {self.threshold:g}"

    @property
    def identity(self) -> str:
        """Its name, to the last digit."""
        return f"{self.side} {self.threshold!r}"

    def labels(self, scan: Scan) -> AnyArray:
        """1 beyond the threshold, else 0.

        Parameters
        ----------
        scan : Scan
            Truth or translation.
        """
        return beyond(np.asarray(scan.voxels, np.float32), self.threshold, self.side)


@dataclass(frozen=True, eq=False)
class TrainedFinder:
    """A segmenter of the target's contrast, the same for truth and translation.

    Parameters
    ----------
    segmenter : NisfSegmenter
        Of a file of `sanum segment fit`.
    """

    segmenter: "NisfSegmenter"

    @property
    def name(self) -> str:
        """Of its file."""
        return self.segmenter.weights_name.removesuffix(".safetensors")

    @property
    def identity(self) -> str:
        """SHA-256 of its file."""
        return self.segmenter.weights_sha256

    def labels(self, scan: Scan) -> AnyArray:
        """Its labels on the scan's grid.

        Parameters
        ----------
        scan : Scan
            Truth or translation.
        """
        return self.segmenter.segment(scan).on(scan.grid)[0]
