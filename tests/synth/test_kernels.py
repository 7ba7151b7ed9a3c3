"""The kernels beside NumPy and PyTorch doing the same."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from sanum.space.resample import affine_index, sample_at
from sanum.synth.kernels import UNMOVED, pose, recolour


def test_pose_is_pytorch_s_interpolation_with_the_warp_added():
    rng = np.random.default_rng(0)
    volumes = rng.random((14, 11, 13, 3)).astype(np.float32)
    labels = rng.integers(0, 200, (14, 11, 13)).astype(np.int16)
    matrix = np.array([[0.9, 0.1, 0, -1.3], [-0.1, 0.8, 0.2, 0.7], [0.05, 0, 1.1, -2.2]])
    knots = rng.normal(0, 1.5, (5, 5, 5, 3)).astype(np.float32)
    shape = (16, 15, 14)  # some of it outside
    out, out_labels = np.empty((3, *shape), np.float32), np.empty(shape, np.int16)
    pose(volumes, labels, matrix, knots, UNMOVED, out, out_labels)

    warp = torch.from_numpy(np.moveaxis(knots, -1, 0)[None])
    index = affine_index(matrix, shape) + F.interpolate(warp, shape, mode="trilinear", align_corners=True)[0]
    wanted = sample_at(torch.from_numpy(np.moveaxis(volumes, -1, 0).copy()), index)
    np.testing.assert_allclose(out, wanted.numpy(), atol=2e-5)
    nearest = sample_at(torch.from_numpy(labels.astype(np.float32))[None], index, nearest=True)[0].numpy()
    assert (out_labels == nearest).mean() > 0.999  # but for ties
    assert (out == 0).any()


def test_pose_reads_where_the_tissue_came_from():
    place = np.moveaxis(np.indices((12, 12, 12)), 0, -1).astype(np.float32, order="C")
    moved = np.zeros((12, 12, 12, 3), np.float32)
    moved[..., 1] = 0.5 * place[..., 0] / 11  # farther along x, more along y
    still, out = (np.empty((3, 8, 8, 8), np.float32) for _ in range(2))
    labels, none = np.ones((12, 12, 12), np.int16), np.zeros((2, 2, 2, 3), np.float32)
    matrix = np.hstack([np.eye(3), [[1.25], [2.0], [1.5]]])
    for field, made in ((UNMOVED, still), (moved, out)):
        pose(place, labels, matrix, none, field, made, np.empty((8, 8, 8), np.int16))
    np.testing.assert_allclose(out[[0, 2]], still[[0, 2]], atol=1e-5)
    np.testing.assert_allclose(out[1] - still[1], 0.5 * still[0] / 11, atol=1e-5)


def test_recolour_is_interpolation_by_numpy():
    rng = np.random.default_rng(1)
    shape = (7, 6, 5)
    t1w = rng.uniform(0, 2.2, shape).astype(np.float32)
    brain = np.clip(rng.uniform(-0.5, 1.5, shape), 0, 1).astype(np.float32)
    noise = rng.standard_normal(shape).astype(np.float32)
    knots, values, widths = np.array([0.0, 0.4, 1.0, 2.0]), rng.random(4), rng.random(4) / 10
    head = rng.random(4)
    out = np.empty(shape, np.float32)
    groups, shifts = rng.integers(0, 2, shape).astype(np.uint8), np.array([0.1, 0.5], np.float32)
    recolour(t1w, brain, groups, shifts, noise, knots, values, widths, knots, head, 0.03, False, out)
    six = np.array(
        [
            [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
            [[0, 1, 0], [1, 2, 1], [0, 1, 0]],
            [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        ]
    )
    shift = ndimage.convolve(shifts[groups], six / 8, mode="nearest")
    image = brain * (np.interp(t1w, knots, values) + shift) + (1 - brain) * np.interp(t1w, knots, head)
    width = brain * np.interp(t1w, knots, widths) + (1 - brain) * 0.03
    wanted = np.maximum(np.where(image > 0.02, image + width * noise, image), 0)
    np.testing.assert_allclose(out, wanted, atol=1e-5)
