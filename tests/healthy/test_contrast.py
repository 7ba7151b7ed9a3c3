"""Which contrast an input looks like."""

import numpy as np
import pytest

from sanum.healthy.contrast import guess_contrast
from sanum.methods.common.anatomy import Maps


class TestGuess:
    def guess(self, fluid, grey, white):
        t1w = np.repeat(np.array([0.25, 0.75, 1.0], np.float32), 300).reshape(3, 300, 1)
        image = np.repeat(np.array([fluid, grey, white], np.float32), 300).reshape(3, 300, 1)
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
    def test_from_the_order_of_the_tissues(self, tissues, expected):
        assert self.guess(*tissues) == expected

    def test_too_little_tissue(self):
        one = np.ones((2, 2, 2), np.float32)
        assert guess_contrast(one, Maps(one, 0 * one, one, one)) is None
