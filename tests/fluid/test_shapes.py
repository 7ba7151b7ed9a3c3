import numpy as np
import pytest

from sanum.fluid import bank_shape, ellipsoid_shape, noise_shape
from sanum.fluid.shapes import soften

DOMAIN = np.ones((20, 22, 18), bool)
DOMAIN[:4] = False


def shape(percentile=90.0, softness=0.7, seed=0):
    return noise_shape(
        DOMAIN,
        rng=np.random.default_rng(seed),
        percentile=percentile,
        periods=(3, 3, 3),
        softness_vox=softness,
    )


def test_between_0_and_1_inside_the_domain():
    p0 = shape()
    assert p0.min() == 0
    assert p0.max() == 1
    assert (p0[~DOMAIN] == 0).all()


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0])
def test_percentile_is_the_share_left_out(percentile):
    p0 = shape(percentile, softness=0.0)
    assert set(np.unique(p0)) == {0.0, 1.0}
    assert p0.sum() / DOMAIN.sum() == pytest.approx(1 - percentile / 100, abs=2e-3)


def test_seed_decides():
    assert np.array_equal(shape(seed=1), shape(seed=1))
    assert not np.array_equal(shape(seed=1), shape(seed=2))


def test_soften_an_empty_mask_is_empty():
    assert not soften(np.zeros(DOMAIN.shape, bool), DOMAIN, 1.0).any()


def test_soften_leaves_a_border_between_0_and_1():
    mask = np.zeros(DOMAIN.shape, bool)
    mask[8:14, 8:14, 6:12] = True
    soft = soften(mask, DOMAIN, 1.0)
    assert soft.max() == 1
    assert ((soft > 0) & (soft < 1)).any()
    assert not soften(mask, ~mask, 0.0).any()


def test_bad_input():
    with pytest.raises(ValueError, match="domain"):
        noise_shape(np.zeros((4, 4, 4), bool), rng=np.random.default_rng(0), percentile=90, periods=(1, 1, 1))
    for q in (0, 100, -3):
        with pytest.raises(ValueError, match="percentile"):
            shape(q)


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 24)])
def test_an_ellipsoid_has_its_volume_and_place(shape):
    n = len(shape)
    centre, radii = [k / 2 for k in shape], [6.0, 9.0, 5.0][:n]
    p0 = ellipsoid_shape(np.ones(shape, bool), centre_vox=centre, radii_vox=radii)
    volume = np.prod(radii) * (np.pi if n == 2 else 4 / 3 * np.pi)
    assert (p0 > 0.5).sum() == pytest.approx(volume, rel=0.08)
    places = np.argwhere(p0 > 0.5).mean(0)
    np.testing.assert_allclose(places, centre, atol=0.1)
    assert p0.max() == 1


def test_an_ellipsoid_stays_inside_the_domain():
    p0 = ellipsoid_shape(DOMAIN, centre_vox=(4, 10, 9), radii_vox=(5, 5, 5))
    assert p0.max() == 1
    assert not p0[~DOMAIN].any()
    with pytest.raises(ValueError, match="no voxel inside the domain"):
        ellipsoid_shape(DOMAIN, centre_vox=(0, 10, 9), radii_vox=(2, 2, 2))
    for name, bad in (
        ("centre_vox", {"centre_vox": (4, 10), "radii_vox": (5, 5, 5)}),
        ("radii_vox", {"centre_vox": (4, 10, 9), "radii_vox": (5, 0, 5)}),
    ):
        with pytest.raises(ValueError, match=f"{name} must be 3"):
            ellipsoid_shape(DOMAIN, **bad)


def test_the_bank_gives_each_of_its_masks_and_their_flips():
    masks = [np.zeros((8, 6), np.float32) for _ in range(2)]
    masks[0][1, 2] = masks[1][5, 4] = 1
    seen = {
        tuple(
            np.argwhere(
                bank_shape(
                    np.ones((8, 6), bool), masks, rng=np.random.default_rng(s), flip_axis=0, softness_vox=0
                )
            )[0]
        )
        for s in range(40)
    }
    assert seen == {(1, 2), (6, 2), (5, 4), (2, 4)}


def test_a_bad_bank():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="bank is empty"):
        bank_shape(DOMAIN, [], rng=rng)
    with pytest.raises(ValueError, match="mask 0 has shape"):
        bank_shape(DOMAIN, [np.ones((3, 3, 3))], rng=rng)
    with pytest.raises(ValueError, match="no voxel inside the domain"):
        bank_shape(DOMAIN, [~DOMAIN], rng=rng)
