"""Labels of a T1w by intensity alone."""

import numpy as np
import pytest
from scipy import ndimage

from sanum.space.grid import Grid
from sanum.synth.schemes import ASEG
from sanum.synth.tissue import CORTEX, FLUID, VENTRICLES, WHITE, tissue_labels


@pytest.fixture(scope="module")
def phantom():
    """A ball of white matter with cortex around it, fluid around that, and a ventricle in the middle."""
    shape = (64, 72, 64)
    grid = Grid(shape, np.diag([2.0, 2, 2, 1]))
    far = np.linalg.norm((np.indices(shape).T - (np.array(shape) - 1) / 2).T * 2, axis=0)
    truth = np.select([far < 14, far < 44, far < 52, far < 58], [VENTRICLES, WHITE, CORTEX, FLUID], 0)
    rng = np.random.default_rng(0)
    t1w = np.select([truth == WHITE, truth == CORTEX, truth > 0], [1.0, 0.7, 0.25], 0.0)
    t1w = (t1w + rng.normal(0, 0.03, shape)).astype(np.float32)
    return t1w, truth, grid


def test_each_tissue_gets_its_label(phantom):
    t1w, truth, grid = phantom
    found = tissue_labels(t1w, truth > 0, grid)
    inner = ndimage.binary_erosion(truth > 0, iterations=1)
    assert (found[truth == 0] == 0).all()
    for kind in (WHITE, CORTEX, FLUID, VENTRICLES):
        here = inner & (truth == kind)
        assert (found[here] == kind).mean() > 0.95, kind


def test_labels_are_of_a_scheme_that_anatomies_are_made_of(phantom):
    t1w, truth, grid = phantom
    values = set(np.unique(tissue_labels(t1w, truth > 0, grid)).tolist())
    assert values <= ASEG.known
    for tissue in (ASEG.ventricles, ASEG.cortex, ASEG.white):
        assert values & tissue


def test_no_brain_is_refused(phantom):
    t1w, truth, grid = phantom
    with pytest.raises(ValueError, match="its mask is empty"):
        tissue_labels(t1w, np.zeros(truth.shape, bool), grid)
