"""Labels of a T1w that nobody has parcellated: white matter, cortex, ventricles, other fluid, by intensity.

Enough to make scans from: finer structures keep the T1w's own intensities.
"""

import numpy as np
from scipy import ndimage

from ..fluid.flow import distance_within
from ..space.components import largest_component
from ..space.grid import Grid
from ..types import FloatArray, Mask
from .bias import correct_bias
from .schemes import Labels

WHITE, CORTEX, VENTRICLES, FLUID = 2, 3, 4, 24  # of `schemes.ASEG`
DEEP_MM = 20.0  # from the brain's border: fluid that begins there is of the ventricles
SMALL_ML = 1.0  # deep fluid below is no ventricle
FEWEST = 1000  # voxels of a brain
VOXELS = 200_000  # that the mixture is fitted to


def tissue_labels(t1w: FloatArray, brain: Mask, grid: Grid, *, seed: int = 0) -> Labels:
    """Labels (X, Y, Z) int16 in the numbers of `schemes.ASEG`, 0 outside of the brain.

    A mixture of three Gaussians (scikit-learn) on the bias-corrected T1w.

    Parameters
    ----------
    t1w : (X, Y, Z) float32
        T1w.
    brain : (X, Y, Z) bool
        With the fluid around it.
    grid : Grid
        Of both.
    seed : int
        Of the voxels that are looked at.

    Raises
    ------
    ValueError
        The brain is empty, or has one intensity.
    """
    from sklearn.mixture import GaussianMixture

    if brain.sum() < FEWEST or t1w[brain].min() == t1w[brain].max():
        raise ValueError("no brain whose tissue could be told apart: its mask is empty, or all is one value")
    values = correct_bias(t1w.astype(np.float32), grid, brain)[brain]
    some = np.random.default_rng(seed).choice(values, min(VOXELS, values.size), replace=False)[:, None]
    start = np.percentile(values, [8, 40, 80])[:, None]
    mixture = GaussianMixture(3, means_init=start, random_state=seed).fit(some)
    order = np.argsort(mixture.means_[:, 0])
    kinds = np.array([FLUID, CORTEX, WHITE], np.int16)[np.argsort(order)]
    labels = np.zeros(brain.shape, np.int16)
    labels[brain] = kinds[mixture.predict(values[:, None])]
    labels[_ventricles(labels == FLUID, brain, grid)] = VENTRICLES
    return labels


def _ventricles(fluid: Mask, brain: Mask, grid: Grid) -> Mask:
    """The deep fluid that hangs together, not through narrow gaps."""
    deep = distance_within(brain, tuple(grid.spacing_mm), DEEP_MM + 1) >= DEEP_MM
    parts, count = ndimage.label(fluid & deep)
    if not count:
        return np.zeros(fluid.shape, bool)
    ml = np.bincount(parts.ravel())[1:] * grid.voxel_volume_ml
    kept = np.isin(parts, 1 + np.flatnonzero(ml >= SMALL_ML))
    return kept if kept.any() else largest_component(fluid & deep)
