import numpy as np
from nibabel.affines import apply_affine

from sanum.report.places import brain_centre_mm, largest_component_centre_mm
from sanum.scan import Scan

AFFINE = np.array([[-1.0, 0, 0, 40], [0, 2, 0, -10], [0, 0, 5, 7], [0, 0, 0, 1]])


def test_largest_part_is_found_in_world_millimetres():
    mask = np.zeros((20, 20, 10), dtype=bool)
    mask[2:5, 2:5, 2:5] = True
    mask[15, 15, 8] = True
    found = largest_component_centre_mm(Scan(mask, AFFINE))
    np.testing.assert_allclose(found, apply_affine(AFFINE, (3, 3, 3)))


def test_parts_that_touch_at_a_corner_are_one():
    mask = np.zeros((8, 8, 8), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True
    mask[6, 6, 6] = mask[6, 6, 7] = True
    found = largest_component_centre_mm(Scan(mask, np.eye(4)))
    np.testing.assert_allclose(found, (1, 1, 1))


def test_centre_of_a_ring_lies_on_the_ring():
    i, j, k = np.indices((21, 21, 3))
    ring = (np.abs(np.hypot(i - 10, j - 10) - 8) < 1) & (k == 1)
    found = largest_component_centre_mm(Scan(ring, np.eye(4)))
    assert found is not None
    assert ring[tuple(found.astype(int))]


def test_no_anomaly_no_place():
    assert largest_component_centre_mm(Scan(np.zeros((3, 3, 3)), AFFINE)) is None


def test_probabilities_count_above_one_half():
    mask = np.full((5, 5, 5), 0.5)
    mask[1, 2, 3] = 0.51
    np.testing.assert_allclose(
        largest_component_centre_mm(Scan(mask, AFFINE)), apply_affine(AFFINE, (1, 2, 3))
    )


def test_brain_centre_is_the_centroid_or_the_middle_of_the_box():
    brain = np.zeros((10, 10, 10), dtype=bool)
    brain[0, 0, 0] = brain[4, 2, 6] = True
    np.testing.assert_allclose(brain_centre_mm(Scan(brain, AFFINE)), apply_affine(AFFINE, (2, 1, 3)))
    np.testing.assert_allclose(
        brain_centre_mm(Scan(np.zeros((10, 10, 10)), AFFINE)), apply_affine(AFFINE, (4.5, 4.5, 4.5))
    )
