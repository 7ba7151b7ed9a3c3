"""A refined anatomy of thick slices agrees with them, and stays itself in and around an anomaly."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from sanum.healthy.grids import to_scan_grid
from sanum.healthy.slices import AGREEING, agreeing, as_slices, is_of_slices, with_slices
from sanum.methods.common.anatomy import Maps
from sanum.scan import Scan
from sanum.space.grid import Grid
from sanum.space.resample import resample

SIDE, THICK_MM = 56, 4.0
FINE = Grid((SIDE, SIDE, SIDE), np.eye(4))


def thick(axis, turn_deg=0.0):
    """Slices across one axis of the fine grid, or turned a little against it."""
    turn = np.deg2rad(turn_deg)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    affine[:3, axis] *= THICK_MM
    shape = tuple(int(SIDE / THICK_MM) if a == axis else SIDE for a in range(3))
    affine[:3, 3] = (SIDE - 1) / 2 - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


@pytest.fixture(scope="module")
def head():
    """Tissue with detail of a few millimetres in a ball of brain, and a prediction that has lost it."""
    at = np.stack(np.meshgrid(*3 * [np.arange(SIDE) - (SIDE - 1) / 2], indexing="ij"))
    brain = (np.linalg.norm(at, axis=0) < 24).astype(np.float32)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(FINE.shape), 1.5)
    truth = np.clip(0.8 + 0.15 * noise / noise.std(), 0.3, 1.1).astype(np.float32) * brain
    soft = (ndimage.gaussian_filter(truth, 3) / np.maximum(ndimage.gaussian_filter(brain, 3), 0.1)) * brain
    maps = Maps(soft.astype(np.float32), 0 * brain, brain, 0.05 * brain)
    return truth, maps, np.linalg.norm(at, axis=0) < 20


def scanned(truth, slices):
    """As a scanner gives it: another scale, and coils nearer to one side."""
    shown = as_slices(truth, FINE, slices)
    shading = np.linspace(0.8, 1.2, shown.shape[1], dtype=np.float32)[None, :, None]
    return Scan(300 * shown * shading, slices.affine, contrast="T1w")


def error(anatomy, truth, where):
    return float(np.abs(np.asarray(anatomy.voxels) - truth)[where].mean())


@pytest.mark.parametrize(
    ("slices", "of_cubic"), [(thick(2), 1), (thick(0, 12), 1.05)], ids=["along z", "oblique"]
)
def test_what_the_slices_show_is_in_the_anatomy(head, slices, of_cubic):
    truth, maps, inner = head
    scan, target = scanned(truth, slices), Scan(truth, FINE.affine)
    before = to_scan_grid(maps, FINE, target)
    after = agreeing(maps, FINE, before, scan, target)
    cubic = resample(as_slices(truth, FINE, slices), slices, FINE, order=3)
    assert error(after.anatomy, truth, inner) < 0.75 * error(before.anatomy, truth, inner)
    assert error(after.anatomy, truth, inner) < of_cubic * np.abs(cubic - truth)[inner].mean()
    assert after.anatomy.contrast == "T1w"
    assert after.uncertainty is before.uncertainty


def test_an_anomaly_and_what_is_around_it_stay(head):
    truth, maps, _ = head
    slices, target = thick(2), Scan(truth, FINE.affine)
    before = to_scan_grid(maps, FINE, target)
    sick = np.zeros(FINE.shape, np.uint8)
    sick[22:34, 22:34, 14:26] = 1
    marked = replace(before, anomaly_mask=before.anomaly_mask.with_voxels(sick))
    darker = scanned(np.where(sick, np.float32(0.1), truth), slices)
    after = agreeing(maps, FINE, marked, darker, target)
    change = np.abs(np.asarray(after.anatomy.voxels) - np.asarray(before.anatomy.voxels))
    assert change[sick > 0].max() < 0.05  # the scan is 0.7 darker there
    assert change[sick > 0].mean() < 0.005
    assert change[20:36, 20:36, 40].mean() > 0.03


def test_a_scan_that_shows_nothing_changes_nothing_and_nothing_else_is_said(head):
    truth, maps, _ = head
    target = Scan(truth, FINE.affine)
    before = to_scan_grid(maps, FINE, target)
    flat = Scan(np.full(thick(2).shape, 7.0, np.float32), thick(2).affine, contrast="T1w")
    assert agreeing(maps, FINE, before, flat, target) is before
    stage = {"stage": "second, at 1 mm"}
    for scan, grid, said in (
        (flat, thick(2), "second, at 1 mm"),
        (scanned(truth, thick(2)), thick(2), f"second, at 1 mm; {AGREEING}"),
        (scanned(truth, thick(2)), FINE, "second, at 1 mm"),  # the first stage's own grid
    ):
        look = SimpleNamespace(scan=scan, conformed=SimpleNamespace(grid=grid))
        assert with_slices(before, stage, maps, FINE, look, target)[1] == {"stage": said}


def test_a_slice_is_a_mean_across_it():
    slices = thick(1)
    np.testing.assert_allclose(
        as_slices(np.ones(FINE.shape, np.float32), FINE, slices)[:, 2:-2], 1, atol=1e-5
    )
    plane = np.zeros(FINE.shape, np.float32)
    plane[:, 27] = 1
    shown = as_slices(plane, FINE, slices)[SIDE // 2, :, SIDE // 2]
    assert shown.sum() * THICK_MM == pytest.approx(1, rel=0.05)
    assert np.argmax(shown) in (6, 7)


@pytest.mark.parametrize(
    ("spacing", "thick"), [((1, 1, 1), False), ((0.9, 2.4, 0.9), False), ((1, 1, 3), True)]
)
def test_which_scans_have_slices(spacing, thick):
    scan = Scan(np.zeros((4, 4, 4), np.float32), np.diag([*spacing, 1]))
    assert is_of_slices(scan, 1.0) is thick
    assert not is_of_slices(scan, 2.0)
