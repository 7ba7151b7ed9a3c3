import numpy as np
import pytest

from sanum.report.planes import PLANES, describe_point, ras_voxels, tilt_deg, view_through
from sanum.scan import Scan


def test_slice_passes_through_the_point():
    # LAS, 2 × 3 × 5 mm: x falls with i
    affine = np.array([[-2.0, 0, 0, 18], [0, 3, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1]])
    voxels = np.zeros((10, 8, 6), dtype=np.float32)
    voxels[4, 5, 1] = 1  # world (10, 15, 5)
    scan = Scan(voxels, affine)
    empty = scan.with_voxels(np.zeros_like(voxels))
    view = view_through((10.4, 14.2, 6.9), empty, empty, "radiological")
    for plane in PLANES:
        image = view.cut(ras_voxels(scan), plane)
        assert image.sum() == 1
        up, across = np.argwhere(image)[0]
        expected = {0: (18 - 2 * 4) / 2, 1: 5, 2: 1}  # RAS index of the bright voxel; x starts at 0
        assert (across, up) == (expected[plane.across], expected[plane.up])
    axial = PLANES[0]
    assert view.extent(axial) == (-1.0, 19.0, -1.5, 22.5)
    np.testing.assert_allclose(view.size_mm, (20, 24, 30))  # nothing marked: the whole volume


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
def test_letters_follow_the_convention(convention, phantom):
    view = view_through((0.0, 0.0, 0.0), phantom().brain, phantom().brain, convention)
    letters = [view.sides(plane) for plane in PLANES]
    if convention == "radiological":
        assert letters == [("R", "L"), ("R", "L"), ("A", "P")]
    else:
        assert letters == [("L", "R"), ("L", "R"), ("P", "A")]


def test_view_holds_brain_anomaly_and_point():
    empty = Scan(np.zeros((100, 100, 100), dtype=bool), np.eye(4))
    brain, mask = empty.voxels.copy(), empty.voxels.copy()
    brain[40:60, 40:60, 40:60] = True
    mask[70, 50, 50] = True
    view = view_through((50.0, 20.0, 50.0), empty.with_voxels(brain), empty.with_voxels(mask), "radiological")
    np.testing.assert_allclose(view.low_mm, (25.5, 5.5, 25.5))  # 14 mm around
    np.testing.assert_allclose(view.high_mm, (84.5, 73.5, 73.5))


def test_tilt_is_the_angle_to_the_nearest_axis():
    angle = np.radians(20)
    affine = np.diag([1.0, 1.0, 4.0, 1.0])
    affine[1:3, 1:3] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag(
        [1, 4]
    )
    assert tilt_deg(Scan(np.zeros((2, 2, 2)), affine)) == pytest.approx(20)
    assert tilt_deg(Scan(np.zeros((2, 2, 2)), np.diag([-1.0, 1, 3, 1]))) == pytest.approx(0)


def test_points_are_told_in_words():
    assert describe_point([12.0, -3.4, -40.6]) == "12 mm right, 3 mm posterior, 41 mm inferior"
