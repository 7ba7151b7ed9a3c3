"""Steps of diffusion against what is known, and the two translators that are made of them."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from monai.networks.schedulers.ddim import DDIMScheduler

import sanum
from sanum.methods.common.diffusion import (
    clean_of,
    cosine_shares,
    ddim_step,
    noised,
    posterior,
    preserving_shares,
    times_back,
)
from sanum.methods.common.translator import Translator
from sanum.methods.translation.ddim.loss import diffusion_loss
from sanum.methods.translation.ddim.model import ConditionalDiffusion, without_scan
from sanum.methods.translation.syndiff.loss import passing_loss, telling_loss
from sanum.methods.translation.syndiff.model import SynDiffNet

from .conftest import NETS, made_pair


@pytest.fixture
def draw():
    """Normal images, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator)


def tiny(steps, **more):
    torch.manual_seed(0)
    net = ConditionalDiffusion(2, 1, (4, 8), steps, attention=False, **{"finds_noise": False, **more})
    torch.nn.init.normal_(net.unet.out[-1].conv.weight)  # MONAI's begins at 0
    return net.eval()


@pytest.mark.parametrize("times", [(1000, 600), (400, 399), (37, 0)])
def test_a_step_with_the_true_image_or_noise_is_less_noise(draw, times):
    shares = cosine_shares(1000)
    clean, noise = draw(2, 1, 5, 5).clamp(-1, 1), draw(2, 1, 5, 5)
    share, later = (shares[t] for t in times)
    now = noised(clean, noise, share)
    torch.testing.assert_close(ddim_step(now, clean, share, later), noised(clean, noise, later))
    if times[0] < 1000:
        torch.testing.assert_close(clean_of(now, noise, share), clean, rtol=0, atol=1e-4)
    if times[1] == 0:
        torch.testing.assert_close(ddim_step(now, clean, share, later), clean)


def test_the_whole_way_with_the_true_image_keeps_the_noise_and_its_sign(draw):
    clean, noise = draw(1, 1, 8, 8).clamp(-1, 1), draw(1, 1, 8, 8)
    shares, times, now = cosine_shares(100), times_back(100, 7), noise
    for t, s in pairwise(times):
        now = ddim_step(now, clean, shares[t], shares[s])
        torch.testing.assert_close(now, noised(clean, noise, shares[s]), rtol=0, atol=1e-5)


def test_a_step_is_that_of_another_implementation(draw):
    theirs = DDIMScheduler(10, "scaled_linear_beta", clip_sample=False, prediction_type="sample")
    theirs.set_timesteps(5)
    clean, now = draw(1, 1, 4, 4), draw(1, 1, 4, 4)
    shares = theirs.alphas_cumprod
    torch.testing.assert_close(ddim_step(now, clean, shares[8], shares[6]), theirs.step(clean, 8, now)[0])


def test_shares_fall_from_one_to_nothing():
    for shares in (cosine_shares(50), preserving_shares(50)):
        assert shares[0] == 1
        assert (shares.diff() < 0).all()
        assert 0 <= shares[-1] < 1e-4
    assert float(cosine_shares(1)[1]) == pytest.approx(0, abs=1e-20)
    assert float(cosine_shares(1, 0.999)[1]) == pytest.approx(0.001)
    assert float(preserving_shares(4)[2]) == pytest.approx(math.exp(-0.05 - 19.9 / 8))
    assert times_back(1000, 1) == [1000, 0]


def test_the_step_back_is_the_gaussian_by_hand(draw):
    """Of x_s ~ N(√ᾱ_s x_0, 1 − ᾱ_s) and x_t | x_s ~ N(√a x_s, 1 − a), by completing the square."""
    share, later, clean, now = torch.tensor(0.2), torch.tensor(0.8), torch.tensor([0.5]), torch.tensor([-1.0])
    a = 0.2 / 0.8
    precision = 1 / (1 - 0.8) + a / (1 - a)
    by_hand = (math.sqrt(0.8) * 0.5 / (1 - 0.8) + math.sqrt(a) * -1.0 / (1 - a)) / precision
    mean, deviation = posterior(now, clean, share, later)
    assert float(mean) == pytest.approx(by_hand, rel=1e-5)
    assert float(deviation) == pytest.approx(precision**-0.5, rel=1e-5)
    mean, deviation = posterior(now, clean, share, torch.tensor(1.0))  # to the image itself
    assert (float(mean), float(deviation)) == (0.5, 0)
    net = SynDiffNet((4, 8), (4, 4, 4, 4, 8, 4), (4, 2), 4, attention=False)
    torch.manual_seed(0)
    target, times = torch.full((20_000, 1, 1, 1), 0.5), torch.full((20_000,), 2)
    noisy = net.noisy(target, times)
    again = net.stepped(noisy.now, target, times)  # with the true image: as likely as what it came from
    for made in (noisy.before, again):
        assert float(made.mean()) == pytest.approx(math.sqrt(net.shares[1]) * 0.5, abs=0.02)
        assert float(made.var()) == pytest.approx(1 - float(net.shares[1]), abs=0.02)
    both = [
        torch.corrcoef(torch.stack([noisy.now.flatten(), x.flatten()]))[0, 1] for x in (noisy.before, again)
    ]
    assert float(both[0]) == pytest.approx(float(both[1]), abs=0.02)


def test_one_step_of_one_is_regression(draw):
    net, source, target, noise = tiny(1), draw(2, 1, 8, 8), draw(2, 1, 8, 8).clamp(-1, 1), draw(2, 1, 8, 8)
    once, none = torch.ones(2, dtype=torch.long), torch.zeros(2, dtype=torch.bool)
    guess = net(noise, source, once)
    torch.testing.assert_close(net.sample(source, noise, 1, 0.0), guess.clamp(-1, 1))
    loss = diffusion_loss(net, source, target, once, noise, none)
    torch.testing.assert_close(loss, (guess - target).abs().mean())  # the target is not in what is seen


def test_noise_is_found_or_the_image_and_scans_left_out(draw):
    source, target, noise = draw(2, 1, 8, 8), draw(2, 1, 8, 8).clamp(-1, 1), draw(2, 1, 8, 8)
    net, times = tiny(10, finds_noise=True), torch.tensor([3, 7])
    now = noised(target, noise, net.shares[times])
    first = torch.tensor([True, False])
    seen = torch.cat([without_scan(source[:1]), source[1:]])
    by_hand = (net(now, seen, times) - noise).abs().mean()
    torch.testing.assert_close(diffusion_loss(net, source, target, times, noise, first), by_hand)
    net.forward = lambda now, source, times: noise  # the true noise: the true image
    torch.testing.assert_close(net.clean(now[:1], source[:1], 3, 0.0)[0], target[0], rtol=0, atol=1e-5)
    net = tiny(10)
    with_scan, without = (net(now, x, torch.full((2,), 3)) for x in (source, without_scan(source)))
    torch.testing.assert_close(net.clean(now, source, 3, 0.5), (1.5 * with_scan - 0.5 * without).clamp(-1, 1))


def test_losses_of_judges_on_constants():
    assert float(passing_loss(torch.zeros(4))) == pytest.approx(math.log(2))
    real, made = torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)

    def judge(x):
        return 3 * x.flatten(1).sum(1)

    plain = math.log1p(math.exp(-12)) + math.log(2)
    assert float(telling_loss(judge, real, made, 0.0)) == pytest.approx(plain, rel=1e-5)
    assert float(telling_loss(judge, real, made, 1.0).detach()) == pytest.approx(plain + 9 * 4 / 2, rel=1e-5)


def test_samples_differ_by_their_seed_alone(fitted):
    scan = made_pair(0, (32, 32, 3)).source
    for method in ("ddim", "syndiff"):
        translator = fitted(method)
        one, other, again = (translator.translate(scan, samples=1, seed=n).image.voxels for n in (1, 2, 1))
        assert (one == again).all()
        assert abs(one - other).max() > 0
        made = translator.translate(scan)
        assert made.spread_of == "2 samples, of seeds 1 to 2"
        assert made.uncertainty.voxels.max() == pytest.approx(abs(one - other).max() / 2, rel=1e-4)


def test_how_many_patches_at_a_time_makes_no_difference(fitted):
    scan = made_pair(0, (40, 36, 3)).source
    for method in ("ddim", "syndiff"):
        some = fitted(method)
        one = Translator(replace(some.config, apply_batch=1))
        one.net, one.about = some.net, some.about
        found, expected = (x.translate(scan, samples=1).image.voxels for x in (one, some))
        np.testing.assert_allclose(found, expected, atol=0.5)  # of a range of 600


def test_settings_that_do_not_fit_are_refused():
    for method, setting, about in (
        ("ddim", "sampler_steps=2000", "sampler_steps must be 1 to noise_steps"),
        ("ddim", "guidance=1", "needs a network that learned without scans"),
        ("ddim", "drop=1", "drop must be at least 0 and below 1"),
        ("regression", "mirror=2", "mirror is a share"),
        ("regression", "apply_batch=0", "apply_batch must be at least 1"),
        ("regression", "ct_range=5,5", "the smaller first"),
        ("regression", "per_vertebra=3", "per_vertebra is 1 or 2"),
        ("syndiff", "noise_steps=0", "noise_steps must be at least 1"),
        ("syndiff", "pairing=paired", "syndiff learns from unpaired scans"),
    ):
        with pytest.raises(ValueError, match=about):
            sanum.load(method).with_settings(setting)
    with pytest.raises(ValueError, match="syndiff is of slices"):
        sanum.load("syndiff").with_settings("dims=3")
    with pytest.raises(ValueError, match=r"multiples of 8, got \(60, 64\)"):
        sanum.load("ddim").with_settings("patch=60,64").config.build()


def test_volumes_are_drawn_in_patches(tmp_path):
    small = ("loop.steps=1", "batch_size=1", "patch=16,16,16", "samples=1", "overlap=0", *NETS["ddim"])
    deep = made_pair(0, (18, 16, 16))
    translator = sanum.load("ddim-3d").with_settings(*small).fit([deep], folder=tmp_path)
    made = translator.translate(deep.source)
    assert made.image.grid.same_as(deep.source.grid)
    assert translator.learned.unet.conv_in.conv.in_channels == 5  # noise, scan, and where it lies
