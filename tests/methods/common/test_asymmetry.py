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
