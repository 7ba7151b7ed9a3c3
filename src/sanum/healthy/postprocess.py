"""From what the network said to maps that hold together: one brain, and nothing outside of it."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ..methods.common.anatomy import Maps
from ..scan.conform import Conformed
from ..space.components import largest_component
from ..types import FloatArray, Mask

_EDGE_CM2 = 8.0  # of brain at the edge of the box: more is not chance
_BORDER_MM, _REACH_MM = 2.0, 6.0  # how far a border is unsure; how far a stripping may leave off
_HEALTHY, _WHITEST, _LEEWAY = 0.5, 99, 0.5  # anomaly of healthy tissue; its percentile; beyond it at p = 0
_HIGH_UNCERTAINTY = 0.15  # mean in the brain, white matter is 1
AT_THE_EDGE = "the brain reaches the edge of the model's box: parts of it may be missing from the results"


def postprocess(maps: Maps, conformed: Conformed) -> Maps:
    """Maps with one brain without holes, and nothing outside of it or of the scan; new warnings come last.

    Parameters
    ----------
    maps : Maps
        Of the network, on the model grid.
    conformed : Conformed
        The scan that they were made from.
    """
    covered, spacing = conformed.covered, float(conformed.grid.spacing_mm[0])
    found = ndimage.binary_fill_holes(largest_component((maps.brain > 0.5) & covered))
    brain = with_stripped_border(found, conformed.image, spacing) & covered
    inside = brain.astype(np.float32)
    near = ndimage.binary_dilation(brain, iterations=_voxels(_BORDER_MM, spacing)) & covered
    sure = np.where(brain & ~found, 1, maps.brain) * near  # the expected value where the border is unsure
    return replace(
        maps,
        t1w=np.maximum(_no_whiter(maps, brain), 0) * sure,
        anomaly=maps.anomaly * inside,
        brain=inside,
        uncertainty=np.where(brain, maps.uncertainty, np.float32(0)),  # NaN · 0 would be NaN
        warnings=(*maps.warnings, *_warnings(brain, maps.uncertainty, spacing)),
    )


def _no_whiter(maps: Maps, brain: Mask) -> FloatArray:
    """The anatomy, in which what fills an anomaly is no whiter than the white matter of healthy tissue.

    The surer the anomaly is, the nearer is the limit to the 99th percentile of healthy tissue.
    """
    healthy = brain & (maps.anomaly < _HEALTHY)
    if not healthy.any():
        return maps.t1w
    whitest = np.float32(np.percentile(maps.t1w[healthy], _WHITEST))
    return np.asarray(np.minimum(maps.t1w, whitest + _LEEWAY * (1 - maps.anomaly)), np.float32)


def with_stripped_border(brain: Mask, image: FloatArray, spacing_mm: float) -> Mask:
    """Brain up to the border of the foreground, if the scan is skull-stripped: somebody has drawn it.

    Stripped is a scan that shows hardly anything farther than 6 mm from the brain that was found.

    Parameters
    ----------
    brain : (X, Y, Z) bool
        As it was found.
    image : (X, Y, Z) float32
        The scan, 0 where it shows nothing.
    spacing_mm : float
        Of the voxels, along each axis.
    """
    if not brain.any():
        return brain
    bright = image > 0.3 * float(np.median(image[brain]))
    foreground = ndimage.binary_opening(
        bright, iterations=_voxels(_BORDER_MM, spacing_mm)
    )  # edges are blurred
    reach = ndimage.binary_dilation(brain, iterations=_voxels(_REACH_MM, spacing_mm))
    if (foreground & ~reach).sum() > 0.01 * brain.sum():
        return brain
    return np.asarray(ndimage.binary_fill_holes(largest_component(brain | (foreground & reach))))


def _warnings(brain: Mask, uncertainty: FloatArray, spacing_mm: float) -> list[str]:
    """What looks wrong in the maps."""
    warnings = []
    border = sum(int(np.take(brain, i, axis=a).sum()) for a in range(3) for i in (0, -1))
    if border * spacing_mm**2 / 100 > _EDGE_CM2:
        warnings.append(AT_THE_EDGE)
    if (mean := float(uncertainty[brain].mean()) if brain.any() else 0.0) > _HIGH_UNCERTAINTY:
        warnings.append(
            f"the uncertainty is high (mean {mean:.2f}, white matter is 1): "
            "the input may be unlike what the model knows"
        )
    return warnings


def _voxels(mm: float, spacing_mm: float) -> int:
    """A distance in voxels, at least one."""
    return max(1, round(mm / spacing_mm))
