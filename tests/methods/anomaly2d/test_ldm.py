"""Equations, ways back and phases of latent diffusion."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

import sanum
from sanum.learn.loop import TrainingStopped
from sanum.learn.overrides import override
from sanum.methods.anomaly2d.ldm.loss import autoencoder_loss, kl_from_standard
from sanum.methods.anomaly2d.ldm.recipe import LDM
from sanum.methods.anomaly2d.ldm.standard import LEAST, PRIOR, tables_of
from sanum.methods.common.findings import Validation
from sanum.methods.common.squares import stack_of

pytest.importorskip("monai")

TINY = (
    "picture.size=16",
    "pooling.kind=own",
    "autoencoder_widths=4,8",
    "unet_widths=8,8",
    "sampler_steps=10",
    "starts=300,100",
    "autoencoder_steps=3",
    "loop.steps=6",
    "loop.save_every=2",
    "batch_size=4",
    "validate_every=2",
)
SMALL = override(LDM, TINY)
DRAWN = torch.Generator().manual_seed(0)
IMAGE = torch.rand(3, 1, 16, 16, generator=DRAWN) * 2 - 1
VALID = torch.ones(3, 1, 16, 16)


@pytest.fixture
def net():
    torch.manual_seed(0)
    made = SMALL.build(1).eval()
    for p in made.unet.parameters():  # its last layers begin as zeros: then it would find no noise anywhere
        p.data = 0.05 * torch.randn_like(p)
    return made


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, 20, 18), dtype=np.uint8)


def test_the_schedule_is_that_of_the_paper(net):
    betas = np.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2
    np.testing.assert_allclose(net.scheduler.alphas_cumprod, np.cumprod(1 - betas), rtol=1e-4)


def test_with_the_true_noise_the_way_back_inverts_the_noising(net, monkeypatch):
    """The U-Net is replaced by one that knows z; both ways come back to what the autoencoder makes of it."""
    net.scale.fill_(0.7)
    latent = net.latent_of(IMAGE)

    def knowing(noisy, times):
        share = net.scheduler.alphas_cumprod[times][:, None, None, None]
        return (noisy - share**0.5 * latent.repeat(len(noisy) // 3, 1, 1, 1)) / (1 - share) ** 0.5

    monkeypatch.setattr(net.unet, "forward", knowing)
    made = net.restored(IMAGE)
    expected = net.autoencoder.reconstruct(IMAGE).clamp(-1, 1)
    assert made.shape == (3, 2, 1, 16, 16)
    torch.testing.assert_close(made, expected[:, None].expand_as(made), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(net.noised(latent, 0), _noised(net, latent, 300, net.noise[0]))
    back = knowing(net.noised(latent, 0), torch.full((3,), 300))
    torch.testing.assert_close(back, net.noise[0].expand_as(back), atol=1e-4, rtol=1e-4)


def _noised(net, latent, t, noise):
    share = float(net.scheduler.alphas_cumprod[t])
    return share**0.5 * latent + (1 - share) ** 0.5 * noise


def test_ways_that_go_together_are_those_that_go_alone(net):
    """By equation 12 of the DDIM paper, written out, one start and one image at a time."""
    alphas = net.scheduler.alphas_cumprod.double()
    made = net.restored(IMAGE)
    for place, start in enumerate(net.starts):
        for n, image in enumerate(IMAGE):
            z = _noised(net, net.latent_of(image[None]), start, net.noise[place])
            for t in range(start, -1, -100):
                found = net.unet(z, torch.tensor([t]))
                here, there = float(alphas[t]), float(alphas[t - 100]) if t >= 100 else 1.0
                clean = (z - (1 - here) ** 0.5 * found) / here**0.5
                z = there**0.5 * clean + (1 - there) ** 0.5 * found
            alone = net.autoencoder.decode(z / net.scale)[0].clamp(-1, 1)
            torch.testing.assert_close(made[n, place], alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(net.restored(IMAGE, [1])[:, 0], made[:, 1], atol=1e-5, rtol=1e-5)
    assert (made[:, 0] - made[:, 1]).abs().max() > 1e-3


def test_the_objectives(net):
    mu, sigma = torch.randn(5, 3, 2, 2, generator=DRAWN), torch.rand(5, 3, 2, 2, generator=DRAWN) + 0.1
    slow = kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(kl_from_standard(mu, sigma), slow)
    valid = VALID.clone()
    valid[:, :, 8:] = 0
    torch.manual_seed(1)
    value, terms = autoencoder_loss(net, IMAGE, valid, 0.5)
    torch.manual_seed(1)
    made, mu, sigma = net.autoencoder(IMAGE)
    torch.testing.assert_close(terms["l1"], (made - IMAGE)[:, :, :8].abs().mean().detach())
    torch.testing.assert_close(value - terms["l1"], 0.5 * kl_from_standard(mu, sigma).mean())
    net.scale.fill_(9.0)
    net.rescale(IMAGE.split(2))
    torch.testing.assert_close(net.latent_of(IMAGE).std(correction=0), torch.ones(()))


def test_tables_are_those_of_numpy():
    """With a place at which no image is valid, and one at which some are not."""
    rng = np.random.default_rng(0)
    errors, residuals = rng.random((7, 2)), rng.random((7, 2, 4, 4))
    valid = np.ones((7, 1, 4, 4))
    valid[:, :, 0, 0] = valid[:3, :, 1, 1] = 0
    parts = [tuple(torch.from_numpy(x[a:b]) for x in (errors, residuals, valid)) for a, b in ((0, 3), (3, 7))]
    found = tables_of(parts)
    np.testing.assert_allclose(found.error_mean, errors.mean(0))
    np.testing.assert_allclose(found.error_deviation, errors.std(0))
    for start in range(2):
        every = residuals[:, start][valid[:, 0] > 0]
        for place in ((0, 0), (1, 1), (2, 3)):
            here = residuals[valid[(slice(None), 0, *place)] > 0, start][(slice(None), *place)]
            mean = (here.sum() + PRIOR * every.mean()) / (len(here) + PRIOR)
            variance = (((here - mean) ** 2).sum() + PRIOR * every.var()) / (len(here) + PRIOR)
            np.testing.assert_allclose(found.residual_mean[(start, *place)], mean)
            np.testing.assert_allclose(found.residual_deviation[(start, *place)], variance**0.5)
    (one,) = [tables_of([tuple(x[:1] for x in parts[0])])]
    np.testing.assert_allclose(one.error_deviation, LEAST * errors[0])


@pytest.fixture(scope="module")
def fitted():
    validation = Validation(pictures(8, seed=2), [0] * 5 + [1] * 3)
    return sanum.load("ldm").with_settings(*TINY).fit(pictures(9), validation=validation)


def test_scores_are_z_scores_over_the_normals_held_out(fitted):
    held = stack_of(pictures(8, seed=2)[:5], fitted.config)
    valid = held.valid[:, None].float()
    with torch.no_grad():
        errors, residuals = fitted.net.compared(held.pixels * 2 - 1, valid)
    z = (errors - errors.mean(0)) / errors.std(0, correction=0)
    scores = fitted.score(pictures(8, seed=2)[:5])
    np.testing.assert_allclose(scores, z.mean(1), atol=1e-3)
    assert abs(scores.mean()) < 1e-3
    torch.testing.assert_close(fitted.net.residual_mean.shape, residuals.shape[1:])
    free = [row["normal_score"] for row in fitted.history]
    assert min(free) > 0.1  # the error of the noise: the mean score of these normals is 0 by construction
    latents = fitted.net.latent_of(stack_of(pictures(9), fitted.config).pixels * 2 - 1)
    torch.testing.assert_close(latents.std(correction=0).detach(), torch.ones(()), atol=1e-3, rtol=1e-3)


def test_a_score_is_one_of_an_image_whoever_stands_beside_it(fitted):
    every, before = fitted.score(pictures(20, seed=4)), torch.get_num_threads()
    np.testing.assert_array_equal(fitted.score(pictures(20, seed=4)), every)
    np.testing.assert_allclose(fitted.score(pictures(20, seed=4)[::-1])[::-1], every, atol=1e-3)
    assert torch.get_num_threads() == before


def test_a_fit_that_was_stopped_while_the_unet_learned_goes_on(fitted, tmp_path):
    validation = Validation(pictures(8, seed=2), [0] * 5 + [1] * 3)

    def stop(now):
        if now.step == 5:
            raise TrainingStopped("here")

    one = sanum.load("ldm").with_settings(*TINY)
    with pytest.raises(TrainingStopped):
        one.fit(pictures(9), validation=validation, folder=tmp_path, on_step=stop)
    one.fit(pictures(9), validation=validation, folder=tmp_path)
    np.testing.assert_array_equal(one.score(pictures(4)), fitted.score(pictures(4)))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("starts=150", r"starts are multiples of 100, above 0 and below 1000, got \(150,\)"),
        ("starts=100,100", "starts differ from each other"),
        ("sampler_steps=7", "noise_steps must be a multiple of sampler_steps, got 1000 and 7"),
        ("autoencoder_steps=6", "autoencoder_steps is 6 of 6 steps: leave some to the U-Net"),
        ("latent=0", "autoencoder_steps, latent and sampler_steps must be at least 1"),
        ("picture.size=18", r"picture\.size is 18 and is halved"),
    ],
)
def test_settings_that_do_not_fit_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        override(SMALL, [setting]).build(1)
