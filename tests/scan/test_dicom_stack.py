"""Uneven slices become even ones, and what lies too far apart is refused."""

import numpy as np
import pytest

from sanum.scan import read

from .slices import AXES, ORIGIN, SPACING, dataset, refusal, save, truth


def at(depths, value=lambda depth: 10 * depth, **tags):
    """Flat slices at places (mm) along the normal, each of a value that grows with it."""
    pixels = [np.full((6, 5), value(depth), np.int16) for depth in depths]
    for one in pixels:
        one[0, 0] += 1000
    return [dataset(p, ORIGIN + d * AXES[2], **tags) for p, d in zip(pixels, depths, strict=True)]


def test_two_distances_are_resampled_to_the_smaller(tmp_path):
    """As head CT has it: thin slices through the base, thick ones above; a ramp stays that ramp."""
    depths = [*range(0, 24, 4), 21, *range(28, 60, 7)]
    scan = read(save(tmp_path / "series", at(depths)))
    assert scan.voxels.shape == (5, 6, 15)
    np.testing.assert_allclose(scan.voxels[1, 1], 10 * np.linspace(0, 56, 15), atol=1e-3)
    np.testing.assert_allclose(scan.affine, truth(4 * AXES[2]), atol=1e-5)
    assert scan.warnings == (
        "the slices are not evenly spaced (4 mm 5 times, 7 mm 5 times, 1 mm once): they were interpolated to "
        "even slices 4 mm apart",
    )


@pytest.mark.parametrize("missing", [1, 3, 5])
def test_a_slice_that_lacks_is_the_mean_of_its_neighbours(tmp_path, missing):
    depths = [3 * k for k in range(8) if k != missing]
    scan = read(save(tmp_path / "series", at(depths, lambda d: d * d)))
    expected = np.array([(3.0 * k) ** 2 for k in range(8)])
    expected[missing] = (expected[missing - 1] + expected[missing + 1]) / 2
    np.testing.assert_allclose(scan.voxels[1, 1], expected, atol=1e-3)
    assert "3 mm 5 times, 6 mm once" in scan.warnings[0]


def test_a_gap_beyond_two_and_a_half_times_is_refused(tmp_path):
    near = [*range(0, 30, 3), 27 + 7.4]
    assert read(save(tmp_path / "near", at(near))).voxels.shape[2] == 12
    far = [*range(0, 30, 3), 27 + 7.6, 27 + 10.6]
    message = refusal(save(tmp_path / "far", at(far)))
    assert "has missing slices, 2 of them: 7.6 mm between image" in message
    assert "where 3 mm was expected" in message


def test_uneven_slices_of_a_tilted_gantry(tmp_path):
    """The shear is kept: each voxel stays where its slice was."""
    way = np.cos(0.3) * AXES[2] + np.sin(0.3) * AXES[1]
    marked = [dataset(np.full((6, 5), 10 * d, np.int16), ORIGIN + d * way) for d in (0, 4, 8, 12, 19, 26)]
    scan = read(save(tmp_path / "series", marked))
    count = scan.voxels.shape[2]
    np.testing.assert_allclose(scan.affine, truth(26 / (count - 1) * way), atol=1e-5)
    np.testing.assert_allclose(scan.voxels[1, 1], np.linspace(0, 260, count), atol=1e-3)
    assert [w.split(" (")[0] for w in scan.warnings] == [
        "the slices are not evenly spaced",
        "the gantry was tilted by 17.2°: the scan's grid is sheared",
    ]


def test_thin_slices_at_rounded_positions_are_even(tmp_path):
    """Positions to a tenth of a millimetre are no reason to interpolate slices of 0.75 mm."""
    depths = [round(0.75 * k + 0.01, 1) for k in range(20)]
    scan = read(save(tmp_path / "series", at(depths)))
    assert (scan.voxels.shape[2], scan.voxels.dtype, scan.warnings) == (20, np.int16, ())


def test_directions_that_differ_by_rounding_are_one(tmp_path):
    turned = []
    for k, angle in enumerate([0.0, 1.5e-3, -1.5e-3, 0.0]):
        axes = np.array([AXES[0] + angle * AXES[1], AXES[1] - angle * AXES[0], AXES[2]])
        turned.append(
            dataset(np.arange(30, dtype=np.int16).reshape(6, 5), ORIGIN + k * SPACING[2] * AXES[2], axes=axes)
        )
    np.testing.assert_allclose(read(save(tmp_path / "series", turned)).affine, truth(), atol=5e-3)


def test_real_head_ct_of_two_distances(shared_data):
    scan = read(shared_data / "dicom" / "ct-head")
    assert (scan.voxels.shape, scan.contrast) == ((512, 512, 37), "CT")
    assert "(4 mm 13 times, 7 mm 13 times, 1.1 mm once)" in scan.warnings[0]
    assert "tilted by 18.5°" in scan.warnings[1]
    extent = np.linalg.norm(scan.affine[:3, 2]) * 36
    assert extent == pytest.approx(13 * 4.22 + 1.14 + 13 * 7.38, abs=0.01)
