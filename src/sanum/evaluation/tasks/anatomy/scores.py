"""Score maps that look for an anomaly, by name: each is one more row of the tables."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy import stats

from ....healthy.compose import compose, is_t1w
from ....healthy.evidence import evidence
from ....healthy.result import Reconstruction
from ....methods import registry
from ....scan.contrast_words import contrast_named
from ....types import FloatArray
from .difference import difference_map

Score = Callable[[Reconstruction], FloatArray]
"""From a result to a map (X, Y, Z) in [0, 1] on its grid, high where it is anomalous; 0 outside the brain."""

DARK = ("T1w", "T1wCE", "ADC", "CT")
"""Contrasts in which most lesions are darker than what is around them; in the others they are brighter."""
_HIGHEST_Z = 12.0
_NINES = 4.0  # the brightest of 10,000 voxels has the score 1


def intensity(result: Reconstruction) -> FloatArray:
    """How extreme a voxel's intensity is in the brain: no network but for where the brain is.

    With r the share of the brain that is less bright (less dark, for contrasts of `DARK`) the score is
    −log₁₀(1 − r) / 4, at most 1: 0.25 for the top tenth, 0.5 for the top hundredth. So a threshold is one on
    the histogram-equalised scan (Meissen et al. 2021, arXiv:2109.06023), with steps that small lesions need.

    Parameters
    ----------
    result : Reconstruction
        Of which the scan, its contrast and the predicted brain are looked at.
    """
    brain = np.asarray(result.brain.voxels) > 0
    score = np.zeros(brain.shape, np.float32)
    if brain.any():
        values = np.asarray(result.scan.voxels, np.float32)[brain]
        if contrast_named(result.contrast or "") in DARK:
            values = -values
        above = 1 - (stats.rankdata(values, "min") - 1) / values.size
        score[brain] = np.clip(-np.log10(above) / _NINES, 0, 1)
    return score


def difference(result: Reconstruction) -> FloatArray:
    """See `difference_map`; it means something for a T1w.

    Parameters
    ----------
    result : Reconstruction
        Of a scan.
    """
    scan = np.asarray(result.scan.voxels, np.float32)
    anatomy = np.asarray(result.anatomy.voxels, np.float32)
    return difference_map(scan, anatomy, np.asarray(result.brain.voxels) > 0)


def network(result: Reconstruction) -> FloatArray:
    """What the network says alone, where the results are of both witnesses; else the anomaly itself.

    Parameters
    ----------
    result : Reconstruction
        Of a scan.
    """
    return np.asarray(result.network.voxels, np.float32)


def residual(result: Reconstruction) -> FloatArray:
    """What the scan's residual in its own contrast says alone: z in the direction of lesions, over 12.

    Parameters
    ----------
    result : Reconstruction
        Of a scan.
    """
    z = np.asarray(result.residual.voxels, np.float32)
    return np.asarray(np.clip(evidence(z, result.contrast) / _HIGHEST_Z, 0, 1), np.float32)


def population(result: Reconstruction) -> FloatArray:
    """How far a T1w lies from what is usual among healthy adults (the atlas that ships): |z| over 12.

    The scan with its anomaly replaced is laid onto the atlas. Of other contrasts it says nothing: 0.

    Parameters
    ----------
    result : Reconstruction
        Of a scan.
    """
    if not is_t1w(result.contrast):
        return np.zeros(result.scan.voxels.shape, np.float32)
    maps = (result.scan, result.anatomy, result.anomaly, result.brain)
    scan = replace(result.scan, contrast="T1w")
    healthy = compose("keep-healthy", *maps)
    found = registry.load("population").compare(scan, healthy=healthy, brain=result.brain)
    return np.asarray(np.clip(np.abs(found.z.voxels) / _HIGHEST_Z, 0, 1), np.float32)


SCORES: Mapping[str, Score] = {
    "network": network,
    "residual": residual,
    "intensity": intensity,
    "difference": difference,
    "population": population,
}
"""By the name that the tables show behind the method's; the anomaly of the results is the method itself."""
