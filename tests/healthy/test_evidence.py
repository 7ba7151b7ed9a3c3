"""What a residual says of lesions: direction, surroundings, the other side."""

import numpy as np
import pytest

from sanum.healthy.evidence import evidence, lesion_signs, weigh_surroundings
from sanum.space.grid import Grid
from sanum.space.mirror import reflection

from .test_residual import LESION, SHAPE, SPACING, anatomy  # noqa: F401 the fixture

ACROSS = reflection([1, 0, 0], [0, 0, 0])


class TestSigns:
    @pytest.mark.parametrize("contrast", ["T1w", "UNIT1"])
    def test_lesions_are_dark(self, contrast):
        assert lesion_signs(contrast) == (-1,)

    @pytest.mark.parametrize("contrast", ["T2w", "FLAIR", "PD", "DWI"])
    def test_lesions_are_bright(self, contrast):
        assert lesion_signs(contrast) == (1,)

    @pytest.mark.parametrize("contrast", ["T1wCE", "CT", "ADC", "unknown", None, "bold"])
    def test_lesions_are_either(self, contrast):
        assert lesion_signs(contrast) == (1, -1)

    def test_evidence_is_the_part_in_that_direction(self):
        z = np.array([-3, 0, 2], np.float32)
        assert evidence(z, "T1w").tolist() == [3, 0, 0]
        assert evidence(z, "T2w").tolist() == [0, 0, 2]
        assert evidence(z, None).tolist() == [3, 0, 2]


class TestSurroundings:
    @pytest.fixture
    def grid(self):
        affine = np.diag([*SPACING, 1.0])
        affine[:3, 3] = -(np.array(SHAPE) - 1) * SPACING / 2
        return Grid(SHAPE, affine)

    @pytest.fixture
    def found(self, anatomy, grid):  # noqa: F811
        """z is -4 in one place on one side of a head."""
        _, brain = anatomy
        z = np.zeros(SHAPE, np.float32)
        z[LESION] = -4
        return weigh_surroundings(z, brain.astype(np.float32), grid, ACROSS, "T1w")

    def test_it_shows_on_the_other_side_alone(self, found):
        there = (
            tuple(slice(*sorted((SHAPE[0] - s.start, SHAPE[0] - s.stop))) for s in LESION[:1]) + LESION[1:]
        )
        assert found.other[there].mean() > 2
        assert found.other[LESION].max() < 0.2

    def test_around_it_is_less_than_in_it_and_far_away_nothing(self, found):
        middle = tuple((s.start + s.stop) // 2 for s in LESION)
        assert 0.5 < found.around[middle] < 4
        beside = found.around[middle[0], middle[1] + 4, middle[2]]
        assert 0.05 < beside < found.around[middle]
        assert found.around[middle[0], middle[1] - 25, middle[2]] < 0.01

    def test_the_wrong_direction_is_nowhere(self, anatomy, grid):  # noqa: F811
        _, brain = anatomy
        found = weigh_surroundings(
            np.full(SHAPE, 5, np.float32), brain.astype(np.float32), grid, ACROSS, "T1w"
        )
        assert not found.around.any()
        assert not found.other.any()
