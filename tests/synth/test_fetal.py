"""The made-up fetus: its heart has the area and the rhythm that are asked, and the mother moves slowly."""

import numpy as np
import pytest

from sanum.metrics.motion import beat_of
from sanum.synth.fetal import draw_fetal, fetal_movie, heart_region

SHAPE = (64, 64)


@pytest.fixture(scope="module")
def drawn():
    fetal = draw_fetal(np.random.default_rng(1))
    return fetal, fetal_movie(fetal, SHAPE, 64, frame_s=0.05)


def test_the_same_draw_is_the_same_movie(drawn):
    again = draw_fetal(np.random.default_rng(1))
    assert again == drawn[0]
    np.testing.assert_array_equal(fetal_movie(again, SHAPE, 2, frame_s=0.05), drawn[1][:2])


def test_the_heart_loses_its_share_of_area_at_its_rate(drawn):
    fetal, movie = drawn
    heart = heart_region(fetal, SHAPE)
    assert 40 < heart.sum() < 200
    blood = (np.abs(movie)[:, heart] > 0.8).sum(1)
    assert blood.min() / blood.max() == pytest.approx(1 - fetal.squeeze, abs=0.08)
    assert beat_of(np.abs(movie)[:, heart], frame_s=0.05) == pytest.approx(fetal.heart_hz, abs=0.1)


def test_it_is_an_image_with_a_phase_of_its_own(drawn):
    movie = drawn[1]
    assert (movie.dtype, movie.shape) == (np.complex64, (64, *SHAPE))
    assert np.abs(movie).max() <= 1.001
    assert np.abs(movie[:, 0, 0]).max() == 0
    assert np.std(np.angle(movie[0][np.abs(movie[0]) > 0.1])) > 0.05
