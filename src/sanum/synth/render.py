"""A healthy T1w rendered from labels alone, with the intensities and textures that real ones have.

Means and deviations inside the brain are the medians over 56 IXI subjects (bias-corrected, the median of the
white matter at 1; `bench/t1w_statistics.py`): the white matter's of its core, the fluid's a little below. No
labels separate IXI's tissue outside of the brain: those values follow what T1w images look like (bone and
air dark, fat bright), within the range of IXI.
"""

import numpy as np
from scipy import ndimage

from ..types import FloatArray
from .labels import FREESURFER, Labels

WHITE, CORTEX, FLUID = (1.05, 0.040), (0.775, 0.060), (0.36, 0.050)  # mean, standard deviation
GROUP = (
    (1.06, 0.045),
    (1.00, 0.039),
    (0.97, 0.030),
    (1.09, 0.032),
    (1.06, 0.048),
    (0.815, 0.110),
    (1.05, 0.039),
    (0.885, 0.049),
)
CHOROID, VESSEL = (0.60, 0.060), (0.50, 0.060)
OUTSIDE = {
    24: (0.36, 0.06),  # fluid around the brain
    502: (0.03, 0.02),  # air
    506: (0.30, 0.04),  # eyes
    507: (0.55, 0.12),  # muscle and the like
    508: (0.60, 0.06),  # muscles of the eyes
    509: (0.65, 0.12),  # mucosa
    511: (0.65, 0.10),  # skin
    512: (0.95, 0.05),  # spinal cord
    514: (0.45, 0.10),  # veins
    515: (0.15, 0.05),  # cortical bone
    516: (0.60, 0.12),  # cancellous bone
    530: (0.80, 0.06),  # optic nerves
}
FAT, FAT_DEPTH_MM = (0.95, 0.12), 6.0  # of the tissue under the skin
_OTHER_TISSUE, _SKIN, _AIR = 507, 511, 0
BLUR_MM, GRAIN_MM, SLOW_MM = 0.6, 0.5, 5.0  # partial volume; σ of the texture's two parts


def render_t1w(labels: Labels, spacing_mm: tuple[float, ...], *, seed: int) -> FloatArray:
    """T1w (X, Y, Z) of FreeSurfer labels (X, Y, Z), the median of the white matter at 1.

    Labels get their means, are blurred as by partial volume, and get a texture with the standard deviation of
    each tissue, half of its variance fine and half slow.

    Parameters
    ----------
    labels : (X, Y, Z) int16
        FreeSurfer labels of a whole head.
    spacing_mm : (3,) float
        Edges of a voxel in mm.
    seed : int
        Of the texture.
    """
    mean, deviation = _painted(labels, spacing_mm)
    vox = 1 / np.asarray(spacing_mm)
    mean = ndimage.gaussian_filter(mean, BLUR_MM * vox, truncate=3)
    rng = np.random.default_rng(seed)
    texture = np.zeros(labels.shape, np.float32)
    for size in (GRAIN_MM, SLOW_MM):
        noise = rng.standard_normal(labels.shape, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, size * vox, truncate=3)
        texture += noise / (noise.std() * np.float32(np.sqrt(2)))
    t1w = np.maximum(mean + deviation * texture, 0)
    white = np.median(t1w[np.isin(labels, list(FREESURFER.white))])
    out: FloatArray = (t1w / white).astype(np.float32)
    return out


def _painted(labels: Labels, spacing_mm: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of each voxel's tissue."""
    looks: dict[int, tuple[float, float]] = {0: (0.0, 0.004), **OUTSIDE}
    for members, look in (
        *zip(FREESURFER.groups, GROUP, strict=True),
        (FREESURFER.white, WHITE),
        (FREESURFER.cortex, CORTEX),
        (FREESURFER.fluid, FLUID),
        ((31, 63, 136, 163, 137, 164), CHOROID),
        ((30, 62, 80), VESSEL),
    ):
        looks |= dict.fromkeys(members, look)
    table = np.zeros((1 + max(looks), 2), np.float32)
    table[list(looks)] = list(looks.values())
    mean, deviation = table[labels, 0], table[labels, 1]
    reach = tuple(max(1, round(FAT_DEPTH_MM / s)) for s in spacing_mm)
    skin = ndimage.maximum_filter((labels == _SKIN).view(np.uint8), [2 * r + 1 for r in reach])
    fat = (labels == _OTHER_TISSUE) & (skin > 0)
    mean[fat], deviation[fat] = FAT
    return mean, deviation
