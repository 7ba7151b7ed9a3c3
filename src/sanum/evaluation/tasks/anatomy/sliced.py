"""Detectors of 2-D images on volumes: each slice by itself, the maps put together on the scan's grid."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....scan import Scan
from ....scan.picture_volumes import volume_of
from ....scan.read_picture import volume_pictures
from ....types import FloatArray, Mask
from .difference import share_of_highest

if TYPE_CHECKING:
    from ....methods.common.detector import Detector


@dataclass(frozen=True, eq=False)
class Sliced:
    """A detector of 2-D images that looks at a brain slice by slice; it makes no anatomy.

    Parameters
    ----------
    detector : Detector
        Fitted to slices of healthy brains.
    """

    detector: "Detector"

    @property
    def weights_sha256(self) -> str:
        """Of the detector's file."""
        return self.detector.weights_sha256

    def map_of(self, scan: Scan, brain: Mask) -> FloatArray:
        """Its maps of all slices in which there is brain, (X, Y, Z) in [0, 1], 0 outside the brain.

        It sees the brain alone, the rest at the scan's lowest value. Maps are scaled as difference maps are:
        the 99.5th percentile in the brain becomes 1.

        Parameters
        ----------
        scan : Scan
            Of a head or a brain.
        brain : (X, Y, Z) bool
            Where the brain is.
        """
        voxels = np.asarray(scan.voxels, np.float32)
        stripped = replace(scan, voxels=np.where(brain, voxels, np.nanmin(voxels)).astype(np.float32))
        how = self.detector.config.reading.whole
        slices = volume_pictures(stripped, scan.path or Path("scan"), how)
        shown = [one for one in slices if not one.is_constant]
        found = self.detector.findings(shown) if shown else iter(())
        maps = {one.frame or 0: each.on_picture for one, each in zip(shown, found, strict=True)}
        return share_of_highest(np.asarray(volume_of(maps, stripped, how.axis).voxels, np.float32), brain)
