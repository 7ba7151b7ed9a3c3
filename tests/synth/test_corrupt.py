from dataclasses import replace

import numpy as np
import pytest

from sanum.synth.corrupt import CorruptionParams, apply_corruption, draw_corruption, field_of_view

NONE = CorruptionParams((2.0, 2.0, 2.0), 1.0, 0.0, 4, (0.0, 0.0, 0.0), 0.0, 0.0, False, 1.0, 0.0, 0.0, 0)
LEVELS = ["none", "mild", "medium", "severe"]


def image(seed=0, shape=(24, 26, 22)):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def draws(level):
    return [draw_corruption(np.random.default_rng(s), level) for s in range(200)]


def test_nothing_changes_nothing():
    assert np.array_equal(apply_corruption(image(), NONE), image())


def test_level_none_changes_nothing():
    for params in draws("none"):
        same = {"ghost_axis": 0, "ghost_count": 2, "spike_mm": (8.0, 8.0, 8.0)}  # nothing without a strength
        assert replace(params, profile=1.0, bias_cells=4, rician=False, seed=0, **same) == NONE
    assert np.array_equal(apply_corruption(image(), draws("none")[0]), image())


def test_levels_get_worse():
    for quantity in ("bias_sigma", "noise_sigma"):
        means = [np.mean([getattr(p, quantity) for p in draws(level)]) for level in LEVELS]
        assert means == sorted(means)
    coarse = [np.mean([max(p.voxel_mm) > 2 for p in draws(level)]) for level in LEVELS]
    assert coarse == sorted(coarse)


def test_gaussian_noise_has_its_sigma():
    noisy = apply_corruption(np.ones((32, 32, 32), np.float32), replace(NONE, noise_sigma=0.05, seed=3))
    assert noisy.std() == pytest.approx(0.05, rel=0.03)
    assert noisy.mean() == pytest.approx(1, abs=2e-3)


def test_rician_noise_of_an_empty_image_is_rayleigh():
    params = replace(NONE, noise_sigma=0.05, rician=True, seed=3)
    noisy = apply_corruption(np.zeros((32, 32, 32), np.float32), params)
    assert noisy.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.02)


def test_bias_multiplies_smoothly():
    x = image() + 1
    field = np.log(apply_corruption(x, replace(NONE, bias_sigma=0.3, seed=1)) / x)
    assert 0.05 < field.std() < 0.5
    assert np.abs(np.diff(field, axis=0)).max() < 0.3
    assert not apply_corruption(x * 0, replace(NONE, bias_sigma=0.3)).any()


def test_near_coils_brighten_the_surface_and_a_side():
    x = np.ones((21, 21, 21), np.float32)
    field = np.log(apply_corruption(x, replace(NONE, bias_rim=0.5, bias_slope=(0.2, 0.0, 0.0))))
    middle = field[10, 10, 10]
    assert field[10, 0, 10] - middle == pytest.approx(0.5, abs=1e-5)  # the rim
    assert field[20, 10, 10] - field[0, 10, 10] == pytest.approx(0.4, abs=1e-5)  # twice the slope
    assert {p.bias_rim > 0 for p in draws("mild")} == {True, False}


def test_gamma():
    np.testing.assert_allclose(
        apply_corruption(image(), replace(NONE, gamma=1.3)), image() ** np.float32(1.3), rtol=1e-5
    )


def test_thick_slices_blur_along_their_axis_only():
    x = np.zeros((24, 24, 24), np.float32)
    x[12, 12, 12] = 1
    got = apply_corruption(x, replace(NONE, voxel_mm=(2.0, 2.0, 6.0)))
    assert got.shape == x.shape
    assert got[12, 12].max() < 0.5
    got[12, 12] = 0
    assert np.abs(got).max() < 1e-6


def test_seed_decides():
    params = draw_corruption(np.random.default_rng(0), "severe")
    assert params == draw_corruption(np.random.default_rng(0), "severe")
    one, again = apply_corruption(image(), params), apply_corruption(image(), params)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, apply_corruption(image(), replace(params, seed=params.seed + 1)))
    assert one.dtype == np.float32
    assert one.min() >= 0


def test_field_of_view_counts_planes():
    seen = field_of_view((3, 3, 10), replace(NONE, cut_low_mm=4.0, cut_high_mm=6.0))
    assert np.array_equal(seen[1, 1], [False] * 2 + [True] * 5 + [False] * 3)
    assert field_of_view((3, 3, 10), NONE).all()


def test_ghosts_are_faint_copies_along_one_axis():
    x = np.zeros((20, 64, 20), np.float32)
    x[8:12, 28:36, 8:12] = 1
    got = apply_corruption(x, replace(NONE, ghost_axis=1, ghost_count=2, ghost_strength=0.4))
    copy = got[10, :, 10]
    assert copy[:4].mean() > 0.1 > copy[14:18].mean()  # half a field of view away, and nowhere else
    assert not got[:8].any()
    assert np.abs(got - x).mean() < 0.1 * x.mean() + 0.02


def test_a_spike_is_one_wave():
    x = np.ones((32, 32, 32), np.float32)
    params = replace(NONE, spike_mm=(8.0, 16.0, 64.0), spike_strength=0.1)  # 4, 2 and 1 waves in the box
    wave = apply_corruption(x, params) - x
    assert np.abs(wave).max() == pytest.approx(0.1, abs=1e-4)
    power = np.abs(np.fft.rfftn(wave))
    assert np.unravel_index(power.argmax(), power.shape) in ((8, 4, 1), (24, 28, 1))
    assert power.max() > 0.9 * np.sqrt((power**2).sum() / 2)


def test_artefacts_come_with_the_level():
    for level, share in (("none", 0), ("mild", 0), ("medium", 0.05), ("severe", 0.1)):
        drawn = [draw_corruption(np.random.default_rng(s), level) for s in range(800)]
        for kind in ("ghost_strength", "spike_strength"):
            assert np.mean([getattr(d, kind) > 0 for d in drawn]) == pytest.approx(share, abs=0.04)


def test_the_field_of_view_is_in_millimetres():
    params = replace(NONE, cut_low_mm=4.0, cut_high_mm=6.0)
    assert field_of_view((2, 2, 20), params, 1.0)[0, 0].sum() == 10
    assert field_of_view((2, 2, 10), params, 1.0)[0, 0].sum() == 2  # never nothing at all


@pytest.mark.parametrize("spacing", [1.0, 4.0])
def test_no_acquisition_is_finer_than_the_box(spacing):
    drawn = [draw_corruption(np.random.default_rng(s), "severe", spacing) for s in range(200)]
    assert min(min(d.voxel_mm) for d in drawn) == spacing
    assert max(max(d.voxel_mm) for d in drawn) > 5
