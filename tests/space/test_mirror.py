import numpy as np
import pytest

from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine
from sanum.space.mirror import MOST_LOOKS, _Score, find_mirror, mirror, reflection


def rigid(yaw, roll, shift):
    """World → head: a turn about z, one about y, and a shift along x (degrees, mm)."""
    a, b = np.deg2rad([yaw, roll])
    out = np.eye(4)
    out[:3, :3] = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]) @ np.array(
        [[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]]
    )
    out[:3, 3] = -out[:3, :3] @ [shift, 0, 0]
    return out


def test_a_reflection_undoes_itself():
    a = reflection([1, 0.3, -0.2], [4, 5, 6])
    np.testing.assert_allclose(a @ a, np.eye(4), atol=1e-12)
    assert np.linalg.det(a) == pytest.approx(-1)


def test_a_reflection_keeps_its_plane_and_every_distance():
    normal, point = np.array([1, 0.3, -0.2]), np.array([4.0, 5, 6])
    along = np.cross(normal, [0, 0, 1])
    a = reflection(normal, point)
    np.testing.assert_allclose(apply_affine(a, point + 7 * along), point + 7 * along)
    np.testing.assert_allclose(apply_affine(a, point + normal), point - normal)
    np.testing.assert_allclose(a[:3, :3] @ a[:3, :3].T, np.eye(3), atol=1e-12)


def test_mirror_across_a_voxel_plane_is_a_flip():
    grid = Box((9, 8, 7), 2.0).grid((3, 0, 0))
    x = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    np.testing.assert_allclose(mirror(x, grid, reflection([1, 0, 0], [3, 0, 0])), x[::-1], atol=1e-5)


def test_mirror_works_in_millimetres_on_any_axes():
    """The same volume with its axes permuted and flipped gives the same mirror image."""
    grid = Box((9, 8, 7), 2.0).grid()
    x = np.random.default_rng(1).random(grid.shape).astype(np.float32)
    across = reflection([1, 0.1, 0], [1, 0, 0])
    turn = np.array([[0, 0, -1, 8], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])  # (j, k, 8 − i) → (i, j, k)
    other = Grid((8, 7, 9), grid.affine @ turn)
    got = mirror(x[::-1].transpose(1, 2, 0), other, across)
    np.testing.assert_allclose(got, mirror(x, grid, across)[::-1].transpose(1, 2, 0), atol=1e-4)


@pytest.mark.parametrize(("yaw", "roll", "shift"), [(0, 0, 0), (11, -6, 5), (-9, 8, -7)])
def test_find_mirror_sees_past_a_lesion(head, yaw, roll, shift):
    to_head = rigid(yaw, roll, shift)
    grid = Box((56, 64, 56), 3.0).grid()
    found = find_mirror(head(grid, to_head), grid)
    truth = np.linalg.inv(to_head) @ np.diag([-1.0, 1, 1, 1]) @ to_head
    normal, expected = (np.linalg.eigh((m[:3, :3] + m[:3, :3].T) / 2)[1][:, 0] for m in (found, truth))
    assert np.rad2deg(np.arccos(min(1.0, abs(normal @ expected)))) < 1
    middle = apply_affine(np.linalg.inv(to_head), [0, 0, 0])
    assert np.linalg.norm(apply_affine(found, middle) - middle) / 2 < 1
    np.testing.assert_allclose(found @ found, np.eye(4), atol=1e-9)


def test_find_mirror_of_an_inverted_contrast(head):
    to_head = rigid(7, 4, 3)
    grid = Box((42, 48, 42), 4.0).grid()
    x = head(grid, to_head, lesion=False)
    middle = apply_affine(np.linalg.inv(to_head), [0, 0, 0])
    found = find_mirror(np.where(x > 0.1, 1.3 - x, 0), grid)
    assert np.linalg.norm(apply_affine(found, middle) - middle) / 2 < 1


@pytest.mark.full
def test_no_volume_makes_it_look_at_more_planes_than_it_says(head, monkeypatch):
    looks = []
    look = _Score.__call__
    monkeypatch.setattr(_Score, "__call__", lambda self, p: looks.append(0) or look(self, p))
    grid = Box((30, 36, 30), 5.0).grid()
    x = head(grid, rigid(14, -11, 9))
    noise = np.random.default_rng(0).random(grid.shape, np.float32)
    for volume in (x, x * (np.indices(grid.shape)[2] > 17), noise):
        looks.clear()
        find_mirror(volume, grid)
        assert 27 < len(looks) <= MOST_LOOKS == 247


def test_an_empty_volume_gives_a_reflection():
    grid = Box((12, 12, 12), 4.0).grid((5, 0, 0))
    found = find_mirror(np.zeros(grid.shape, np.float32), grid)
    np.testing.assert_allclose(found @ found, np.eye(4), atol=1e-9)
