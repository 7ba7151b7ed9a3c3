from dataclasses import replace

import numpy as np
import pytest

from sanum.space.box import Box
from sanum.space.grid import apply_affine
from sanum.space.mirror import reflection
from sanum.synth.geometry import (
    AlignmentError,
    alignment,
    draw_alignment_error,
    draw_geometry,
    identity_geometry,
    linear_part,
    mirror_in_model,
    pose_map,
    to_subject,
)
from sanum.synth.kernels import UNMOVED, pose

MODEL = Box((12, 14, 10), 4.0).grid()
SUBJECT = Box((40, 44, 42), 2.0).grid((3, -5, 7))
CENTRE = np.array([4.0, -6.0, 5.0])


def index_of(params):
    """(3, I, J, K): where each voxel of MODEL is read, found by reading the subject's own indices."""
    coordinates = np.moveaxis(np.indices(SUBJECT.shape), 0, -1).astype(np.float32)
    out, labels = np.empty((3, *MODEL.shape), np.float32), np.empty(MODEL.shape, np.int16)
    own = np.ones(SUBJECT.shape, np.int16)
    pose(coordinates, own, *pose_map(params, MODEL, SUBJECT, CENTRE), UNMOVED, out, labels)
    assert labels.all()  # all of it lies inside
    return out


def exact(**changes):
    return replace(
        draw_geometry(np.random.default_rng(3)), warp_sigma_mm=0.0, mirror_error=(0, 0, 0), **changes
    )


def there(params, points):
    """Model mm → subject mm, without the warp."""
    return CENTRE + (np.asarray(points) + params.shift_mm) @ linear_part(params).T


def test_identity_puts_the_centre_in_the_middle():
    index = index_of(identity_geometry())
    world = apply_affine(SUBJECT.affine, np.moveaxis(index, 0, -1))
    model = apply_affine(MODEL.affine, np.moveaxis(np.indices(MODEL.shape), 0, -1))
    np.testing.assert_allclose(world, model + CENTRE, atol=1e-4)


def test_index_follows_the_affine():
    params = exact()
    index = index_of(params)
    world = apply_affine(SUBJECT.affine, np.moveaxis(index, 0, -1))
    model = apply_affine(MODEL.affine, np.moveaxis(np.indices(MODEL.shape), 0, -1))
    np.testing.assert_allclose(world, there(params, model), atol=1e-3)


def test_the_pose_as_an_affine():
    params = exact()
    points = np.random.default_rng(0).normal(scale=30, size=(20, 3))
    np.testing.assert_allclose(
        apply_affine(to_subject(params, CENTRE), points), there(params, points), atol=1e-9
    )


def test_alignment_errors_are_small_and_seeded():
    np.testing.assert_array_equal(alignment(AlignmentError()), np.eye(4))
    draws = [draw_alignment_error(np.random.default_rng(s)) for s in range(100)]
    assert draws[0] == draw_alignment_error(np.random.default_rng(0))
    marks = 60 * np.vstack([np.eye(3), -np.eye(3)])
    off = [np.linalg.norm(apply_affine(alignment(d), marks) - marks, axis=1).mean() for d in draws]
    assert 1 < np.mean(off) < 6  # millimetres
    assert max(off) < 15


def test_warp_is_smooth_seeded_and_of_the_drawn_size():
    params = replace(identity_geometry(), warp_sigma_mm=4.0, seed=1)
    plain = index_of(identity_geometry())
    u, again, other = ((index_of(p) - plain) * 2.0 for p in (params, params, replace(params, seed=2)))
    assert np.array_equal(u, again)
    assert not np.array_equal(u, other)
    assert 1 < u.std() < 4
    assert np.abs(np.diff(u, axis=1)).max() < np.abs(u).max()


def test_linear_part():
    turn = linear_part(replace(identity_geometry(), rotation_deg=(10, -20, 30)))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    larger = linear_part(replace(identity_geometry(), scale=(2.0, 1.0, 1.0)))
    np.testing.assert_allclose(larger, np.diag([0.5, 1, 1]))  # a head twice as wide is read at half the pace
    assert np.linalg.det(linear_part(exact(flip=True))) < 0 < np.linalg.det(linear_part(exact(flip=False)))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("normal", [(1, 0.1, -0.05), (-1, 0.1, 0.2)])
def test_the_mirror_plane_follows_the_head(flip, normal):
    """Points on the model's plane lie on the subject's plane, shear and all."""
    params = exact(flip=flip)
    subject_mirror = reflection(normal, [5, 0, 1])
    across = mirror_in_model(params, subject_mirror, CENTRE)
    points = np.random.default_rng(0).normal(scale=30, size=(20, 3))
    on_plane = (points + apply_affine(across, points)) / 2
    moved = there(params, on_plane)
    np.testing.assert_allclose(apply_affine(subject_mirror, moved), moved, atol=1e-9)


def test_a_rigid_pose_keeps_the_reflection():
    params = exact(shear=(0, 0, 0), scale=(1.1, 1.1, 1.1))
    subject_mirror = reflection([1, 0.1, -0.05], [5, 0, 1])
    across = mirror_in_model(params, subject_mirror, CENTRE)
    points = np.random.default_rng(0).normal(scale=30, size=(20, 3))
    np.testing.assert_allclose(
        there(params, apply_affine(across, points)),
        apply_affine(subject_mirror, there(params, points)),
        atol=1e-9,
    )


def test_mirror_error_tilts_and_shifts():
    straight = reflection([1, 0, 0], CENTRE)
    across = mirror_in_model(replace(identity_geometry(), mirror_error=(2.0, 0.0, 0.0)), straight, CENTRE)
    normal = np.linalg.eigh((across[:3, :3] + across[:3, :3].T) / 2)[1][:, 0]
    assert np.rad2deg(np.arccos(abs(normal[0]))) == pytest.approx(2, abs=0.01)
    moved = mirror_in_model(replace(identity_geometry(), mirror_error=(0.0, 0.0, 1.5)), straight, CENTRE)
    np.testing.assert_allclose(apply_affine(moved, [0, 0, 0]), [3, 0, 0], atol=1e-9)


def test_draws_stay_in_their_ranges():
    draws = [draw_geometry(np.random.default_rng(s)) for s in range(60)]
    assert max(abs(v) for d in draws for v in d.rotation_deg) <= 15
    assert all(0.87 <= v <= 1.15 for d in draws for v in d.scale)
    assert {d.flip for d in draws} == {True, False}
    assert draws[0] == draw_geometry(np.random.default_rng(0))
    assert draws[0] != draws[1]
