"""An image whose air is noise over the whole range."""

import numpy as np
import pytest

from sanum.scan import Scan
from sanum.scan.mp2rage import without_noise_in_air

SHAPE = (48, 50, 46)
DISTANCE = np.linalg.norm(np.moveaxis(np.indices(SHAPE), 0, -1) - np.array(SHAPE) / 2, axis=-1)
HEAD = DISTANCE < 16


def head_in(air):
    rng = np.random.default_rng(0)
    tissue = np.interp(DISTANCE, [0, 5, 10, 16], [900, 3300, 2200, 1500]) + rng.normal(0, 60, SHAPE)
    return np.rint(np.where(HEAD, tissue, air)).astype(np.int16)


@pytest.mark.parametrize("shift", [0, -2048])
def test_noise_is_masked_and_tissue_is_not(shift):
    uni = head_in(np.random.default_rng(1).uniform(0, 4095, SHAPE)) + shift
    scan = without_noise_in_air(Scan(uni, np.diag([2, 2, 2, 1.0])))
    np.testing.assert_array_equal(scan.voxels[DISTANCE < 14], uni[DISTANCE < 14])
    assert np.ptp(scan.voxels[DISTANCE > 19]) == 0
    assert scan.voxels[0, 0, 0] <= np.percentile(uni, 1)
    assert "UNI image of an MP2RAGE: it was masked" in scan.warnings[0]


@pytest.mark.parametrize("sigma", [0, 30, 120])
def test_the_usual_noise_stays(sigma):
    scan = Scan(head_in(np.random.default_rng(1).rayleigh(sigma, SHAPE)), np.diag([2, 2, 2, 1.0]))
    assert without_noise_in_air(scan) is scan


def test_nothing_but_noise_is_left_to_be_refused():
    scan = Scan(np.random.default_rng(0).random(SHAPE).astype(np.float32), np.eye(4))
    assert without_noise_in_air(scan) is scan
