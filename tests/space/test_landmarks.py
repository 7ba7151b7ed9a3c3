"""Rigid maps of points: exact without noise, refused where not determined, and the spine's finding."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.space.grid import apply_affine
from sanum.space.landmarks import (
    column_of_points,
    paired,
    rigid_of_points,
    turn_about_deg,
    vertebra_points,
)

UP = (0.0, 0.0, 1.0)
STRAIGHT = np.array([[0.0, 0.0, 35.0 * n] for n in range(5)])
BEHIND = STRAIGHT + np.array([0, -55.0, -8.0])


def world_of(rotation, shift):
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = rotation.as_matrix(), shift
    return world


def test_without_noise_the_map_is_exact_and_no_reflection():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 30, (6, 3))
    world = world_of(Rotation.from_rotvec([0.4, -2.0, 0.7]), [3, -9, 40])
    fit = rigid_of_points(points, apply_affine(world, points))
    np.testing.assert_allclose(fit.world, world, atol=1e-9)
    assert fit.mean_mm < 1e-9
    flat = points * [1, 1, 0]  # a plane allows a reflection as well
    mirrored = flat * [1, -1, 1]
    assert np.linalg.det(rigid_of_points(flat, mirrored).world[:3, :3]) == pytest.approx(1)


def test_residuals_are_distances():
    points = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [10, 10, 0]])
    moved = points + np.array([[0, 0, 1], [0, 0, -1], [0, 0, -1], [0, 0, 1]])  # no rigid map does this
    np.testing.assert_allclose(rigid_of_points(points, moved).residuals_mm, 1, atol=1e-9)


def test_one_point_per_vertebra_of_a_straight_column_leaves_the_rotation_open_and_two_determine_it():
    """A column turned by 20° about itself; every point is set with an error of 1 mm."""
    world = world_of(Rotation.from_euler("z", 20, degrees=True), [4, 2, -6])
    rng = np.random.default_rng(3)
    errors = {1: [], 2: []}
    for _ in range(200):
        for count, points in ((1, STRAIGHT), (2, np.concatenate([STRAIGHT, BEHIND]))):
            p, q = (x + rng.normal(0, 1, x.shape) for x in (points, apply_affine(world, points)))
            fit = rigid_of_points(p, q, least_off_mm=0)
            errors[count].append(abs((turn_about_deg(fit.world, UP) - 20 + 180) % 360 - 180))
    one, two = (float(np.median(errors[count])) for count in (1, 2))
    assert one > 60  # 90° is what chance gives
    assert two < 2
    assert max(errors[2]) < 8


def test_the_fit_says_how_unsure_the_rotation_is():
    rng, errors, told = np.random.default_rng(1), [], []
    points = np.concatenate([STRAIGHT, BEHIND])
    for _ in range(300):
        fit = rigid_of_points(points, points + rng.normal(0, 1, points.shape))
        errors.append(turn_about_deg(fit.world, UP))
        told.append(fit.turn_sd_deg)
    assert np.std(errors) == pytest.approx(np.mean(told), rel=0.25)


@pytest.mark.parametrize(
    ("points", "about"),
    [
        (STRAIGHT[:2], "2 landmarks are in both scans: a rigid map needs three or more"),
        (STRAIGHT, "lie on a line .* the rotation about it is not determined: add a second point"),
        (STRAIGHT[:3] * np.nan, "finite points"),
    ],
)
def test_too_few_and_collinear_are_refused(points, about):
    with pytest.raises(ValueError, match=about):
        rigid_of_points(points, points + 1)


@pytest.mark.parametrize("error_mm", [1, 2])
def test_a_straight_column_is_refused_whatever_the_errors_of_its_points(error_mm):
    rng = np.random.default_rng(2)
    for _ in range(100):
        p, q = (STRAIGHT + rng.normal(0, error_mm, STRAIGHT.shape) for _ in range(2))
        with pytest.raises(ValueError, match="add a second point per vertebra"):
            rigid_of_points(p, q)


def test_points_that_are_named_wrongly_are_refused():
    points = np.concatenate([STRAIGHT, BEHIND])
    swapped = points[[5, 1, 2, 3, 4, 0, 6, 7, 8, 9]]
    with pytest.raises(
        ValueError, match=r"mm apart after the best map.*check that both scans name them alike"
    ):
        rigid_of_points(points, swapped)


def test_points_are_paired_by_name_and_number_not_by_order():
    p = {name: np.full(3, n) for n, name in enumerate(("L1-1", "L1-2", "L2-1", "L2-2", "L2-3"))}
    turned = dict(reversed(p.items()))
    for per_vertebra, kept in ((2, [[0, 1], [2, 3]]), (1, [[0], [2]])):
        for one in paired(p, turned, per_vertebra=per_vertebra):
            assert [rows[:, 0].tolist() for rows in one.values()] == kept
    lacking = {name: p[name] for name in ("L1-2", "L2-1")}
    assert [len(rows) for rows in paired(p, lacking)[0].values()] == [1, 1]
    slicer = {f"F-{n}": np.full(3, n) for n in range(1, 7)}
    assert {name: rows.shape for name, rows in paired(slicer, slicer)[0].items()} == dict.fromkeys(
        slicer, (1, 3)
    )
    assert paired(p, {}) == ({}, {})


def test_a_bent_column_is_followed_piece_by_piece():
    """Each vertebra is turned a little more than the one below: no rigid map fits, the pieces do."""
    source = {f"L{n}": np.stack([STRAIGHT[n], BEHIND[n]]) for n in range(5)}
    bends = [world_of(Rotation.from_euler("x", 4 * n, degrees=True), [0, 0, 0]) for n in range(5)]
    target = {f"L{n}": apply_affine(bends[n], source[f"L{n}"]) for n in range(5)}
    whole = rigid_of_points(*(np.concatenate(list(one.values())) for one in (source, target)))
    column = column_of_points(source, target)
    assert column.mean_mm < 0.6 * whole.mean_mm
    went = column.at(STRAIGHT)
    there = np.stack([target[f"L{n}"][0] for n in range(5)])
    assert (
        np.linalg.norm(went - there, axis=1).mean()
        < np.linalg.norm(apply_affine(whole.world, STRAIGHT) - there, axis=1).mean()
    )
    rigid = world_of(Rotation.from_rotvec([0.1, 0.2, 0.3]), [1, 2, 3])
    same = column_of_points(source, {k: apply_affine(rigid, v) for k, v in source.items()})
    anywhere = np.random.default_rng(0).normal(0, 80, (20, 3))
    np.testing.assert_allclose(same.at(anywhere), apply_affine(rigid, anywhere), atol=1e-8)
    alone = {name: points[:1] for name, points in source.items()}
    with pytest.raises(ValueError, match=r"vertebra L\d: .*landmarks"):
        column_of_points(alone, alone)
    with pytest.raises(ValueError, match="no vertebra is in both"):
        column_of_points(source, {})
    with pytest.raises(ValueError, match="vertebra L0 has more points in one scan"):
        column_of_points(source, alone)


def test_points_of_labels_are_the_centroid_and_what_lies_behind():
    labels = np.zeros((9, 30, 12), int)
    labels[2:7, 18:28, 3:9] = 4  # the body
    labels[4, 2:18, 5:7] = 4  # the process
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    (points,) = vertebra_points(labels, affine).values()
    assert points.shape == (2, 3)
    assert points[1, 1] < 12 < points[0, 1]
    np.testing.assert_allclose(points[1, [0, 2]], [8, 16.5], atol=1.6)
    assert list(vertebra_points(labels, affine, per_vertebra=1)["4"].shape) == [1, 3]
    with pytest.raises(ValueError, match="per_vertebra is 1 or 2"):
        vertebra_points(labels, affine, per_vertebra=3)
