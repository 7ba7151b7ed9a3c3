import doctest

import numpy as np
import pytest

from sanum.metrics import tissue
from sanum.metrics.tissue import grey_and_white, grey_white_contrast


def head(grey=0.72, noise=0.03):
    """Three slabs of fluid, grey and white matter; which they are."""
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], [2, 6, 8])[:, None, None] * np.ones((1, 20, 20), int)
    clean = np.array([0.2, grey, 1.0])[kind]
    return (clean + rng.normal(0, noise, kind.shape)).astype(np.float32), kind


def test_tissues_are_told_apart():
    image, kind = head()
    brain = np.ones(kind.shape, bool)
    grey, white = grey_and_white(image, brain)
    assert (grey == (kind == 1)).mean() > 0.999
    assert (white == (kind == 2)).mean() > 0.999
    again = grey_and_white(4000 * image, brain)
    np.testing.assert_array_equal(again, (grey, white))


def test_only_where_the_brain_is():
    image, kind = head()
    image[:, :, 10:] = 50  # a lesion, or fat
    brain = np.zeros(kind.shape, bool)
    brain[:, :, :10] = True
    grey, white = grey_and_white(image, brain)
    assert not (grey | white)[~brain].any()
    assert (white == (kind == 2))[brain].mean() > 0.999


@pytest.mark.parametrize("grey", [0.72, 0.9])
def test_the_contrast_is_that_of_the_medians(grey):
    sharp, kind = head()
    where = grey_and_white(sharp, np.ones(kind.shape, bool))
    other, _ = head(grey=grey)
    assert grey_white_contrast(other, *where) == pytest.approx(1 - grey, abs=0.005)
    assert grey_white_contrast(3 * other, *where) == pytest.approx(1 - grey, abs=0.005)


def test_without_tissue_there_is_no_contrast():
    image, kind = head()
    nothing = np.zeros(kind.shape, bool)
    assert np.isnan(grey_white_contrast(image, nothing, ~nothing))
    assert np.isnan(grey_white_contrast(0 * image, ~nothing, ~nothing))
    for t1w, brain in ((image, nothing), (np.ones_like(image), ~nothing)):
        assert not np.any(grey_and_white(t1w, brain))


def test_examples():
    assert doctest.testmod(tissue, extraglobs={"np": np}).failed == 0
