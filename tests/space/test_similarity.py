"""Measures that do not depend on contrast."""

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from sanum.space.similarity import MutualInformation, NormalizedGradients

MEASURES = (MutualInformation(), NormalizedGradients())


def blobs(seed=0, size=24):
    rng = np.random.default_rng(seed)
    x = np.stack(np.mgrid[:size, :size, :size], -1)
    image = np.zeros((size,) * 3, np.float32)
    for _ in range(6):
        centre, width = rng.uniform(5, size - 5, 3), rng.uniform(2, 4)
        image += rng.uniform(0.3, 1) * np.exp(-((x - centre) ** 2).sum(-1) / (2 * width**2))
    return torch.tensor(image / image.max(), dtype=torch.float32)[None, None]


ONES = torch.ones(1, 1, 24, 24, 24)


def test_mutual_information_of_steps_is_that_of_counts():
    """Eight values in the middle of bins: the window spreads the moved one, and so lowers it a little."""
    rng = np.random.default_rng(1)
    a = rng.integers(0, 8, 24**3)
    b = np.where(rng.random(24**3) < 0.8, 7 - a, rng.integers(0, 8, 24**3))
    shaped = (torch.tensor(x / 7, dtype=torch.float32).reshape(1, 1, 24, 24, 24) for x in (a, b))
    found = 1 - float(MutualInformation(bins=64)(*shaped, ONES))
    counted = normalized_mutual_info_score(a, b)  # by the arithmetic mean of both entropies
    assert 0.55 * counted < found < counted


@pytest.mark.parametrize("measure", MEASURES)
def test_an_image_is_nearest_to_itself_in_any_contrast(measure):
    image = blobs()
    for other in (image, 1 - image, (2 * image - 1).square()):
        here = float(measure(image, other, ONES))
        away = [float(measure(image, other.roll(n, 2), ONES)) for n in (1, 3, 6)]
        assert here < away[0] < away[1]
        assert here < away[2]


@pytest.mark.parametrize("measure", MEASURES)
def test_each_image_of_a_batch_is_compared_by_itself(measure):
    image = blobs()
    moved = torch.cat([image, image.roll(2, 3), 1 - image])
    inside = torch.cat([ONES, ONES, ONES])
    together = measure(image, moved, inside)
    alone = torch.cat([measure(image, one[None], ONES) for one in moved])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_is_not_inside_has_no_say(measure):
    image = blobs()
    inside = ONES.clone()
    inside[..., 12:] = 0
    other = image.clone()
    other[..., 14:] = 0.7  # two beyond: gradients look at neighbours
    torch.testing.assert_close(measure(image, image, inside), measure(image, other, inside))


@pytest.mark.parametrize("measure", MEASURES)
def test_its_gradient_is_that_of_differences(measure):
    image, way = blobs().double(), blobs(1).double()
    ones = ONES.double()
    at = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def value(x):
        return measure(image, (image * 0.6 + x * way).clamp(0, 1), ones)[0]

    (slope,) = torch.autograd.grad(value(at), at)
    with torch.no_grad():
        steps = (value(at + 1e-5) - value(at - 1e-5)) / 2e-5
    torch.testing.assert_close(slope, steps, rtol=1e-3, atol=1e-6)
