import numpy as np
import pytest
from scipy import ndimage

from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine
from sanum.space.resample import parallel, resample


def turned(shape, spacing=(1.0, 1.0, 1.0), degrees=20.0, centre=(0.0, 0.0, 0.0)):
    """Oblique grid whose middle lies at `centre`."""
    a, b = np.deg2rad([degrees, degrees / 2])
    rz = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    rx = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = rz @ rx @ np.diag(spacing)
    affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return Grid(shape, affine)


def world(grid):
    return apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))


def blob(grid, centre=(1.0, -2.0, 0.5), sigma=4.0):
    return np.exp(-((world(grid) - centre) ** 2).sum(-1) / (2 * sigma**2)).astype(np.float32)


def by_scipy(x, source, target, order):
    to_source = np.linalg.inv(source.affine) @ target.affine
    index = np.moveaxis(apply_affine(to_source, np.moveaxis(np.indices(target.shape), 0, -1)), -1, 0)
    return ndimage.map_coordinates(x, index, order=order, mode="nearest"), index


@pytest.mark.parametrize("order", [1, 3])
def test_a_linear_function_is_exact_on_an_oblique_grid(order):
    source, target = turned((24, 30, 28), (1.5, 1.0, 1.2)), turned((9, 8, 7), degrees=-35, centre=(1, 2, -1))
    plane = np.array([0.3, -0.2, 0.5])
    got = resample(world(source) @ plane + 7, source, target, order=order, antialias=False)
    np.testing.assert_allclose(got, world(target) @ plane + 7, atol=2e-3)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_same_grid_same_values(order):
    grid = turned((10, 11, 12), (1, 2, 3))
    x = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    np.testing.assert_allclose(resample(x, grid, grid, order=order), x, atol=1e-4)


@pytest.mark.parametrize("order", [0, 1])
def test_equals_scipy(order):
    source, target = (
        turned((14, 12, 13)),
        turned((8, 9, 7), (0.9, 1.1, 1.0), degrees=-7, centre=(0.13, 0.2, 0.1)),
    )
    x = np.random.default_rng(1).random(source.shape).astype(np.float32)
    expected, index = by_scipy(x, source, target, order)
    got = resample(x, source, target, order=order, antialias=False)
    clear = (np.abs(index - np.floor(index) - 0.5) > 1e-3).all(0)  # nearest: no ties
    clear &= ((index >= 0) & (index <= np.array(source.shape)[:, None, None, None] - 1)).all(0)
    assert clear.mean() > 0.9
    np.testing.assert_allclose(got[clear], expected[clear], atol=1e-4)


def test_cubic_is_closer_than_linear():
    source, target = turned((20, 20, 20), (2, 2, 2)), turned((15, 15, 15), degrees=-9)
    truth = blob(target)
    error = {
        o: np.abs(resample(blob(source), source, target, order=o, antialias=False) - truth).max()
        for o in (0, 1, 3)
    }
    assert error[3] < error[1] < error[0]


def test_nearest_invents_no_label():
    source, target = turned((12, 12, 12)), turned((20, 20, 20), (0.7, 0.7, 0.7), degrees=3)
    labels = np.random.default_rng(2).choice([0, 7, 42], size=source.shape)
    assert set(np.unique(resample(labels, source, target, order=0))) <= {0.0, 7.0, 42.0}


def test_antialias_keeps_the_integral_and_smooths():
    source = Box((40, 40, 40), 1.0).grid()
    target = Box((14, 14, 14), 3.0).grid()
    x = blob(source, sigma=3.0)
    assert resample(x, source, target).sum() * 27 == pytest.approx(x.sum(), rel=0.01)
    noise = np.random.default_rng(3).normal(size=source.shape)
    plain, smooth = (resample(noise, source, target, antialias=a)[2:-2, 2:-2, 2:-2].std() for a in (0, 1))
    assert smooth < 0.5 * plain


def test_antialias_only_where_the_target_is_coarser():
    source, target = turned((12, 12, 12), (2, 2, 2)), turned((20, 20, 20))
    x = np.random.default_rng(4).random(source.shape)
    assert np.array_equal(
        resample(x, source, target, antialias=True), resample(x, source, target, antialias=False)
    )


@pytest.mark.parametrize("order", [0, 1, 3])
def test_fill_outside(order):
    source, target = Box((6, 6, 6), 1.0).grid(), Box((16, 6, 6), 1.0).grid()
    got = resample(np.full(source.shape, 5.0), source, target, order=order, fill=-1000.0)
    np.testing.assert_allclose(got[:4], -1000)
    np.testing.assert_allclose(got[5:11], 5, atol=1e-3)


def test_large_volumes_go_slab_by_slab():
    """More than two million points: the slabs must meet without a seam."""
    source, target = Box((8, 8, 8), 40.0).grid(), Box((12, 600, 500), 0.25).grid()
    plane = np.array([0.3, -0.2, 0.5])
    got = resample(world(source) @ plane, source, target)
    assert np.abs(got - world(target) @ plane).max() < 1e-2


def test_unknown_order():
    grid = Box((4, 4, 4), 1.0).grid()
    with pytest.raises(ValueError, match="order"):
        resample(np.zeros(grid.shape), grid, grid, order=2)


AXES = {
    "straight": np.diag([1.0, 1.3, 0.8, 1.0]),
    "turned by right angles": np.array([[0, 0, -1.2, 9], [1.0, 0, 0, -8], [0, 1.1, 0, -7], [0, 0, 0, 1]]),
    "mirrored": np.diag([-1.0, -1.0, 1.0, 1.0]),
}


@pytest.mark.parametrize("kind", ["C", "F", "int16", "part"])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(("order", "spacing"), [(1, 2.1), (1, 0.6), (3, 0.6), (3, 2.1)])
def test_along_parallel_axes_it_is_the_same_as_point_by_point(axes, order, spacing, kind, monkeypatch):
    source = Grid((14, 17, 15), AXES[axes])
    target = Box((9, 12, 10), spacing).grid(np.add(source.centre_mm, (0.3, -4.2, 1.7)))
    x = np.random.default_rng(0).normal(100, 20, source.shape).astype(np.float32)
    x = {"C": x, "F": np.asfortranarray(x), "int16": x.astype(np.int16), "part": np.repeat(x, 2, 1)[:, ::2]}[
        kind
    ]
    assert parallel(source, target) is not None
    quick = resample(x, source, target, order=order, fill=3.0)
    monkeypatch.setattr("sanum.space.resample.parallel", lambda *_: None)
    np.testing.assert_allclose(quick, resample(x, source, target, order=order, fill=3.0), atol=2e-3)


def test_hardly_turned_is_not_parallel():
    source, target = Grid((40, 40, 40), np.eye(4)), Box((20, 20, 20), 2.0).grid((20, 20, 20))
    assert parallel(source, target) == [(0, 2.0, 1.0), (1, 2.0, 1.0), (2, 2.0, 1.0)]
    off = np.eye(4)
    off[0, 1] = 1e-3
    assert parallel(Grid((40, 40, 40), off), target) is None
