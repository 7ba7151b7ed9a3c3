from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from sanum.space.grid import apply_affine
from sanum.synth.anatomy import read_mask_on
from sanum.synth.anomaly import ShapeParams, draw_shape, grow, grow_in, territory
from sanum.synth.look import LookParams, apply_look, draw_look

NOISE = ShapeParams(None, False, 96.0, 4.0, 0.3, 10.0, 1.0, 5)
LOOK = LookParams(shift=0.5, against_rule=False, texture=0.0, smoothness_mm=2.0, seed=0)


def centre_of(p, anatomy):
    return apply_affine(anatomy.grid.affine, ndimage.center_of_mass(p))


def check_anomaly(p, anatomy):
    assert p.max() == 1
    assert p.min() >= 0
    assert (p[~anatomy.brain] == 0).all()


def test_noise_grows_inside_the_brain(anatomy):
    for seed in range(3):
        check_anomaly(grow(anatomy, replace(NOISE, seed=seed)), anatomy)


def test_seed_decides(anatomy):
    one, again, other = (grow(anatomy, p) for p in (NOISE, NOISE, replace(NOISE, seed=6)))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_mask_lands_where_mni_says_and_flips(anatomy, lesion_mask):
    right, left = (read_mask_on(lesion_mask, anatomy, flip=f) for f in (False, True))
    np.testing.assert_allclose(centre_of(right, anatomy), [40, -6, 10], atol=1.5)
    np.testing.assert_allclose(centre_of(left, anatomy), [-40, -6, 10], atol=1.5)
    volume_ml = right.sum() * anatomy.grid.voxel_volume_ml
    assert volume_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.1)


def test_a_mask_grows_and_moves(anatomy, lesion_mask):
    params = replace(NOISE, mask=str(lesion_mask), duration=1.0)
    p = grow(anatomy, params)
    check_anomaly(p, anatomy)
    assert np.linalg.norm(centre_of(p, anatomy) - [40, -6, 10]) < 25
    assert np.abs(p - grow(anatomy, replace(params, duration=0.2))).max() > 0.05


def test_a_mask_outside_of_the_brain_is_an_error(anatomy, lesion_mask):
    empty = replace(anatomy, brain=np.zeros_like(anatomy.brain))
    empty.brain[2:4, 2:4, 2:4] = True
    with pytest.raises(ValueError, match="sub-phantom"):
        grow(empty, replace(NOISE, mask=str(lesion_mask)))


def test_draws_follow_the_paper(lesion_mask):
    drawn = [draw_shape(np.random.default_rng(s), [lesion_mask]) for s in range(300)]
    assert np.mean([d.mask is not None for d in drawn]) == pytest.approx(0.5, abs=0.1)
    assert {round(d.duration, 6) for d in drawn} == {round(0.1 * n, 6) for n in range(2, 11)}
    assert all(90 <= d.percentile <= 99.6 for d in drawn)
    assert draw_shape(np.random.default_rng(0), []).mask is None
    looks = [draw_look(np.random.default_rng(s)) for s in range(300)]
    assert np.mean([x.against_rule for x in looks]) == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize(
    ("white", "grey", "ct", "sign"), [(1.0, 0.6, False, -1), (0.4, 0.6, False, 1), (0.4, 0.45, True, -1)]
)
def test_sign_of_the_shift(white, grey, ct, sign):
    image = np.full((12, 12, 12), 0.7, np.float32)
    p = np.zeros(image.shape, np.float32)
    p[4:8, 4:8, 4:8] = 1
    for against in (False, True):
        look = replace(LOOK, against_rule=against)
        change = apply_look(image, p, white, grey, look, preset="ct" if ct else "free") - image
        size = 0.5 * white
        if ct:  # in HU / 80
            size = (30 if against else 16) / 80
        expected = (-sign if against else sign) * size
        np.testing.assert_allclose(change[p == 1], max(expected, -0.7), atol=1e-6)
        assert not change[p == 0].any()


def test_the_shift_is_weighted_by_p():
    image = np.full((8, 8, 8), 0.9, np.float32)
    p = np.linspace(0, 1, 512, dtype=np.float32).reshape(image.shape)
    change = apply_look(image, p, 1.0, 0.6, LOOK) - image
    np.testing.assert_allclose(change, -0.5 * p, atol=1e-3)


def test_texture_is_relative_to_the_shift():
    image = np.full((32, 32, 32), 2.0, np.float32)
    change = apply_look(image, np.ones_like(image), 1.0, 0.6, replace(LOOK, texture=0.3)) - image
    assert change.mean() == pytest.approx(-0.5, abs=0.03)
    assert change.std() == pytest.approx(0.15, rel=0.01)


def test_voxelwise_is_the_papers_formula():
    """ΔI ~ N(−μw/2, (μw/2)²) in every voxel, independently; the shift that was drawn does not matter."""
    image = np.full((40, 40, 40), 9.0, np.float32)
    look = replace(LOOK, kind="voxelwise", shift=0.9, texture=0.3)
    change = apply_look(image, np.ones_like(image), 2.0, 1.6, look) - image
    assert change.mean() == pytest.approx(-1.0, abs=0.02)
    assert change.std() == pytest.approx(1.0, abs=0.02)
    assert abs(np.corrcoef(change[1:].ravel(), change[:-1].ravel())[0, 1]) < 0.02


def test_air_stays_air():
    image = np.full((8, 8, 8), -12.5, np.float32)  # −1000 HU / 80
    image[4:] = 0.1
    out = apply_look(image, np.ones_like(image), 0.4, 0.45, replace(LOOK, shift=0.9), preset="ct")
    assert out.min() >= -12.5
    assert (out[4:] == 0).all()


@pytest.mark.parametrize("tissue", ["white", "cortex", "left", "right"])
def test_it_stays_in_its_tissue(anatomy, tissue):
    domain = territory(anatomy, tissue)
    assert 0.05 < domain.sum() / anatomy.brain.sum() < 0.7
    p = grow(anatomy, replace(NOISE, tissue=tissue))
    assert p.max() == 1
    assert not p[~domain].any()


def test_tissues_are_what_they_are_called(anatomy):
    _, grey, white = anatomy.tissue_means
    for tissue, level in (("white", white), ("cortex", grey)):
        assert np.median(anatomy.t1w[territory(anatomy, tissue)]) == pytest.approx(level, abs=0.05)
    left, right = territory(anatomy, "left"), territory(anatomy, "right")
    assert not (left & right).any()
    assert ((left | right) == anatomy.brain).all()
    assert centre_of(right, anatomy)[0] > 10 > -10 > centre_of(left, anatomy)[0] - 12
    with pytest.raises(ValueError, match='unknown tissue "bone": known are brain'):
        territory(anatomy, "bone")


def test_it_stays_within_a_mask(anatomy):
    """A vascular-like territory: any mask."""
    within = np.zeros_like(anatomy.brain)
    within[:, : within.shape[1] // 2] = True
    p = grow(anatomy, replace(NOISE, tissue="left"), within=within)
    assert p.max() == 1
    assert not p[~(within & territory(anatomy, "left"))].any()
    with pytest.raises(ValueError, match="sub-phantom"):
        grow(anatomy, NOISE, within=np.zeros_like(within))


def test_it_grows_in_a_plane():
    domain = np.ones((60, 50), bool)
    p = grow_in(domain, (1.0, 1.0), NOISE)
    assert p.shape == (60, 50)
    assert p.max() == 1


def test_no_anomaly_no_change():
    image = np.random.default_rng(0).random((6, 6, 6)).astype(np.float32)
    assert np.array_equal(apply_look(image, np.zeros_like(image), 1.0, 0.6, LOOK), image)
