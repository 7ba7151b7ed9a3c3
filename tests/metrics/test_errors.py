import doctest
from importlib import import_module

import numpy as np
import pytest

from sanum.metrics.errors import dice, errors, errors_inside, match_intensity, mean_error_inside

SHAPE = (16, 18, 20)


@pytest.fixture
def truth():
    return np.random.default_rng(0).random(SHAPE).astype(np.float32)


def test_a_constant_offset(truth):
    found = errors(truth + np.float32(0.1), truth)
    assert found.l1 == pytest.approx(0.1, rel=1e-5)
    assert found.psnr == pytest.approx(20.0, abs=1e-4)  # 10 log10(1 / 0.1²)
    assert 0.5 < found.ssim < 1


def test_the_peak_counts(truth):
    assert errors(truth + np.float32(0.1), truth, data_range=2.0).psnr == pytest.approx(26.0206, abs=1e-3)


def test_no_error(truth):
    found = errors(truth, truth)
    assert (found.l1, found.psnr) == (0, float("inf"))
    assert found.ssim == pytest.approx(1)


def test_ssim_of_constants_is_the_ratio_of_the_means():
    a, b = np.full(SHAPE, 0.5, np.float32), np.full(SHAPE, 1.0, np.float32)
    c1 = 0.01**2
    assert errors(a, b).ssim == pytest.approx((2 * 0.5 + c1) / (0.5**2 + 1 + c1), rel=1e-5)


def test_a_part_is_averaged_over_the_whole_volume(truth):
    part = np.zeros(SHAPE, bool)
    part[: SHAPE[0] // 4] = True
    image = truth + np.where(part, 0.2, 0.7).astype(np.float32)
    found = errors(image, truth, part)
    assert found.l1 == pytest.approx(0.2 / 4, rel=1e-5)
    assert found.psnr == pytest.approx(10 * np.log10(4 / 0.04), abs=1e-4)


def test_the_parts_add_up_to_the_whole(truth):
    rng = np.random.default_rng(1)
    image = truth + rng.normal(0, 0.1, SHAPE).astype(np.float32)
    part = rng.random(SHAPE) < 0.3
    whole, inside, outside = (errors(image, truth, where) for where in (None, part, ~part))
    assert inside.l1 + outside.l1 == pytest.approx(whole.l1, rel=1e-6)
    assert 10 ** (-inside.psnr / 10) + 10 ** (-outside.psnr / 10) == pytest.approx(10 ** (-whole.psnr / 10))
    assert min(inside.ssim, outside.ssim) > whole.ssim


def test_shapes_must_agree(truth):
    with pytest.raises(ValueError, match="differ in shape"):
        errors(truth[1:], truth)


def test_error_inside_knows_only_the_inside():
    truth = np.zeros((2, 2, 2), np.float32)
    image = np.array([1.0, -3, 5, 5, 5, 5, 5, 5], np.float32).reshape(2, 2, 2)
    where = np.arange(8).reshape(2, 2, 2) < 2
    assert mean_error_inside(image, truth, where) == 2
    assert np.isnan(mean_error_inside(image, truth, where & ~where))


def test_errors_inside_average_over_the_part_alone(truth):
    part = np.zeros(SHAPE, bool)
    part[:4] = True
    image = truth + np.where(part, 0.2, 0.7).astype(np.float32)
    found = errors_inside(image, truth, {"part": part, "rest": ~part, "none": part & ~part})
    assert found["part"].l1 == pytest.approx(0.2, rel=1e-5)
    assert found["part"].psnr == pytest.approx(10 * np.log10(1 / 0.04), abs=1e-4)
    assert found["rest"].psnr == pytest.approx(10 * np.log10(1 / 0.49), abs=1e-4)
    assert found["part"].ssim > found["rest"].ssim
    assert np.isnan([found["none"].l1, found["none"].psnr, found["none"].ssim]).all()


def test_ssim_inside_of_constants_is_the_ratio_of_the_means():
    a, b = np.full(SHAPE, 0.5, np.float32), np.full(SHAPE, 1.0, np.float32)
    found = errors_inside(a, b, {"all": np.ones(SHAPE, bool)})["all"]
    assert found.ssim == pytest.approx((2 * 0.5 + 1e-4) / (0.5**2 + 1 + 1e-4), rel=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([1, 1, 0, 0], [1, 1, 0, 0], 1), ([1, 1, 0, 0], [0, 0, 1, 1], 0), ([1, 1, 1, 0], [0, 0, 1, 0], 0.5)],
)
def test_dice(a, b, expected):
    a, b = np.array(a, bool), np.array(b, bool)
    assert dice(a, b) == dice(b, a) == expected


def test_dice_of_nothing_is_not_a_number():
    nothing = np.zeros(4, bool)
    assert np.isnan(dice(nothing, nothing))
    assert dice(nothing, ~nothing) == 0


def test_matching_inverts_a_gain_and_an_offset(truth):
    matched = match_intensity(3 * truth - 2, truth, truth > 0.2)
    assert matched.dtype == np.float32
    np.testing.assert_allclose(matched, truth, atol=1e-5)


def test_matching_is_the_least_squares_fit_of_its_part(truth):
    rng = np.random.default_rng(2)
    image = (0.5 * truth + 0.1 * rng.normal(size=SHAPE)).astype(np.float32)
    where = rng.random(SHAPE) < 0.5
    matched = match_intensity(np.where(where, image, 99).astype(np.float32), truth, where)
    gain, offset = np.polyfit(image[where], truth[where], 1)
    np.testing.assert_allclose(matched[where], gain * image[where] + offset, atol=1e-4)


def test_matching_a_constant_gives_the_mean(truth):
    matched = match_intensity(np.ones(SHAPE, np.float32), truth, truth > 0)
    np.testing.assert_allclose(matched, truth.mean(), atol=1e-5)


def test_examples():
    module = import_module("sanum.metrics.errors")  # the room exports a function of this name
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0
