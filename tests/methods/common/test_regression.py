import numpy as np

from sanum.methods.common.regression import brain_in, difference


def test_the_brain_is_one_part_without_holes():
    t1w = np.zeros((12, 12, 12), np.float32)
    t1w[2:9, 2:9, 2:9] = 0.7
    t1w[4:6, 4:6, 4:6] = 0.05  # a dark lesion
    t1w[11, 11, 11] = 0.7
    wanted = np.zeros_like(t1w)
    wanted[2:9, 2:9, 2:9] = 1
    np.testing.assert_array_equal(brain_in(t1w), wanted)
    assert not brain_in(np.zeros_like(t1w)).any()


def test_the_difference_is_where_the_lesion_is():
    rng = np.random.default_rng(0)
    t1w = rng.uniform(0.3, 1, (16, 16, 16)).astype(np.float32)
    brain = np.ones_like(t1w)
    brain[0] = 0
    sick = t1w.copy()
    sick[5:7, 5:7, 5:7] -= 0.25
    # another brightness and another offset change nothing
    found = difference(0.5 * sick + 0.1, t1w, brain)
    assert found[5:7, 5:7, 5:7].min() > 0.2
    found[5:7, 5:7, 5:7] = 0
    assert found.max() < 0.02
    assert not found[0].any()
    assert not difference(sick, t1w, 0 * brain).any()
