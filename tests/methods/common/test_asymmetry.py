"""How much places differ from their mirror images."""

import numpy as np
import torch
import torch.nn.functional as F

from sanum.methods.common.asymmetry import asymmetry, uneven


def patches(seed, shape=(2, 5, 5, 7)):
    return F.normalize(torch.from_numpy(np.random.default_rng(seed).random(shape, np.float32)), dim=3)


def test_it_is_the_distance_from_the_nearest_about_the_mirrored_place():
    rows, mirrored = patches(0), patches(1)
    found = asymmetry(rows, mirrored)
    for b, y, x in np.ndindex(*found.shape):
        near = mirrored[b, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].flatten(0, 1)
        torch.testing.assert_close(
            found[b, y, x], (near - rows[b, y, x]).norm(dim=1).min(), rtol=1e-4, atol=0
        )


def test_what_is_symmetric_or_a_little_moved_has_none():
    rows = patches(2)
    moved = rows.roll(1, 2)
    assert asymmetry(rows, rows).max() < 1e-3
    assert asymmetry(rows, moved)[:, :, :-1].max() < 1e-3
    assert asymmetry(rows, moved, reach=0).min() > 0.1


def test_distances_count_more_where_sides_differ():
    rows, far = patches(3), torch.ones(2, 5, 5)
    mirrored = rows.clone()
    mirrored[:, 1:4, 1:4] = patches(4)[:, 1:4, 1:4]
    found = uneven(far, rows, mirrored, 0.5)
    assert found[:, 2, 2].min() > 10 * found[:, 0, 0].max()
    assert torch.equal(uneven(far, rows, mirrored, 0.0), far)


def test_rounding_of_the_patches_of_a_symmetric_picture_changes_nothing():
    """Those of both sides go through the network each by itself; other libraries round otherwise."""
    rows, far = patches(5, (2, 7, 7, 64)), torch.ones(2, 7, 7)
    noise = torch.from_numpy(np.random.default_rng(6).normal(0, 1e-7, rows.shape).astype(np.float32))
    torch.testing.assert_close(uneven(far, rows, rows + noise, 0.5), uneven(far, rows, rows, 0.5))


def test_what_has_no_length_is_as_far_as_what_has_nothing_in_common():
    rows, nothing = patches(7), torch.zeros(2, 5, 5, 7)
    for found in (asymmetry(rows, nothing), asymmetry(nothing, rows), asymmetry(nothing, nothing)):
        torch.testing.assert_close(found, torch.full((2, 5, 5), 2**0.5))
