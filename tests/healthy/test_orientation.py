import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.healthy.localize import refuse
from sanum.healthy.orientation import how_it_lies, is_better, lies_otherwise, says_no_axes, turn_upright
from sanum.methods.common.anatomy import Posture
from sanum.scan import Scan, ScanError

CENTRE_MM = np.array([5.0, -20.0, 30.0])


def lying(axis, degrees, stretch=1.1):
    """Posture of a head that is upright after a turn about an axis."""
    pose = np.eye(4)
    pose[:3, :3] = stretch * Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    return Posture(pose, 0.6)


@pytest.mark.parametrize("posture", [None, Posture(None, 0.0), lying("x", 30), lying("y", 20)])
def test_a_head_that_lies_as_heads_do_is_left_alone(posture):
    assert turn_upright(posture, CENTRE_MM) is None


@pytest.mark.parametrize("residual", [0, 15])
def test_wrong_axes_are_put_right_exactly_and_the_rest_is_left_to_the_network(residual):
    about_y = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("x", residual, degrees=True).as_matrix() @ about_y
    turn = turn_upright(Posture(pose, 0.6), CENTRE_MM)
    np.testing.assert_allclose(turn[:3, :3], about_y, atol=1e-12)
    np.testing.assert_allclose(turn @ [*CENTRE_MM, 1], [*CENTRE_MM, 1])


@pytest.mark.parametrize(("axis", "degrees"), [("z", 30), ("y", -40), ("x", 45)])
def test_a_turned_head_is_turned_back(axis, degrees):
    turn = turn_upright(lying(axis, degrees), CENTRE_MM)
    wanted = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    np.testing.assert_allclose(turn[:3, :3], wanted, atol=1e-12)
    assert how_it_lies(turn) == f"it is turned by {abs(degrees)}° against the header's axes"


@pytest.mark.parametrize(
    ("axis", "degrees", "words"),
    [
        ("y", 90, "its top points to what the header calls left, its face to front"),
        ("z", 90, "its top points to what the header calls top, its face to right"),
        ("x", 180, "its top points to what the header calls bottom, its face to back"),
    ],
)
def test_where_the_head_points_is_said_in_the_words_of_the_header(axis, degrees, words):
    assert how_it_lies(turn_upright(lying(axis, degrees), CENTRE_MM)) == words


def test_a_second_look_counts_if_the_head_is_upright_then():
    first = Posture(lying("y", 90).pose, 0.5)
    assert is_better(lying("x", 10), first)
    assert not is_better(lying("y", 90), first)
    assert not is_better(Posture(np.eye(4), 0.3), first)
    assert not is_better(Posture(None, 0.0), first)


class TestWithoutAxes:
    voxels = np.zeros((5, 6, 7), np.float32)
    turn = turn_upright(lying("y", 90), CENTRE_MM)

    def test_software_that_knows_nothing_writes_a_diagonal(self):
        assert says_no_axes(Scan(self.voxels, np.eye(4)))
        middle = np.diag([-2.0, 2, 3, 1])
        middle[:3, 3] = (4, -5, -9)
        assert says_no_axes(Scan(self.voxels, middle))

    def test_a_scanner_writes_where_it_was(self):
        there = np.eye(4)
        there[:3, 3] = (-90, -126, -72)
        assert not says_no_axes(Scan(self.voxels, there))
        assert not says_no_axes(Scan(self.voxels, np.eye(4)[[1, 2, 0, 3]]))

    def test_left_and_right_are_not_guessed(self):
        with pytest.raises(ScanError, match=r"holds no axes .*; left and right would be a guess"):
            lies_otherwise(Scan(self.voxels, np.eye(4)), self.turn, refuse)
        there = np.diag([1.0, 1, 1, 1])
        there[0, 3] = 12.0
        words = lies_otherwise(Scan(self.voxels, there), self.turn, refuse)
        assert words.startswith("the head does not lie as the header says: its top points")
