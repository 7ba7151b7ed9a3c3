from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sanum.synth.contrast import (
    PRESETS,
    apply_contrast,
    draw_contrast,
    draw_preset,
    own_contrast,
)

MEANS = np.array([0.25, 0.65, 1.0])
FLUID, GREY, WHITE = 0, 1, 2


def volume(seed=0):
    t1w = np.random.default_rng(seed).random((12, 12, 12)).astype(np.float32)
    brain = np.zeros(t1w.shape, np.float32)
    brain[3:9, 3:9, 3:9] = 1
    return t1w, brain, np.zeros(t1w.shape, np.uint8)


def draws(preset, count=40):
    return [draw_contrast(np.random.default_rng(s), preset, MEANS) for s in range(count)]


def test_the_t1w_itself():
    t1w, brain, groups = volume()
    t1w *= 2
    np.testing.assert_allclose(apply_contrast(t1w, brain, groups, MEANS, own_contrast(MEANS)), t1w, atol=1e-6)


def test_a_drawn_t1w_is_near_the_t1w():
    t1w, brain, groups = volume()
    inside = (brain > 0) & (t1w > MEANS[0])  # between fluid and white matter
    for params in draws("t1w", 10):
        got = apply_contrast(t1w, brain, groups, MEANS, params)
        assert np.corrcoef(got[inside], t1w[inside])[0, 1] > 0.95
        assert np.abs(got - t1w)[inside].mean() < 0.15


def test_some_t1w_have_little_contrast():
    ratio = [(d.tissue[WHITE] - d.tissue[GREY]) / (MEANS[WHITE] - MEANS[GREY]) for d in draws("t1w", 200)]
    assert min(ratio) < 0.6
    assert np.median(ratio) == pytest.approx(1, abs=0.05)


def test_iron_darkens_the_pallidum_most():
    for preset in ("t2w", "flair"):
        groups = np.mean([d.groups for d in draws(preset, 300)], axis=0)
        assert groups[4] == groups.min()
        assert groups[4] < groups[2] < -0.02
        assert abs(groups[6]) < 0.02


def test_each_tissue_gets_its_mean():
    t1w = np.repeat(MEANS, 9).reshape(3, 3, 3).astype(np.float32)
    params = replace(own_contrast(MEANS), tissue=(0.9, 0.5, 0.3))
    got = apply_contrast(t1w, np.ones_like(t1w), np.zeros(t1w.shape, np.uint8), MEANS, params)
    np.testing.assert_allclose(got.reshape(3, 9), np.repeat([[0.9], [0.5], [0.3]], 9, axis=1), atol=1e-6)


def test_partial_volume_is_linear():
    half = np.full((2, 2, 2), MEANS[1:].mean(), np.float32)
    params = replace(own_contrast(MEANS), tissue=(0.9, 0.5, 0.3))
    got = apply_contrast(half, np.ones_like(half), np.zeros(half.shape, np.uint8), MEANS, params)
    np.testing.assert_allclose(got, 0.4, atol=1e-6)


def test_groups_shift_their_nuclei_only():
    t1w, brain, groups = volume()
    groups[5:8, 5:8, 5:8] = 4
    params = replace(own_contrast(MEANS), groups=(0, 0, 0, 0, 0.3, 0, 0, 0, 0))
    change = apply_contrast(t1w, brain, groups, MEANS, params) - t1w
    assert change[6, 6, 6] == pytest.approx(0.3, abs=1e-5)
    np.testing.assert_allclose(change, change.transpose(2, 1, 0), atol=1e-6)
    np.testing.assert_allclose(change[3:10], change[3:10][::-1], atol=1e-6)  # to neither side
    assert np.abs(change[:4]).max() < 1e-5


def test_order_of_the_tissues():
    for d in draws("t2w"):
        assert d.tissue[FLUID] > d.tissue[GREY]
        assert d.tissue[FLUID] > d.tissue[WHITE]
    for d in draws("flair"):
        assert d.tissue[FLUID] < d.tissue[WHITE] <= d.tissue[GREY]
    for d in draws("dwi"):
        assert d.tissue[FLUID] < d.tissue[WHITE] <= d.tissue[GREY]
    for d in draws("ct", 400):  # the ranges of grey and white overlap a little
        assert d.tissue[FLUID] < d.tissue[WHITE] <= d.tissue[GREY]
        assert max(d.head) == 1.5  # bone
    for d in draws("t1w"):
        assert d.tissue[FLUID] < d.tissue[GREY] < d.tissue[WHITE]


def test_noise_is_seeded_and_of_the_asked_size():
    flat = np.full((24, 24, 24), 0.65, np.float32)
    params = replace(own_contrast(MEANS), widths=(0.05,) * 4, seed=1)
    one, again, other = (
        apply_contrast(flat, np.ones_like(flat), np.zeros(flat.shape, np.uint8), MEANS, p)
        for p in (params, params, replace(params, seed=2))
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.std() == pytest.approx(0.05, rel=0.2)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_never_negative_and_seeded(preset):
    t1w, brain, groups = volume()
    params = draw_contrast(np.random.default_rng(5), preset, MEANS)
    assert params == draw_contrast(np.random.default_rng(5), preset, MEANS)
    assert params != draw_contrast(np.random.default_rng(6), preset, MEANS)
    assert apply_contrast(t1w, brain, groups, MEANS, params).min() >= 0


def test_presets_come_with_their_probabilities():
    assert sum(PRESETS.values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    drawn = [draw_preset(rng) for _ in range(2000)]
    for name, share in PRESETS.items():
        assert drawn.count(name) / 2000 == pytest.approx(share, abs=0.04)


def test_alike_nuclei_share_an_offset_now_and_then():
    drawn = draws("free", 400)
    for one, other in ((1, 2), (4, 5), (6, 0)):
        assert 0.15 < np.mean([d.groups[one] == d.groups[other] for d in drawn]) < 0.5
    assert not any(d.groups[4] == d.groups[7] for d in drawn)
    assert not any(d.groups[1] == d.groups[2] for d in draws("t2w"))


@pytest.mark.parametrize("preset", ["free", "t2w", "flair", "dwi", "ct"])
def test_what_is_asked_for_is_found(preset):
    """Kolmogorov–Smirnov: big regions hold a normal distribution of the drawn mean and width."""
    shape = (48, 48, 48)
    t1w = np.empty(shape, np.float32)
    t1w[:16], t1w[16:32], t1w[32:] = MEANS
    for seed in range(4):
        params = draw_contrast(np.random.default_rng(seed), preset, MEANS)
        params = replace(params, groups=(0.0,) * 9, widths=(0.01, 0.02, 0.03, 0.0))
        image = apply_contrast(t1w, np.ones(shape, np.float32), np.zeros(shape, np.uint8), MEANS, params)
        for n, start in enumerate((0, 16, 32)):
            found = image[start + 2 : start + 14 : 6, ::6, ::6].ravel()  # far enough apart to be independent
            test = stats.kstest(found, stats.norm(params.tissue[n], params.widths[n]).cdf)
            assert test.pvalue > 1e-3, (seed, n)
