"""Numbers of movies: what is right is 1, what is lost is 0, and noise is no beat in phase."""

import numpy as np
import pytest

from sanum.metrics.motion import beat_of, fast_movement, harmonic, movie_errors

FRAME_S, HZ = 0.072, 2.3


@pytest.fixture
def truth():
    """A disc whose brightness beats, on a background that drifts."""
    t = np.arange(32) * FRAME_S
    y, x = np.mgrid[-8:8, -8:8]
    inside = y**2 + x**2 < 16
    movie = 0.5 + 0.1 * t[:, None, None] + np.zeros((32, 16, 16))
    movie[:, inside] += (0.3 * np.cos(2 * np.pi * HZ * t + 1))[:, None]
    return movie, inside


def measured(movie, truth):
    return movie_errors(movie, *truth, frame_s=FRAME_S, beat_hz=HZ)


def test_the_truth_has_no_error_and_the_whole_beat(truth):
    got = measured(truth[0], truth)
    assert (got.nrmse, got.nrmse_moving) == (0, 0)
    np.testing.assert_allclose((got.ssim, got.ssim_moving, got.harmonic, got.amplitude), 1, atol=1e-12)


def test_a_mean_over_time_is_almost_right_and_has_lost_the_beat(truth):
    movie = truth[0].copy()
    movie[:, truth[1]] = movie[:, truth[1]].mean(0)
    got = measured(movie, truth)
    assert abs(got.harmonic) < 0.01
    assert got.nrmse < 0.5 * got.nrmse_moving


def test_half_a_beat_and_one_in_quadrature(truth):
    t = np.arange(32) * FRAME_S
    movie, inside = truth[0].copy(), truth[1]
    movie[:, inside] -= (0.15 * np.cos(2 * np.pi * HZ * t + 1))[:, None]
    assert measured(movie, truth).harmonic == pytest.approx(0.5)
    movie = truth[0].copy()
    movie[:, inside] += (0.3 * (np.sin(2 * np.pi * HZ * t + 1) - np.cos(2 * np.pi * HZ * t + 1)))[:, None]
    turned = measured(movie, truth)
    assert turned.harmonic == pytest.approx(0, abs=1e-6)
    assert turned.amplitude == pytest.approx(1)


def test_drift_is_no_harmonic():
    t = np.linspace(-1, 1, 30)
    assert abs(harmonic(3 + 2 * t - t**2, frame_s=0.1, hz=1.0)) < 1e-12


def test_the_beat_is_found_beside_a_breath():
    t = np.arange(64) * FRAME_S
    series = 2 * np.sin(2 * np.pi * 0.3 * t)[:, None] + 0.2 * np.cos(2 * np.pi * HZ * t)[:, None]
    assert beat_of(series, frame_s=FRAME_S) == pytest.approx(HZ, abs=0.05)
    assert np.isnan(beat_of(series[:6], frame_s=FRAME_S))
    assert np.isnan(beat_of(0 * series, frame_s=FRAME_S))


def test_fast_movement_and_shapes(truth):
    speed = fast_movement(truth[0])
    assert speed[truth[1]].min() > 5 * speed[~truth[1]].max()
    with pytest.raises(ValueError, match="differ in shape"):
        movie_errors(truth[0][:, :8], *truth, frame_s=FRAME_S, beat_hz=HZ)
