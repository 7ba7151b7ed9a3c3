from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

from sanum.space import register
from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine
from sanum.space.register import (
    MOST_REFINING_STEPS,
    MOST_STEPS,
    STARTS_MM,
    refine_affine,
    register_affine,
    to_sitk,
)


@contextmanager
def itk_threads(count):
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def test_recovers_a_known_affine(head):
    known = np.eye(4)
    a = np.deg2rad(6)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    known[:3, :3] = turn @ np.diag([1.06, 0.95, 1.03])
    known[:3, 3] = [6, -9, 4]
    fixed_grid = Box((54, 64, 56), 3.0).grid()
    moving_grid = Box((58, 66, 58), 3.0).grid((5, -8, 3))
    # the fixed scan shows at x what the moving scan shows at known·x
    moving = head(moving_grid, np.eye(4), lesion=False)
    fixed = head(fixed_grid, known, lesion=False)
    found = register_affine(fixed, fixed_grid, moving, moving_grid)
    marks = np.array([[40, 0, 0], [-40, 0, 0], [0, 55, 0], [0, -55, 0], [0, 0, 40], [0, 0, -30.0]])
    error = np.linalg.norm(apply_affine(found, marks) - apply_affine(known, marks), axis=1)
    assert error.max() < 1
    for threads in (1, 3):  # as many as ITK may use, and the result is the same to the bit
        with itk_threads(threads):
            again = register_affine(fixed, fixed_grid, moving, moving_grid)
            assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
        np.testing.assert_array_equal(again, found)


def test_a_slab_is_laid_where_it_belongs(head):
    grid = Box((60, 66, 60), 3.0).grid()
    whole = head(grid, np.eye(4), lesion=False)
    up = np.eye(4)
    up[2, 3] = 24.0  # the slab is centred 24 mm above the middle of the head
    slab = head(grid, up, lesion=False)
    taken = np.zeros(grid.shape, bool)
    taken[:, :, 18:42] = True
    found = register_affine(slab * taken, grid, whole, grid, region=taken)
    marks = np.array([[40, 0, 0], [-40, 0, 0], [0, 55, 0], [0, -55, 0], [0, 0, 20], [0, 0, -20.0]])
    assert np.linalg.norm(apply_affine(found, marks) - apply_affine(up, marks), axis=1).max() < 4
    threads = torch.get_num_threads()
    try:  # its starts are tried side by side, and the result is the same to the bit
        torch.set_num_threads(5 - min(threads, 4))
        again = register_affine(slab * taken, grid, whole, grid, region=taken)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(again, found)


@pytest.mark.parametrize("invert", [False, True])
def test_refining_needs_no_like_contrast(head, invert):
    grid = Box((60, 66, 60), 3.0).grid()
    known = np.eye(4)
    known[:3, :3] += np.array([[0.04, 0.05, 0], [-0.06, -0.03, 0.02], [0.01, 0, 0.03]])
    known[:3, 3] = [5, -4, 6]
    moving, fixed = head(grid, np.eye(4), lesion=False), head(grid, known, lesion=False)
    region = ndimage.binary_dilation(fixed > 0.1, iterations=2)
    if invert:
        fixed = np.where(fixed > 0.1, 1.5 - fixed, 0)
    found = refine_affine(fixed, grid, moving, grid, np.eye(4), region=region)
    marks = np.array([[40, 0, 0], [-40, 0, 0], [0, 55, 0], [0, -55, 0], [0, 0, 40], [0, 0, -30.0]])
    error = np.linalg.norm(apply_affine(found, marks) - apply_affine(known, marks), axis=1)
    assert error.max() < 1
    for _ in range(3):
        again = refine_affine(fixed, grid, moving, grid, np.eye(4), region=region)
        np.testing.assert_array_equal(again, found)


def test_same_volume_same_place(head):
    grid = Box((40, 48, 42), 4.0).grid()
    x = head(grid, np.eye(4), lesion=False)
    np.testing.assert_allclose(register_affine(x, grid, x, grid), np.eye(4), atol=0.02)


class TestTheWorkHasABound:
    """Steps and samples are counted, not seconds."""

    grid = Box((60, 66, 60), 3.0).grid()
    part = np.zeros((60, 66, 60), bool)
    part[:, :, 24:40] = True

    @pytest.fixture
    def searches(self, monkeypatch):
        """Of each search: for each step its level, and how many voxels it sampled."""
        found = []

        class Counted(sitk.ImageRegistrationMethod):
            def Execute(self, fixed, moving):
                steps = []
                self.AddCommand(
                    sitk.sitkIterationEvent,
                    lambda: steps.append((self.GetCurrentLevel(), self.GetMetricNumberOfValidPoints())),
                )
                out = super().Execute(fixed, moving)
                found.append(steps)
                return out

        monkeypatch.setattr(sitk, "ImageRegistrationMethod", Counted)
        return found

    @staticmethod
    def steps_of_levels(search):
        return Counter(level for level, _ in search)

    @pytest.fixture
    def pair(self):
        """Fixed and moving: what will never fit."""
        rng = np.random.default_rng(0)
        return [ndimage.gaussian_filter(rng.random(self.grid.shape), 2).astype(np.float32) for _ in "ab"]

    @pytest.mark.parametrize("what", ["head", "noise"])
    def test_of_a_whole(self, head, pair, searches, what):
        fixed, moving = pair
        if what == "head":
            known = np.eye(4)
            known[:3, 3] = [8, -10, 12]
            fixed, moving = head(self.grid, known, lesion=False), head(self.grid, np.eye(4), lesion=False)
        register_affine(fixed, self.grid, moving, self.grid)
        (search,) = searches
        steps = self.steps_of_levels(search)
        assert set(steps) == {0, 1}
        assert max(steps.values()) <= MOST_STEPS == 400
        # a fifth of an eighth of the voxels, and REGULAR sampling rounds
        assert max(samples for _, samples in search) <= 1.1 * 0.2 / 8 * fixed.size

    def test_of_a_part(self, pair, searches):
        fixed, moving = pair
        register_affine(fixed * self.part, self.grid, moving, self.grid, region=self.part)
        assert len(searches) == len(STARTS_MM) + 1 == 8
        assert all(set(self.steps_of_levels(search)) == {0} for search in searches)
        assert max(map(len, searches)) <= MOST_STEPS
        samples = [max(samples for _, samples in search) for search in searches]
        assert max(samples[:-1]) <= 1.3 * 0.2 / 64 * self.part.sum()  # a slab's border shifts by half a voxel
        assert samples[-1] <= 1.3 * 0.2 / 8 * self.part.sum()

    def test_of_a_part_whose_place_is_known(self, pair, searches):
        fixed, moving = pair
        register_affine(fixed * self.part, self.grid, moving, self.grid, region=self.part, start=np.eye(4))
        (search,) = searches
        assert max(self.steps_of_levels(search).values()) <= MOST_STEPS

    def test_of_refining(self, pair, searches):
        fixed, moving = pair
        refine_affine(fixed, self.grid, moving, self.grid, np.eye(4), region=self.part)
        (search,) = searches
        steps = self.steps_of_levels(search)
        assert set(steps) == {0, 1}
        assert max(steps.values()) <= MOST_REFINING_STEPS == 200
        assert max(samples for _, samples in search) <= 1.1 * 0.3 * self.part.sum()

    def test_the_numbers_are_what_ends_it(self, pair, searches, monkeypatch):
        fixed, moving = pair
        monkeypatch.setattr(register, "MOST_STEPS", 7)
        monkeypatch.setattr(register, "MOST_REFINING_STEPS", 5)
        register_affine(fixed, self.grid, moving, self.grid)
        register_affine(fixed * self.part, self.grid, moving, self.grid, region=self.part)
        refine_affine(fixed, self.grid, moving, self.grid, np.eye(4), region=self.part)
        assert [len(search) for search in searches] == [14, *[7] * 8, 10]


def test_sitk_image_has_its_voxels_at_the_same_place():
    affine = np.array([[0, -2.0, 0, 10], [1.5, 0, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])
    grid = Grid((4, 5, 6), affine)
    x = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    image = to_sitk(x, grid)
    assert isinstance(image, sitk.Image)
    for index in [(0, 0, 0), (3, 1, 5), (2, 4, 0)]:
        x_lps = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(np.array(x_lps) * [-1, -1, 1], apply_affine(affine, index), atol=1e-9)
        assert image[index] == x[index]
