"""Numbers of a translation: errors in the body alone, and thin parts that blur takes away."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sanum.metrics.translation import thin_dice, thin_parts, translation_errors


def test_a_blurred_image_keeps_its_psnr_and_loses_what_is_thin():
    truth = np.zeros((40, 40), np.float32)
    truth[5:25, 5:25] = 1000  # a body
    truth[30, 5:35] = 1000  # a line
    body = np.ones(truth.shape, bool)
    blurred = gaussian_filter(truth, 1.2)
    right = translation_errors(truth, truth, body, data_range=1000, threshold=500)
    found = translation_errors(blurred, truth, body, data_range=1000, threshold=500)
    assert (right.mae, right.dice, right.dice_thin) == (0, 1, 1)
    assert right.psnr == np.inf
    assert found.psnr > 15
    assert found.dice > 0.9
    assert found.dice_thin < 0.1
    below = translation_errors(-truth, -truth + 1, body, data_range=1000, threshold=-500, side="below")
    assert (below.mae, below.dice) == (1, 1)


def test_what_is_outside_does_not_count():
    truth, image = np.zeros((12, 12), np.float32), np.zeros((12, 12), np.float32)
    image[:, 6:] = 100
    where = np.zeros(truth.shape, bool)
    where[:, :6] = True
    errors = translation_errors(image, truth, where, data_range=1, threshold=50)
    assert errors.mae == 0
    assert np.isnan(errors.dice)


def test_thin_parts_are_of_one_or_two_voxels():
    mask = np.zeros((12, 12), bool)
    mask[1:7, 1:7] = True
    mask[9, 2:10] = True
    thin = thin_parts(mask)
    assert thin[9, 2:10].all()
    assert not thin[2:6, 2:6].any()
    thick = mask.copy()
    thick[8:11, 2:10] = True  # the line is found, and too thick
    assert thin_dice(thick, mask) > 0.7
    assert thin_dice(thick & False, mask) == 0
    assert thin_dice(mask, mask) == pytest.approx(1)
