import numpy as np

from sanum.methods import registry

SHAPE = (80, 96, 80)


def test_the_mean_is_a_brain_and_the_same_for_every_scan():
    predictor = registry.load("mean")
    one = predictor(np.zeros((2, *SHAPE), np.float32))
    scan = np.random.default_rng(0).uniform(0, 1, (2, *SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(predictor(scan).t1w, one.t1w)
    assert 900 < (one.brain > 0.5).sum() * 0.008 < 1800  # mL
    assert 0.5 < one.t1w[one.brain > 0.9].mean() < 1
    assert one.t1w[one.brain < 0.01].max() < 0.02
    left, right = one.t1w[:40].mean(), one.t1w[40:].mean()
    assert abs(left - right) < 0.05 * (left + right)


def test_the_mean_in_another_box():
    maps = registry.load("mean")(np.zeros((2, 40, 48, 40), np.float32))
    assert maps.t1w.shape == (40, 48, 40)
