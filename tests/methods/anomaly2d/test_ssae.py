"""Equations of the scale-space autoencoder."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from sanum.methods.anomaly2d.ssae.loss import errors_by_scale, objective
from sanum.methods.anomaly2d.ssae.model import Ssae
from sanum.methods.anomaly2d.ssae.pyramid import bands, collapsed, doubled, gaussians
from sanum.methods.anomaly2d.ssae.recipe import RECIPES, SSAE

IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
WIDTHS = (4, 4, 8, 8, 8)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_pyramid_gives_the_image_back(levels):
    images = gaussians(IMAGE, levels)
    made = collapsed(bands(images), images[-1])
    assert [x.shape[2] for x in images] == [64 >> k for k in range(levels + 1)]
    for one, other in zip(images, made, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_a_level_is_a_blurred_image_at_half_the_side():
    """By SciPy's Gaussian over five pixels; at half the side, interpolation is the mean of four pixels."""
    fine, coarse = gaussians(IMAGE, 1)
    for b in range(2):
        slow = ndimage.gaussian_filter(fine[b, 0].numpy(), 1.1, radius=2, mode="mirror")
        means = slow.reshape(32, 2, 32, 2).mean((1, 3))
        torch.testing.assert_close(coarse[b, 0], torch.from_numpy(means), atol=1e-5, rtol=0)


def test_doubling_keeps_a_plane():
    rows = torch.linspace(0, 1, 16)[None, None, :, None].expand(1, 1, 16, 16)
    step = 1 / 15
    found = doubled(rows)[0, 0, 2:-2, 5]
    torch.testing.assert_close(found.diff(), torch.full((27,), step / 2), atol=1e-6, rtol=0)


def test_bands_go_through_networks_that_end_in_the_same_place():
    net = Ssae(3, 64, WIDTHS).eval()
    images = gaussians(IMAGE, 3)
    for network, band in zip(net.nets, bands(images), strict=True):
        assert network[0](band).shape[2:] == (2, 2)
        assert network(band).shape == band.shape


def test_what_comes_out_is_put_together_from_coarse_to_fine():
    torch.manual_seed(0)
    net = Ssae(3, 64, WIDTHS).eval()
    images, made = net(IMAGE)
    band = bands(images)
    r2 = net.nets[2](band[2]) + F.interpolate(images[3], scale_factor=2, mode="bilinear")
    r1 = net.nets[1](band[1]) + F.interpolate(r2, scale_factor=2, mode="bilinear")
    r0 = net.nets[0](band[0]) + F.interpolate(r1, scale_factor=2, mode="bilinear")
    for expected, found in zip((r0, r1, r2, images[3]), made, strict=True):
        torch.testing.assert_close(found, expected)


def test_the_rest_passes_unless_it_is_encoded():
    torch.manual_seed(0)
    images, made = Ssae(3, 64, WIDTHS).eval()(IMAGE)
    assert torch.equal(images[3], made[3])
    images, made = Ssae(3, 64, WIDTHS, encode_lowpass=True).eval()(IMAGE)
    assert not torch.allclose(images[3], made[3], atol=0.01)


def test_the_objective_is_the_weighted_sum_of_the_scales():
    images = gaussians(IMAGE, 3)
    made = [x + 0.1 * (k + 1) for k, x in enumerate(images)]
    valid = torch.ones(2, 1, 64, 64)
    value, terms = objective(images, made, valid, (1.0, 2.0, 0.5))
    assert value.item() == pytest.approx(0.01 + 2 * 0.04 + 0.5 * 0.09, rel=1e-4)
    assert sum(terms.values()).item() == pytest.approx(value.item())


def test_what_is_not_valid_has_no_error():
    images = gaussians(IMAGE, 3)
    valid = torch.ones(2, 1, 64, 64)
    valid[..., :32] = 0
    wrong = [x.clone() for x in images]
    for x in wrong:
        x[..., : x.shape[3] // 2] += 9
    assert torch.stack(errors_by_scale(images, wrong, valid, 3)).abs().max() == 0


@pytest.mark.parametrize("name", RECIPES)
def test_score_and_map(name):
    recipe = replace(RECIPES[name], widths=WIDTHS)
    torch.manual_seed(0)
    net = recipe.build(3).eval()
    valid = torch.ones(2, 64, 64, dtype=torch.bool)
    maps, scores = recipe.respond(net, IMAGE, valid)
    images, made = net(IMAGE)
    count = 4 if recipe.encode_lowpass else 3
    pairs = zip(images[:count], made, strict=False)
    slow = sum((one - other).square().mean((1, 2, 3)) for one, other in pairs)
    torch.testing.assert_close(scores, slow)
    assert maps.shape == (2, 64, 64)
    if name == "ssae-faithful":
        torch.testing.assert_close(maps, (images[0] - made[0]).abs().mean(1))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"picture\.size is 40 with 5 widths"):
        Ssae(1, 40, WIDTHS)
    with pytest.raises(ValueError, match="expected at least 5 widths"):
        Ssae(1, 64, WIDTHS[:4], encode_lowpass=True)
    with pytest.raises(ValueError, match="scale_weights has one number for each of 3 bands"):
        replace(SSAE, scale_weights=(1.0,))
