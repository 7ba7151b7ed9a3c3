"""How far a result can be trusted, in one number: whether the scan is one that the model knows.

Three things are looked at, and the worst counts: how well the average brain lies on the scan; how far the
scan's intensities scatter around those of its predicted anatomy, against what is usual in its contrast; and
how far the anatomies of the scan and of its left-right flip, two passes of the network, are apart.
A network that was not told the contrast knows less. Nothing here looks at lesions: large ones are no fault.
"""

from dataclasses import dataclass

import numpy as np

from ..methods.common.anatomy import Maps, Predictor
from ..scan import Scan
from ..scan.contrast import Decided
from .acceptance import LEAST_FIT
from .calibration import Calibration, calibration_of
from .grids import ScanMaps

WELL_POSED = 0.25  # of `Posture.fit`: good results begin at 0.22 (CT) and 0.25 (FLAIR of 5.5 mm slices)
USUAL, STRANGE = 2.0, 5.0  # times the usual scatter: to here all is well; from there on nothing is
# Mean difference of two passes, white matter is 1. Of 15 scans of heads, good and bad, 0.008 to 0.017; where
# no brain is: torsos 0.015, shuffled voxels 0.018, spines 0.036. So it speaks only of what is far off.
AGREEING, CONTRADICTING = 0.02, 0.05
UNTOLD = 0.8  # of a scan whose contrast is not known
LOW = 0.5  # below, a warning


@dataclass(frozen=True)
class Quality:
    """Each in [0, 1], None where it was not looked at.

    Parameters
    ----------
    pose : float or None
        How well the average brain lies on the scan.
    own_contrast : float or None
        How well the anatomy explains the scan's intensities.
    passes : float or None
        How well two passes of the network agree.
    is_told : bool
        The contrast is known.
    """

    pose: float | None
    own_contrast: float | None
    passes: float | None
    is_told: bool

    @property
    def value(self) -> float:
        """The worst of the three, less if the contrast is not known; NaN if nothing was looked at."""
        looked = [x for x in (self.pose, self.own_contrast, self.passes) if x is not None]
        return min(looked) * (1.0 if self.is_told else UNTOLD) if looked else float("nan")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why it is low."""
        if not self.value < LOW:
            return ()
        because = []
        if self.pose is not None and self.pose < LOW:
            because.append("the average brain hardly fits the scan")
        if self.own_contrast is not None and self.own_contrast < LOW:
            because.append("its intensities are not those that its anatomy would give")
        if self.passes is not None and self.passes < LOW:
            because.append("its left-right flip gives another anatomy")
        if not self.is_told:
            because.append("its contrast is not known")
        return (f"the quality of the result is low ({self.value:.2f} of 1): {' and '.join(because)}",)


def judged(
    maps: Maps, decided: Decided, there: ScanMaps, scatter: float | None, predictor: Predictor
) -> tuple[Quality, Scan]:
    """The quality of a result, and its uncertainty as the calibration of the network's weights has it.

    Parameters
    ----------
    maps : Maps
        Of the first stage.
    decided : Decided
        The contrast.
    there : ScanMaps
        With the uncertainty as the network says it.
    scatter : float, optional
        As of `quality_of`: without it the uncertainty stays as it is.
    predictor : Predictor
        A loaded method.
    """
    calibration = calibration_of(predictor)
    quality = quality_of(maps, decided, scatter, calibration)
    if calibration is None or scatter is None:
        return quality, there.uncertainty
    times = np.float32(calibration.times(decided.contrast, scatter))
    return quality, there.uncertainty.with_voxels(np.asarray(there.uncertainty.voxels) * times)


def quality_of(
    maps: Maps, decided: Decided, scatter: float | None, calibration: Calibration | None
) -> Quality:
    """The quality of a result.

    Parameters
    ----------
    maps : Maps
        Of the network: its posture and the disagreement of its passes, where it has them.
    decided : Decided
        The contrast.
    scatter : float, optional
        Of the scan around its anatomy (`Residual.scatter`); None if it was not looked at.
    calibration : Calibration, optional
        Of the network's weights: what scatter is usual.
    """
    own = None
    if scatter is not None and calibration is not None:
        own = _falling(calibration.beyond(decided.contrast, scatter), USUAL, STRANGE)
    posture, apart = maps.posture, maps.disagreement
    pose = None if posture is None else 1 - _falling(posture.fit, LEAST_FIT, WELL_POSED)
    passes = None if apart is None else _falling(apart, AGREEING, CONTRADICTING)
    return Quality(pose, own, passes, decided.told != "unknown")


def _falling(x: float, first: float, last: float) -> float:
    """1 up to `first`, 0 from `last` on."""
    return float(np.clip((last - x) / (last - first), 0, 1))
