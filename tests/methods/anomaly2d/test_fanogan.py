"""Equations, layers and phases of f-AnoGAN."""

import io
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sanum
from sanum.learn.loop import StepWentWrong, TrainingStopped
from sanum.methods.anomaly2d.fanogan.loss import (
    critic_loss,
    encoder_loss,
    feature_error,
    generator_loss,
    gradient_penalty,
)
from sanum.methods.anomaly2d.fanogan.model import Critic, Design, FAnoGan
from sanum.methods.anomaly2d.fanogan.recipe import FANOGAN, RECIPES
from sanum.methods.common.backbone import pretrained
from sanum.methods.common.findings import Validation
from sanum.methods.common.likeness import photograph_features, sheet_of
from sanum.scan.picture import picture_of
from sanum.scan.picture_conform import conform

DRAWN = torch.Generator().manual_seed(0)
REAL, FAKE = (torch.rand(5, 2, 16, 16, generator=DRAWN) * 2 - 1 for _ in range(2))
MIX = torch.rand(5, generator=DRAWN)
CODE = torch.randn(5, 6, generator=DRAWN)
VALID = torch.ones(5, 1, 16, 16)
SMALL = Design((4, 8), (8, 4), code=6, dropout=0.0)
TINY = (
    "picture.size=16",
    "widths=4,8",
    "generator_widths=8,4",
    "code=6",
    "batch_size=6",
    "gan_steps=4",
    "loop.steps=12",
    "loop.save_every=100",
    "validate_every=2",
)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return FAnoGan(2, 16, SMALL).eval()


def images(count, channels=1, seed=0):
    shape = (count, 20, 18) if channels == 1 else (count, channels, 20, 18)
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def tiny(*settings):
    return sanum.load("fanogan").with_settings(*TINY, *settings)


def test_the_penalty_of_a_linear_critic_is_exact():
    weight = torch.randn(2 * 16 * 16, dtype=torch.float64, generator=DRAWN, requires_grad=True)
    real, fake = REAL.double(), FAKE.double()
    found = gradient_penalty(lambda x: x.flatten(1) @ weight, real, fake, MIX.double())
    torch.testing.assert_close(found, (weight.norm() - 1) ** 2, rtol=1e-12, atol=0)
    (slope,) = torch.autograd.grad(found, weight)
    torch.testing.assert_close(slope, (2 * (weight.norm() - 1) * weight / weight.norm()).detach())


def test_the_penalty_is_one_of_each_image_over_all_its_axes():
    """D(x) = |x|² / 2 has the gradient x."""
    found = gradient_penalty(lambda x: x.square().flatten(1).sum(1) / 2, REAL, FAKE, MIX)
    rows = []
    for real, fake, a in zip(REAL, FAKE, MIX, strict=True):
        rows.append(((a * real + (1 - a) * fake).norm() - 1) ** 2)
    torch.testing.assert_close(found, torch.stack(rows).mean())


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_an_image_has_its_own_criticism_whoever_else_is_in_the_batch(norm):
    torch.manual_seed(0)
    critic = Critic(2, 16, replace(SMALL, norm=norm)).train()
    torch.testing.assert_close(critic(REAL)[:1], critic(REAL[:1]))
    whole = gradient_penalty(critic, REAL, FAKE, MIX)
    single = [gradient_penalty(critic, REAL[n : n + 1], FAKE[n : n + 1], MIX[n : n + 1]) for n in range(5)]
    torch.testing.assert_close(whole, torch.stack(single).mean())
    batch = Critic(2, 16, replace(SMALL, norm="batch")).train()
    assert not torch.allclose(batch(REAL)[:1], batch(REAL[:1]), atol=1e-4)


def test_only_a_faithful_critic_has_batch_norm():
    for name, recipe in RECIPES.items():
        found = any(isinstance(part, nn.BatchNorm2d) for part in recipe.build(1).critic.modules())
        assert found == name.endswith("-faithful")


def test_the_networks_of_fundus_photographs_are_those_of_the_study():
    recipe = RECIPES["fanogan-fundus-faithful"]
    net = recipe.build(2).eval()
    image = torch.zeros(1, 2, 256, 256)
    assert net(image).shape == image.shape
    assert net.critic.features(image).shape == (1, 8192)
    doubled = [x for x in net.generator.layers if isinstance(x, nn.ConvTranspose2d)]
    assert [x.out_channels for x in doubled] == [512, 256, 128, 64, 32, 16, 2]
    assert [x.out_channels for x in net.encoder if isinstance(x, nn.Conv2d)] == [16, 32, 64, 128, 256, 512]
    assert [x.out_features for x in net.critic.head if isinstance(x, nn.Linear)] == [256, 1]
    norms = [x for x in net.modules() if isinstance(x, nn.BatchNorm2d)]
    assert (len(norms), {x.momentum for x in norms}) == (6 + 2 * 5, {0.7})
    assert sum(isinstance(x, nn.AvgPool2d) for x in net.modules()) == 12
    critic, generator, encoder = recipe.turns()
    assert (critic.repeats, critic.end, generator.config.schedule) == (5, 10_000, "linear")
    assert (encoder.begin, recipe.loop.steps, recipe.loop.optimizer) == (10_000, 10_200, "adamw")
    square = conform(picture_of(np.random.default_rng(0).random((3, 57, 76))), recipe.picture)
    assert square.pixels.shape == (2, 256, 256)  # blue is dropped


def test_a_generator_is_looked_at_while_it_learns_and_when_it_stands_still():
    normals = images(14)
    one = tiny("validate_every=1").fit(normals)
    looks = [row for row in one.history if "fid" in row]
    assert [row["step"] for row in looks] == [1, 2, 3, 4]
    assert all(np.isfinite([row["fid"], row["kid"]]).all() for row in looks)
    facts = one.choices[one.choice].facts
    assert (facts["fid"], facts["kid"]) == (looks[-1]["fid"], looks[-1]["kid"])
    assert (facts["generated"], facts["normals"] + facts["normals_held_out"]) == (4, 14)
    made = one.generated(40)
    torch.testing.assert_close(made, one.generated(40), rtol=0, atol=0)
    assert made.shape == (40, 1, 16, 16)
    assert 0 <= made.min() < made.max() <= 1
    assert Image.open(io.BytesIO(sheet_of(one, normals))).size == (1036, 256)
    assert sanum.load("pca").generated(4) is None


def test_features_of_photographs_tell_an_image_from_another_and_see_each_channel():
    net = pretrained("a test")
    grey = torch.rand(3, 1, 20, 20, generator=DRAWN)
    two = photograph_features(net, grey.expand(-1, 2, -1, -1))
    one = photograph_features(net, grey)
    assert two.shape == (3, 2 * 1280)
    np.testing.assert_allclose(two[:, :1280], two[:, 1280:], atol=1e-5)
    np.testing.assert_allclose(one, two[:, :1280], atol=1e-5)
    assert np.abs(one[0] - one[1]).max() > 0.1


def test_the_objectives_of_the_gan(net):
    value, terms = critic_loss(net, REAL, CODE, MIX, 10.0)
    fake = net.generator(CODE).detach()
    away = net.critic(fake).mean() - net.critic(REAL).mean()
    torch.testing.assert_close(value, away + 10 * gradient_penalty(net.critic, REAL, fake, MIX))
    torch.testing.assert_close(terms["distance"], -away.detach())
    value.backward()
    assert all(p.grad is None for p in net.generator.parameters())
    assert all(p.grad is not None for p in net.critic.parameters())
    torch.testing.assert_close(generator_loss(net, CODE)[0], -net.critic(fake).mean())


def test_the_objectives_of_the_encoder(net):
    made = net.generator(net.encoder(REAL))
    image = (REAL - made).square().mean()
    features = (net.critic.features(REAL) - net.critic.features(made)).square().mean()
    code = (CODE - net.encoder(net.generator(CODE))).square().mean()
    for kind, slow in (("izi", image), ("izi_f", image + 0.5 * features), ("ziz", code)):
        value, terms = encoder_loss(net, REAL, VALID, CODE, kind, 0.5)
        torch.testing.assert_close(value, slow)
        torch.testing.assert_close(sum(terms.values()), value.detach())


def test_generator_and_critic_stand_still_while_the_encoder_learns(net):
    net.train()
    before = {name: x.clone() for name, x in net.state_dict().items() if not name.startswith("encoder")}
    encoder_loss(net, REAL, VALID, CODE, "izi_f", 1.0)[0].backward()
    assert all(torch.equal(x, net.state_dict()[name]) for name, x in before.items())
    assert not net.generator.training
    assert net.encoder.training


def test_what_is_not_valid_has_no_say_in_the_features(net):
    valid = VALID.clone()
    valid[..., :8] = 0
    other = REAL.clone()
    other[..., :8] = 5
    assert feature_error(net, REAL, other, valid).tolist() == [0] * 5


@pytest.mark.parametrize("score", ["both", "image", "code"])
def test_score_and_map(net, score):
    maps, found = replace(FANOGAN, score=score, kappa=0.5).respond(net, REAL, VALID[:, 0] > 0)
    made = net(REAL)
    torch.testing.assert_close(maps, (REAL - made).abs().mean(1))
    image = (REAL - made).square().mean((1, 2, 3))
    features = (net.critic.features(REAL) - net.critic.features(made)).square().mean(1)
    code = (net.encoder(REAL) - net.encoder(made)).square().mean(1)
    torch.testing.assert_close(found, {"both": image + 0.5 * features, "image": image, "code": code}[score])


def test_networks_and_steps_are_those_of_the_study():
    recipe = RECIPES["fanogan-faithful"]
    net = recipe.build(1)
    assert net.generator.dense(torch.zeros(2, 128)).shape == (2, 128, 16, 16)
    assert [x.out_channels for x in net.generator.layers if isinstance(x, nn.Conv2d)] == [128, 64, 1]
    assert net.critic.features(torch.zeros(2, 1, 64, 64)).shape == (2, 2048)
    assert [x.out_channels for x in net.encoder if isinstance(x, nn.Conv2d)] == [16, 32, 64, 128]
    assert net.encoder(torch.zeros(2, 1, 64, 64)).abs().max() <= 1
    critic, generator, encoder = recipe.turns()
    assert critic.repeats * critic.end == 10_000
    assert (generator.end, encoder.begin, recipe.loop.steps - encoder.begin) == (2_500, 2_500, 6_000)
    assert (critic.config.optimizer, critic.config.learning_rate) == ("rmsprop", 2e-4)
    assert (recipe.loop.optimizer, recipe.loop.learning_rate, recipe.loop.betas) == (
        "adam",
        2e-4,
        (0.5, 0.999),
    )
    assert (recipe.batch_size, recipe.penalty_weight, recipe.encode, recipe.kappa) == (30, 10, "izi_f", 1)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_of_some_channels(channels, tmp_path):
    one = tiny().fit(images(14, channels))
    path = one.save(tmp_path / "model.safetensors")
    others = images(3, channels, seed=1)
    again = sanum.load("fanogan", weights=path)
    np.testing.assert_array_equal(again.score(others), one.score(others))
    assert [m.shape for m in one.anomaly_map(others)] == [(20, 18)] * 3
    looks = [row["step"] for row in one.history if "normal_score" in row]
    assert looks == [6, 8, 10, 12]  # before, there is no encoder


@pytest.mark.parametrize("step", [2, 7])
def test_a_fit_that_was_stopped_goes_on_where_it_was(step, tmp_path):
    """While the GAN learns, and while the encoder does; the best states of before are not forgotten."""
    validation = Validation(images(6, seed=2), [0, 0, 0, 1, 1, 1])
    whole = tiny().fit(images(12), validation=validation)
    one = tiny()

    def stop(now):
        if now.step == step:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(TrainingStopped, match=f"stopped after step {step + 1} of 12; the same fit goes on"):
        one.fit(images(12), validation=validation, folder=tmp_path, on_step=stop)
    seen = []
    one.fit(images(12), validation=validation, folder=tmp_path, on_step=lambda now: seen.append(now.step))
    assert seen == list(range(step + 2, 13))
    assert one.history == whole.history
    for how in ("labels", "label-free"):
        np.testing.assert_array_equal(one.use(how).score(images(4)), whole.use(how).score(images(4)))
    with pytest.raises(ValueError, match="is of another recipe: pictures was"):
        tiny().fit(images(12, seed=5), validation=validation, folder=tmp_path)


def test_no_number_in_the_gan_stops_it_and_leaves_the_last_good_state(tmp_path):
    steps = []
    with pytest.raises(StepWentWrong, match=r"step (\d+) went wrong: critic: its loss is nan") as told:
        tiny("gan.learning_rate=1e30").fit(
            images(12), folder=tmp_path, on_step=lambda now: steps.append(now.step)
        )
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert f"step {state['step'] + 1} went wrong" in str(told.value)
    assert state["step"] == len(steps)
    assert all(torch.isfinite(x).all() for x in state["model"].values())
    assert f"{tmp_path / 'checkpoint.pt'}, the same fit goes on from there" in str(told.value)


def test_without_a_folder_a_step_gone_wrong_leaves_one_and_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(StepWentWrong, match=r"went wrong: critic: .* fit\(…, folder=…\) can go on") as told:
        tiny("gan.learning_rate=1e30").fit(images(12))
    (kept,) = tmp_path.glob("sanum-*/checkpoint.pt")
    assert str(kept) in str(told.value)
    shutil.rmtree(kept.parent)
    tiny().fit(images(12))
    assert not list(tmp_path.iterdir())


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="gan_steps is 12 of 12 steps: leave some to the encoder"):
        tiny("gan_steps=12").fit(images(4))
    with pytest.raises(ValueError, match=r"picture\.scale must be each"):
        tiny("picture.scale=none")
    with pytest.raises(ValueError, match="gan_steps and critic_steps must be at least 1"):
        tiny("critic_steps=0")
    with pytest.raises(ValueError, match=r"picture\.size is 18 and is halved 2 times"):
        tiny("picture.size=18").fit(images(4))
