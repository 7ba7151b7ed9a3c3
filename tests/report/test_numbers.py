import math

import numpy as np
import pytest

from sanum.report import key_numbers
from sanum.scan import Scan

# 1 × 2 × 5 mm voxels (0.01 mL), turned by 30° about x, first axis flipped
C, S = math.cos(math.pi / 6), math.sin(math.pi / 6)
OBLIQUE = np.array([[-1, 0, 0, 9], [0, 2 * C, -5 * S, -3], [0, 2 * S, 5 * C, 4], [0, 0, 0, 1]], dtype=float)


def scan(voxels):
    return Scan(voxels, OBLIQUE)


def test_hand_computed_values():
    brain = np.zeros((10, 10, 10), dtype=bool)
    brain[:5] = True  # 500 voxels: 5 mL
    mask = np.zeros((10, 10, 10), dtype=np.float32)
    mask[4:6, :, 0] = 0.9  # 20 voxels: 0.2 mL, of which 10 in the brain
    mask[0, 0, 5] = 0.5  # not above one half
    uncertainty = np.full((10, 10, 10), 100.0, dtype=np.float32)
    uncertainty[:5] = 0.1
    uncertainty[0] = 0.6  # 100 of 500 voxels
    numbers = key_numbers(scan(mask), scan(brain), scan(uncertainty))
    assert numbers.anomaly_ml == pytest.approx(0.2)
    assert numbers.brain_ml == pytest.approx(5.0)
    assert numbers.anomaly_share == pytest.approx(0.02)
    assert numbers.mean_uncertainty == pytest.approx(0.2)


def test_without_a_brain_ratios_are_not_numbers():
    empty = scan(np.zeros((3, 3, 3)))
    numbers = key_numbers(empty, empty, empty)
    assert (numbers.anomaly_ml, numbers.brain_ml) == (0, 0)
    assert math.isnan(numbers.anomaly_share)
    assert math.isnan(numbers.mean_uncertainty)


def test_another_grid_is_refused():
    here, there = scan(np.zeros((3, 3, 3))), Scan(np.zeros((3, 3, 3)), np.eye(4))
    with pytest.raises(ValueError, match=r"uncertainty .* does not lie on the grid of anomaly_mask"):
        key_numbers(here, here, there)
