"""Several optimizers in turns, accumulated gradients, a step that is replaced."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sanum.learn.devices import open_devices
from sanum.learn.loop import Callbacks, Run, TrainingStopped, fit
from sanum.learn.schedule import LoopConfig, OptimizerConfig
from sanum.learn.step import GradientInfo, PlainStep
from sanum.learn.turns import Turn, batches_per_step

CONFIG = LoopConfig(steps=10, learning_rate=1e-2, warmup=2, save_every=3, sheet_every=0)
ADVERSARIAL = OptimizerConfig(optimizer="adam", betas=(0.5, 0.999), learning_rate=5e-3, weight_decay=0)


class Gan(nn.Module):
    """Numbers from noise, and who tells them from real ones, in one dimension."""

    def __init__(self, norm=nn.Identity):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(1, 16), norm(16), nn.LeakyReLU(0.1), nn.Linear(16, 1))
        self.critic = nn.Sequential(nn.Linear(1, 16), nn.LeakyReLU(0.1), nn.Linear(16, 1))


def gan(norm=nn.Identity):
    torch.manual_seed(0)
    return Gan(norm)


def critic_loss(net, batch):
    """Least squares (Mao et al. 2017)."""
    real, fake = net.critic(batch["real"]), net.critic(net.generator(batch["noise"]).detach())
    loss = (real - 1).square().mean() + fake.square().mean()
    return loss, {"real": real.mean().detach()}


def generator_loss(net, batch):
    loss = (net.critic(net.generator(batch["noise"])) - 1).square().mean()
    return loss, {}


TURNS = [
    Turn(critic_loss, "critic", modules=("critic",), config=ADVERSARIAL, watched=False),
    Turn(generator_loss, "generator", modules=("generator",), config=ADVERSARIAL, watched=False),
]


def stream(start, size=64, used=None):
    n = start
    while True:
        if used is not None:
            used.append(n)
        g = torch.Generator().manual_seed(n)
        yield {
            "real": 3 + 0.5 * torch.randn(size, 1, generator=g),
            "noise": torch.randn(size, 1, generator=g),
            "n": torch.tensor(n),
        }
        n += 1


def train(net, turns, folder, config=CONFIG, *, batches=stream, on_step=None, precision="32", **run):
    fabric = open_devices("cpu", precision=precision)
    fabric.launch()
    return fit(fabric, net, turns, batches, config, Run(folder, **run), Callbacks(on_step))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_gan_learns_a_distribution(tmp_path):
    net, noise = gan(), torch.randn(2000, 1, generator=torch.Generator().manual_seed(1))
    assert abs(net.generator(noise).mean().item() - 3) > 2
    train(net, TURNS, tmp_path, replace(CONFIG, steps=500, ema=0.99, save_every=1000))
    made = net.generator(noise).detach()
    assert made.mean().item() == pytest.approx(3, abs=0.4)
    assert 0.1 < made.std().item() < 1.0


@pytest.mark.parametrize("precision", ["32", "fp16"])
@pytest.mark.parametrize("stop", [1, 3, 7])
def test_a_gan_resumed_equals_unbroken(tmp_path, stop, precision):
    whole, other = gan(nn.BatchNorm1d), gan(nn.BatchNorm1d)
    average = train(whole, TURNS, tmp_path / "whole", precision=precision)
    with pytest.raises(TrainingStopped, match=f"step {stop} of 10"):
        train(gan(nn.BatchNorm1d), TURNS, tmp_path / "broken", precision=precision, stop_after=stop)
    other.critic[0].weight.data.zero_()  # the weights come from the checkpoint
    assert same(average, train(other, TURNS, tmp_path / "broken", precision=precision, resume=True))
    assert same(whole.state_dict(), other.state_dict())
    logs = [(tmp_path / f / "log.csv").read_text().splitlines() for f in ("whole", "broken")]
    head = logs[0][0].split(",")
    assert head[1:8] == [
        *("critic loss", "critic real", "generator loss"),
        *("critic rate", "critic gradient_norm", "generator rate", "generator gradient_norm"),
    ]
    assert [row.split(",")[:8] for row in logs[0]] == [row.split(",")[:8] for row in logs[1]]


def test_each_turn_moves_its_own_weights_only(tmp_path):
    still = replace(TURNS[1], config=replace(ADVERSARIAL, learning_rate=0))
    net, before = gan(), gan().state_dict()
    seen = []

    def watching(model, batch):
        seen.append([p.requires_grad for p in model.parameters()])
        return critic_loss(model, batch)

    train(net, [replace(TURNS[0], loss=watching), still], tmp_path)
    now = net.state_dict()
    assert all(torch.equal(now[k], before[k]) == k.startswith("generator") for k in now)
    assert seen == 10 * [[False] * 4 + [True] * 4]
    assert all(p.requires_grad for p in net.parameters())  # as before the training


def test_frozen_weights_stay_frozen(tmp_path):
    net = gan()
    net.critic[0].requires_grad_(False)
    before = net.critic[0].weight.clone()
    train(net, TURNS, tmp_path)
    assert torch.equal(net.critic[0].weight, before)
    assert not net.critic[0].weight.requires_grad


def test_repeats_take_batches_of_their_own_and_share_the_last(tmp_path):
    used, seen = [], {"critic": [], "generator": []}

    def noting(name, loss):
        def noted(net, batch):
            seen[name].append(int(batch["n"]))
            return loss(net, batch)

        return noted

    turns = [replace(t, loss=noting(t.name, t.loss)) for t in TURNS]
    turns[0] = replace(turns[0], repeats=3)
    assert batches_per_step(turns) == 3
    progress = []

    def batches(start):
        return stream(start, used=used)

    config = replace(CONFIG, steps=2)
    train(gan(), turns, tmp_path, config, batches=batches, batch_size=5, on_step=progress.append)
    assert (used, seen) == (list(range(6)), {"critic": list(range(6)), "generator": [2, 5]})
    assert progress[0].samples_per_second == pytest.approx(15 / progress[0].seconds_per_step)
    used.clear()
    train(gan(), turns, tmp_path, replace(config, steps=3), batches=batches, resume=True)
    assert used == [6, 7, 8]


@pytest.mark.parametrize("turn", [0, 1])
def test_of_a_step_gone_wrong_nothing_is_left_in_any_turn(tmp_path, turn):
    """Two updates of the critic have been made when the generator's loss is no number."""

    def breaks(net, batch):
        value, terms = TURNS[turn].loss(net, batch)
        return (value * float("nan") if batch["n"] == 11 else value), terms

    good = [replace(TURNS[0], repeats=2), TURNS[1]]
    bad = list(good)
    bad[turn] = replace(good[turn], loss=breaks)
    with pytest.raises(TrainingStopped, match=rf"step 6 went wrong: {good[turn].name}: its loss is nan; "):
        train(gan(nn.BatchNorm1d), bad, tmp_path / "broken")
    resumed = train(gan(nn.BatchNorm1d), good, tmp_path / "broken", resume=True)
    assert same(resumed, train(gan(nn.BatchNorm1d), good, tmp_path / "whole"))


def leaping(net, batch):
    value, terms = generator_loss(net, batch)
    return (1e9 * value if batch["n"] == 25 else value), terms


def test_a_loss_that_may_leap_does_not_stop_the_training(tmp_path):
    config = replace(CONFIG, steps=30)
    calm = Turn(leaping)
    with pytest.raises(TrainingStopped, match=r"step 26 went wrong: its loss is .*, more than 100 times"):
        train(gan(), [calm], tmp_path / "watched", config)
    train(gan(), [replace(calm, watched=False)], tmp_path / "not", config)


@pytest.mark.parametrize("parts", [2, 4])
def test_the_gradient_of_micro_batches_is_that_of_the_batch(tmp_path, parts):
    def batches_of(parts):
        def batches(start):
            for batch in stream(start):
                for part in range(parts):
                    of_part = slice(part * 64 // parts, (part + 1) * 64 // parts)
                    yield {"real": batch["real"][of_part], "noise": batch["noise"][of_part]}

        return batches

    norms, gradients = [], []

    class Noting(PlainStep):
        def update(self, work):
            gradients[-1].append([p.grad.clone() for p in work.model.parameters() if p.requires_grad])
            super().update(work)

    for n in (1, parts):
        gradients.append([])
        turns = [replace(t, step=Noting()) for t in TURNS]
        config = replace(CONFIG, steps=1, accumulate=n)
        train(gan(), turns, tmp_path / str(n), config, batches=batches_of(n))
        norms.append((tmp_path / str(n) / "log.csv").read_text().splitlines()[1].split(",")[1:8])
    assert len(gradients[0]) == 2
    for whole, in_parts in zip(*gradients, strict=True):
        for a, b in zip(whole, in_parts, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-7)
    assert [float(x) for x in norms[1]] == pytest.approx([float(x) for x in norms[0]], rel=1e-4)


class NoisyStep(PlainStep):
    """As in private training: noise of a generator of its own, and a count of steps."""

    def __init__(self, scale=0.1):
        self.scale, self.steps, self.rng = scale, 0, torch.Generator().manual_seed(5)

    def gradient(self, work, batches):
        info = super().gradient(work, batches)
        for p in (p for p in work.model.parameters() if p.requires_grad):
            p.grad += self.scale * torch.randn(p.shape, generator=self.rng)
        return GradientInfo({**info.values, "noise": torch.tensor(self.scale)}, info.norm)

    def update(self, work):
        super().update(work)
        self.steps += 1

    def state_dict(self):
        return {"steps": self.steps, "rng": self.rng.get_state()}

    def load_state_dict(self, state):
        self.steps = state["steps"]
        self.rng.set_state(state["rng"])


def test_a_step_that_is_replaced_is_used_and_kept(tmp_path):
    def noisy(loss=generator_loss):
        return Turn(loss, step=NoisyStep())

    plain = train(gan(), [Turn(generator_loss)], tmp_path / "plain")
    turn = noisy()
    whole = train(gan(), [turn], tmp_path / "whole")
    assert turn.step.steps == 10
    assert not same(plain, whole)
    assert "noise" in (tmp_path / "whole" / "log.csv").read_text().splitlines()[0]
    with pytest.raises(TrainingStopped):
        train(gan(), [noisy()], tmp_path / "broken", stop_after=4)
    turn = noisy()
    assert same(whole, train(gan(), [turn], tmp_path / "broken", resume=True))
    assert turn.step.steps == 10

    def breaks(net, batch):
        value, terms = generator_loss(net, batch)
        return (value * float("nan") if batch["n"] == 5 else value), terms

    turn = noisy(breaks)
    with pytest.raises(TrainingStopped, match="step 6 went wrong"):
        train(gan(), [turn], tmp_path / "bad")
    assert turn.step.steps == 5  # noise of the bad step is drawn again
    assert same(whole, train(gan(), [noisy()], tmp_path / "bad", resume=True))


def test_the_optimizer_is_that_of_the_recipe(tmp_path):
    states = {}
    for name in ("adamw", "adam"):
        config = replace(CONFIG, optimizer=name, betas=(0.5, 0.9), weight_decay=0.5, steps=3)
        train(gan(), [Turn(generator_loss)], tmp_path / name, config)
        states[name] = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        group = states[name]["turns"]["main"]["optimizer"]["param_groups"][0]
        assert (group["betas"], group["weight_decay"]) == ((0.5, 0.9), 0.5)
    assert not same(states["adamw"]["model"], states["adam"]["model"])


@pytest.mark.parametrize(
    ("turns", "sentence"),
    [
        ([], "turns of different names, got none"),
        ([Turn(critic_loss), Turn(generator_loss)], "turns of different names, got main, main"),
        ([Turn(critic_loss, modules=("judge",))], "turn main: the network has no module .*judge"),
        ([Turn(critic_loss, modules=("critic.1",))], r"turn main: critic\.1 has no weights"),
    ],
)
def test_turns_that_cannot_be(tmp_path, turns, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(gan(), turns, tmp_path)


def test_a_turn_that_is_never_taken():
    with pytest.raises(ValueError, match="turn main: repeats must be at least 1, got 0"):
        Turn(critic_loss, repeats=0)


def test_a_checkpoint_of_other_turns(tmp_path):
    train(gan(), TURNS, tmp_path)
    with pytest.raises(ValueError, match="of other turns: they were critic, generator and are now main"):
        train(gan(), [Turn(generator_loss)], tmp_path, resume=True)
