"""Two scans laid onto each other: the direction of every file, other people's readers, how sure it is."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from sanum.methods import registry
from sanum.methods.common.alignment import _warnings, align, resampled
from sanum.methods.common.alignment_job import itk_text, matrix_text
from sanum.methods.common.alignment_search import Search
from sanum.scan import Scan, ScanError
from sanum.space.affine import REACH_MM, matrix_of, mean_displacement_mm, numbers_of
from sanum.space.grid import apply_affine
from sanum.space.register import to_sitk
from sanum.space.similarity import MutualInformation


@pytest.fixture(scope="module")
def pair(icbm152_2mm):
    """A head, and it in another contrast somewhere else; fixed mm → moving mm."""
    scan = icbm152_2mm
    turn, scale = np.deg2rad([10, -8, 12]) * REACH_MM, np.array([0.03, -0.02, 0.0]) * REACH_MM
    numbers = torch.tensor(np.concatenate([turn, [14, -9, 11], scale, np.zeros(3)]))
    truth = matrix_of(numbers, torch.tensor(scan.grid.centre_mm)).numpy()
    other = np.where(scan.voxels > 0, scan.voxels.max() - scan.voxels, 0)
    cut = np.array([[1.0, 0, 0, 10], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])  # thick slices
    return scan, Scan(other[10:-8, :, ::2], truth @ scan.affine @ cut), truth


@pytest.fixture(scope="module")
def found(pair):
    return align(*pair[:2])


def test_it_is_found_within_a_millimetre(pair, found):
    scan, _, truth = pair
    points = apply_affine(scan.affine, np.argwhere(scan.voxels > 0)[::500])
    assert mean_displacement_mm(truth, np.eye(4), points) > 10
    assert mean_displacement_mm(found.world, truth, points) < 1
    assert found.sure > 0.8
    assert found.similarity > found.before
    assert not found.warnings


def test_the_image_shows_what_the_fixed_one_has_there(pair, found):
    scan, moving, _ = pair
    image = resampled(moving, scan, found.world)
    assert image.grid.same_as(scan.grid)
    inside = scan.voxels > 0
    inside[:20] = inside[-20:] = False
    assert np.corrcoef(image.voxels[inside], scan.voxels[inside])[0, 1] < -0.85


def test_itk_reads_the_direction_that_is_written(pair, found, tmp_path):
    """SimpleITK resamples with the file; ANTs reads the same format with the same meaning."""
    scan, moving, _ = pair
    path = tmp_path / "t.tfm"
    path.write_text(itk_text(found.world))
    transform = sitk.ReadTransform(path)
    point = np.array([12.0, -30.0, 25.0])
    lps = np.array([-1, -1, 1])
    there = np.array(transform.TransformPoint((point * lps).tolist())) * lps
    np.testing.assert_allclose(there, apply_affine(found.world, point), atol=1e-6)
    low = float(moving.voxels.min())
    image = sitk.Resample(
        to_sitk(moving.voxels, moving.grid), to_sitk(scan.voxels, scan.grid), transform, sitk.sitkBSpline, low
    )
    ours = resampled(moving, scan, found.world).voxels
    difference = np.abs(sitk.GetArrayFromImage(image).T - ours)[ours > low]
    assert np.percentile(difference, 99) < 0.02 * ours.max()


def test_the_matrix_is_read_by_numpy(found, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text(matrix_text(found.world))
    np.testing.assert_allclose(np.loadtxt(path), found.world, rtol=1e-9, atol=1e-9)


def test_two_heads_of_other_sizes_are_turned_as_their_affine_is(pair):
    """The rigid end of two people may be a head on its side: the nearest turn of the best affine is not."""
    scan, moving, truth = pair
    search = Search.of(scan, moving, MutualInformation(), None)
    numbers = numbers_of(truth @ np.diag([1.3, 1.2, 1.1, 1.0]), search.centre.numpy())
    freed = torch.tensor(numbers, dtype=torch.float32)
    nearest = search.turned(freed)
    assert not nearest[6:].abs().max() > 1e-4
    maps = [matrix_of(one.double(), search.centre.double()).numpy() for one in (freed, nearest)]
    points = apply_affine(scan.affine, np.argwhere(scan.voxels > np.mean(scan.voxels))[::200])
    middles = [apply_affine(one, points.mean(0)) for one in maps]
    np.testing.assert_allclose(*middles, atol=2)  # the head's middle stays
    right = torch.tensor(numbers_of(truth, search.centre.numpy()), dtype=torch.float32)
    on_its_side = right.clone()
    on_its_side[0] += np.pi / 2 * REACH_MM
    assert search.better(right, on_its_side)
    assert not search.better(right, right)  # the same place is no better one


def test_what_cannot_be_aligned_is_one_sentence(pair):
    scan, moving, _ = pair
    with pytest.raises(ScanError, match="one value everywhere"):
        align(scan, replace(moving, voxels=np.ones(moving.voxels.shape)))
    with pytest.raises(ScanError, match="one slice alone"):
        align(scan, replace(moving, voxels=moving.voxels[:, :, :1]))
    far = np.array(moving.affine)
    far[:3, 3] += 5000
    with pytest.raises(ScanError, match=r"do not overlap .* --init centre"):
        align(scan, replace(moving, affine=far), init="header")


@pytest.mark.full
def test_a_network_shows_the_way_from_afar(pair):
    """From a header that is 68 mm and 57° off."""
    scan, moving, truth = pair
    numbers = np.concatenate([np.deg2rad([35.0, 45, 15]) * REACH_MM, [45, -30, 40], np.zeros(6)])
    wrong = matrix_of(torch.tensor(numbers), torch.tensor(moving.grid.centre_mm)).numpy()
    far = replace(moving, affine=wrong @ moving.affine)
    points = apply_affine(scan.affine, np.argwhere(scan.voxels > 0)[::500])
    mad = registry.load("mad")
    guess = mean_displacement_mm(mad.first_guess(scan, far), wrong @ truth, points)
    assert guess < 0.6 * mean_displacement_mm(np.eye(4), wrong @ truth, points)
    guided = align(scan, far, init="header", guide=mad)
    assert mean_displacement_mm(guided.world, wrong @ truth, points) < 2


def test_what_knows_one_size_of_voxels_is_no_distance_for_all_levels(pair):
    with pytest.raises(ValueError, match="hand it over as guide"):
        align(*pair[:2], distance=registry.load("mad"))


def test_a_scan_that_is_stretched_is_warned_of():
    assert not _warnings(1.0, 0.4, np.diag([1.2, 0.9, 1.0, 1.0]))
    (said,) = _warnings(1.0, 0.4, np.diag([1.98, 1.06, 0.55, 1.0]))
    assert "scaled by 0.55 to 1.98" in said
