import numpy as np
import pytest
from scipy import ndimage

from sanum.methods.anatomy.una.model import ATLAS_BOX
from sanum.methods.anatomy.una.posture import AtlasFit, correlation_ratio, orientations, posture_of
from sanum.space.box import Box
from sanum.space.grid import apply_affine

CUBE = Box((48, 48, 48), 4.0)  # holds the brain in any orientation
TURNS = orientations()


def pattern(points, seed=0):
    """Light and dark as no other place has them, about 16 mm wide."""
    rng = np.random.default_rng(seed)
    waves, phases = rng.normal(0, 1 / 12, (6, 3)), rng.uniform(0, 6, 6)
    return np.cos(points @ waves.T + phases).sum(-1)


def brain_at(grid, turn=None, seed=0):
    """Pattern and mask of an ellipsoid on a grid; `turn` carries the points of the grid into the brain."""
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))
    x = x if turn is None else x @ turn.T
    return pattern(x, seed).astype(np.float32), ((x / (60, 80, 55)) ** 2).sum(-1) < 1


@pytest.fixture(scope="module")
def atlas():
    mean, share = brain_at(ATLAS_BOX.grid())
    return np.stack([mean * share, share]).astype(np.float32)


def test_there_are_24_rotations_of_axes():
    assert len({turn.tobytes() for turn in TURNS}) == 24
    assert all(np.linalg.det(turn) == pytest.approx(1) for turn in TURNS)
    np.testing.assert_array_equal(TURNS[0], np.eye(3))


class TestCorrelationRatio:
    x = np.random.default_rng(0).normal(0, 1, 20_000)

    def test_a_function_is_explained_whatever_it_is(self):
        assert correlation_ratio(self.x**2, self.x) > 0.75
        assert correlation_ratio(-self.x, self.x) == pytest.approx(correlation_ratio(self.x, self.x))

    def test_half_of_the_variance(self):
        noise = np.random.default_rng(1).normal(0, 1, self.x.shape)
        assert correlation_ratio(np.sign(self.x) + noise, self.x) == pytest.approx(0.5, abs=0.02)

    def test_nothing(self):
        assert correlation_ratio(np.random.default_rng(1).normal(0, 1, self.x.shape), self.x) < 0.005
        assert correlation_ratio(np.ones(100), np.arange(100.0)) == 0


def test_any_contrast_of_the_same_brain_fits_and_another_does_not(atlas):
    scan, brain = brain_at(CUBE.grid())
    for image in (scan, -scan, np.abs(scan)):
        assert AtlasFit(image, brain, CUBE, atlas)(np.eye(4)) > 0.3
    other, _ = brain_at(CUBE.grid(), seed=5)
    assert AtlasFit(other, brain, CUBE, atlas)(np.eye(4)) < 0.05


def test_too_little_brain_says_nothing(atlas):
    scan, brain = brain_at(CUBE.grid())
    few = brain & (np.abs(np.indices(brain.shape) - 24) < 4).all(0)
    assert few.sum() == 343
    assert AtlasFit(scan, few, CUBE, atlas)(np.eye(4)) == 0


@pytest.mark.parametrize("n", [1, 6, 11, 17, 23])
def test_a_brain_that_lies_otherwise_is_found(atlas, n):
    scan, brain = brain_at(CUBE.grid(), TURNS[n])
    found = posture_of(scan, brain, CUBE, atlas, np.eye(4))
    np.testing.assert_allclose(found.pose[:3, :3], TURNS[n], atol=0.1)  # sizes differ by a voxel
    assert found.fit > 0.5


def test_the_number_of_fits_has_a_bound(atlas, monkeypatch):
    fits = []
    fit = AtlasFit.__call__
    monkeypatch.setattr(AtlasFit, "__call__", lambda self, pose: fits.append(0) or fit(self, pose))
    scan, brain = brain_at(CUBE.grid())
    posture_of(scan, brain, CUBE, atlas, np.eye(4))
    assert len(fits) == 1
    posture_of(np.random.default_rng(0).normal(0, 1, brain.shape), brain, CUBE, atlas, np.eye(4))
    assert len(fits) == 1 + 26


def test_a_pose_that_fits_is_kept(atlas):
    scan, brain = brain_at(CUBE.grid())
    pose = np.eye(4)
    assert posture_of(scan, brain, CUBE, atlas, pose).pose is pose


def test_what_is_no_brain_fits_nowhere(atlas):
    _, brain = brain_at(CUBE.grid())
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, brain.shape), 1)
    found = posture_of(noise, brain, CUBE, atlas, np.eye(4))
    assert found.fit < 0.05
    np.testing.assert_array_equal(found.pose, np.eye(4))
    assert posture_of(noise, brain, CUBE, atlas, None).pose is None
