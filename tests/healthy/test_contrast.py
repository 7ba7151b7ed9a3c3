"""Which contrast an input looks like."""

import numpy as np
import pytest

from sanum.healthy.contrast import guess_contrast
from sanum.methods.common.anatomy import Maps


class TestGuess:
    def guess(self, fluid, grey, white, noise=0.0):
        t1w = np.repeat(np.array([0.25, 0.75, 1.0], np.float32), 300).reshape(3, 300, 1)
        image = np.repeat(np.array([fluid, grey, white], np.float32), 300).reshape(3, 300, 1)
        image = image + np.random.default_rng(0).normal(0, noise, image.shape).astype(np.float32)
        one = np.ones_like(t1w)
        return guess_contrast(image, Maps(t1w, 0 * one, one, one))

    @pytest.mark.parametrize(
        ("tissues", "expected"),
        [
            ((0.2, 0.7, 1.0), "T1w-like (guessed)"),
            ((1.0, 0.6, 0.4), "T2w-like (guessed)"),
            ((0.1, 0.9, 0.7), "FLAIR-like (guessed)"),
            ((0.8, 0.5, 0.9), None),
        ],
    )
    def test_from_how_bright_the_tissues_are(self, tissues, expected):
        assert self.guess(*tissues) == expected

    def test_grey_and_white_that_are_not_clearly_apart_are_no_t1w(self):
        assert self.guess(0.3, 0.7, 1.0, noise=0.05) == "T1w-like (guessed)"
        assert self.guess(0.3, 0.7, 1.0, noise=0.15) is None  # as in the FLAIR of old people

    @pytest.mark.parametrize(
        "tissues", [(0.9, 1.0, 1.0), (0.95, 1.1, 1.0), (1.0, 1.15, 1.0), (0.5, 1.0, 1.0)], ids=str
    )
    def test_between_the_contrasts_it_is_unknown(self, tissues):
        assert self.guess(*tissues) is None

    def test_too_little_tissue(self):
        one = np.ones((2, 2, 2), np.float32)
        assert guess_contrast(one, Maps(one, 0 * one, one, one)) is None
