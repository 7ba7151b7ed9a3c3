"""The same scan in other numbers is the same scan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanum.scan import Scan
from sanum.scan.conform import conform
from sanum.scan.intensity import border_value, with_background_at_zero
from sanum.space.box import Box

BOX = Box((24, 28, 24), 3.0)
GRID = BOX.grid()
DISTANCE = np.linalg.norm(np.moveaxis(np.indices(GRID.shape), 0, -1) - np.array(GRID.shape) / 2, axis=-1)


def stripped():
    """A ball of tissue with edges and noise, on 0."""
    rng = np.random.default_rng(0)
    tissue = np.interp(DISTANCE, [0, 3, 6, 9, 10], [40, 200, 120, 90, 5]) + rng.normal(0, 2, DISTANCE.shape)
    return np.where(DISTANCE < 10, np.maximum(tissue, 1), 0).astype(np.float32)


def whole():
    """The ball in a shell, with Rayleigh noise everywhere."""
    shell = np.where((DISTANCE > 10.5) & (DISTANCE < 11.5), 230, 0)
    noise = np.random.default_rng(1).normal(0, 2, (2, *DISTANCE.shape))
    return np.hypot(stripped() + shell + noise[0], noise[1]).astype(np.float32)


HEADS = {"stripped": stripped(), "whole": whole()}


def seen(voxels, contrast=None):
    scan = Scan(np.asarray(voxels), GRID.affine, contrast=contrast)
    return conform(with_background_at_zero(scan), GRID.centre_mm, BOX).image


@given(
    head=st.sampled_from(sorted(HEADS)),
    gain=st.floats(-12, 12).map(lambda power: 10**power),
    offset=st.floats(-100, 100),
)
def test_a_positive_linear_map_changes_nothing(head, gain, offset):
    mapped = gain * (HEADS[head].astype(np.float64) + offset * 255)
    np.testing.assert_allclose(seen(mapped.astype(np.float32)), seen(HEADS[head]), atol=0.01)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("gain", [1e-36, 1e-12, 1e12, 1e35])
def test_no_scale_is_too_small_or_too_large(head, gain):
    np.testing.assert_allclose(seen((gain * HEADS[head]).astype(np.float32)), seen(HEADS[head]), atol=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_a_z_score_of_the_whole(head):
    x = HEADS[head]
    np.testing.assert_allclose(seen((x - x.mean()) / x.std()), seen(x), atol=1e-4)


def test_a_z_score_inside_the_brain_with_background_0():
    x = HEADS["stripped"]
    inside = x > 0
    z = np.where(inside, (x - x[inside].mean()) / x[inside].std(), 0).astype(np.float32)
    assert np.abs(seen(z) - seen(x)).max() < 0.05


def test_a_background_above_all_tissue():
    x = HEADS["stripped"]
    assert np.abs(seen(np.where(x > 0, x, 4000)) - seen(x)).max() < 0.05


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("gain", [1, 8])
@pytest.mark.parametrize("padding", [-1000, -3024, -32768])
def test_padding_outside_of_a_cylinder(head, gain, padding):
    x = gain * HEADS[head]
    outside = np.zeros(x.shape, bool)
    outside[:3], outside[-3:], outside[:, :3], outside[:, -3:] = True, True, True, True
    there = ~outside
    np.testing.assert_allclose(seen(np.where(outside, padding, x))[there], seen(x)[there], atol=0.03)


def test_a_burnt_in_mark_and_dead_voxels():
    x = np.rint(4 * HEADS["whole"]).astype(np.int16)
    marked, dead = x.copy(), x.copy()
    marked[:3, :3, :4] = 32767
    dead[5, 5, 5:9] = -32767
    elsewhere = DISTANCE < 11
    assert np.abs(seen(marked) - seen(x))[elsewhere].max() < 0.03
    assert np.abs(seen(dead) - seen(x))[elsewhere].max() < 0.03


def test_a_bright_lesion_is_no_mark():
    x = HEADS["stripped"].copy()
    x[DISTANCE < 2] = 3.5 * x.max()
    scan = Scan(x, GRID.affine)
    assert with_background_at_zero(scan) is scan


def test_ringing_below_the_background_is_left_as_it_is():
    x = HEADS["stripped"].copy()
    x[np.abs(DISTANCE - 10.5) < 0.03] = -4
    assert 0 < (x < 0).sum() < 0.05 * (x > 0).sum()
    scan = Scan(x, GRID.affine)
    assert with_background_at_zero(scan) is scan


def test_hounsfield_units_are_left_as_they_are():
    scan = Scan(HEADS["whole"] - 1000, GRID.affine, contrast="CT")
    assert with_background_at_zero(scan) is scan


def test_border_value():
    assert border_value(np.full((2, 3, 4), 7.0)) == 7
    x = np.full((3, 3, 3), 7.0)
    x[0, 0, 2] = 8
    assert border_value(x) is None
