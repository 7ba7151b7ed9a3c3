import numpy as np
import pytest

from sanum.space.box import Box


def test_its_grid_is_centred_and_isotropic():
    grid = Box((7, 8, 9), 2.0).grid((3, -4, 5))
    np.testing.assert_allclose(grid.centre_mm, (3, -4, 5))
    np.testing.assert_allclose(grid.affine[:3, :3], 2 * np.eye(3))
    assert grid.shape == (7, 8, 9)


def test_size_and_volume():
    box = Box((10, 20, 30), 0.5)
    assert box.size_mm == (5, 10, 15)
    assert box.voxel_ml == pytest.approx(box.grid().voxel_volume_ml)


def test_another_spacing_keeps_the_size():
    box = Box((80, 96, 80), 2.0)
    assert box.at_spacing(4.0) == Box((40, 48, 40), 4.0)
    assert box.at_spacing(2.0) == box
    assert Box((5, 5, 5), 1.0).at_spacing(2.0).shape == (2, 2, 2)


def test_takes_what_a_header_holds():
    assert Box([np.int64(4), 5, 6], 2) == Box((4, 5, 6), 2.0)
    assert hash(Box([4, 5, 6], 2)) == hash(Box((4, 5, 6), 2.0))


@pytest.mark.parametrize(
    ("shape", "spacing", "why"),
    [
        ((4, 5), 1.0, r"a box of \(4, 5\) voxels, expected three numbers of at least 1"),
        ((4, 0, 5), 1.0, r"a box of \(4, 0, 5\) voxels"),
        ((4, 5, 6), 0.0, "voxels of 0.0 mm, expected a finite size above 0"),
        ((4, 5, 6), float("nan"), "voxels of nan mm"),
        ((4, 5, 6), float("inf"), "voxels of inf mm"),
    ],
)
def test_what_is_no_box(shape, spacing, why):
    with pytest.raises(ValueError, match=why):
        Box(shape, spacing)


def test_a_network_takes_multiples_only():
    Box((8, 16, 24), 1.0).require_multiple(8)
    with pytest.raises(ValueError, match=r"a box of \(8, 16, 20\) voxels, expected multiples of 8"):
        Box((8, 16, 20), 1.0).require_multiple(8)
