"""Turns that take part in some steps only, and what a caller keeps of a training."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sanum.learn.devices import open_devices
from sanum.learn.loop import Callbacks, Run, TrainingStopped, fit
from sanum.learn.schedule import LoopConfig, OptimizerConfig
from sanum.learn.turns import Turn, batches_before, batches_per_step

CONFIG = LoopConfig(steps=6, learning_rate=1e-2, warmup=0, ema=0.0, sheet_every=0)


class Two(nn.Module):
    """Two layers, each with a task of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 1), nn.Linear(3, 1)


def task(name, used=None):
    def loss(net, batch):
        if used is not None:
            used.append((name, int(batch["n"])))
        error = (getattr(net, name)(batch["x"]) - 1).square().mean()
        return error, {name: error.detach()}

    return loss


def turns(used=None):
    return [
        Turn(task("first", used), "first", ("first",), repeats=2, end=2),
        Turn(task("second", used), "second", ("second",), begin=2),
    ]


def stream(start):
    while True:
        yield {
            "x": torch.randn(4, 3, generator=torch.Generator().manual_seed(start)),
            "n": torch.tensor(start),
        }
        start += 1


class Best:
    """The smallest loss of the second layer on one batch."""

    def __init__(self):
        self.seen = []

    def look(self, net, step):
        self.seen.append((step, float(net.second.weight.sum())))

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = list(state["seen"])


def train(net, turns, folder, config=CONFIG, kept=None, **run):
    fabric = open_devices("cpu", precision="32")
    fabric.launch()
    look = kept.look if kept else None
    return fit(fabric, net, turns, stream, config, Run(folder, **run), Callbacks(look=look, kept=kept))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_each_turn_has_its_steps_and_its_batches(tmp_path):
    used = []
    both = turns(used)
    train(Two(), both, tmp_path)
    assert used == [*(("first", n) for n in range(4)), *(("second", n) for n in range(4, 8))]
    assert [batches_per_step(both, step) for step in range(4)] == [2, 2, 1, 1]
    assert [batches_before(both, step) for step in (0, 1, 2, 6)] == [0, 2, 4, 8]


def test_the_weights_of_a_turn_stand_still_outside_of_its_steps(tmp_path):
    net = Two()
    before = {name: x.clone() for name, x in net.state_dict().items()}
    train(net, turns(), tmp_path, replace(CONFIG, steps=2))
    assert torch.equal(net.second.weight, before["second.weight"])
    first = net.first.weight.clone()
    assert not torch.equal(first, before["first.weight"])
    train(net, turns(), tmp_path, resume=True)
    assert torch.equal(net.first.weight, first)
    assert not torch.equal(net.second.weight, before["second.weight"])


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_a_run_of_two_phases_resumed_equals_unbroken(tmp_path, stop):
    whole, kept, other = Two(), Best(), Best()
    train(whole, turns(), tmp_path / "whole", kept=kept)
    with pytest.raises(TrainingStopped, match=f"stopped after step {stop} of 6; say so"):
        train(Two(), turns(), tmp_path / "broken", kept=Best(), stop_after=stop, go_on="say so")
    resumed = Two()
    train(resumed, turns(), tmp_path / "broken", kept=other, resume=True)
    assert same(whole.state_dict(), resumed.state_dict())
    assert kept.seen == other.seen
    assert [step for step, _ in kept.seen] == [1, 2, 3, 4, 5, 6]


def test_each_phase_has_a_log_of_its_own(tmp_path):
    train(Two(), turns(), tmp_path)
    rows = {p.name: p.read_text().splitlines() for p in sorted(tmp_path.glob("*.csv"))}
    assert list(rows) == ["log-first.csv", "log-second.csv"]
    assert [row.split(",")[0] for row in rows["log-first.csv"]] == ["step", "1", "2"]
    assert [row.split(",")[0] for row in rows["log-second.csv"]] == ["step", "3", "4", "5", "6"]
    assert rows["log-second.csv"][0].split(",")[1:3] == ["second loss", "second second"]


def test_of_a_step_gone_wrong_nothing_is_left_in_either_phase(tmp_path):
    def breaks(net, batch):
        value, terms = task("second")(net, batch)
        return (value * float("nan") if batch["n"] == 6 else value), terms

    bad = [turns()[0], replace(turns()[1], loss=breaks)]
    with pytest.raises(TrainingStopped, match="step 5 went wrong: second: its loss is nan"):
        train(Two(), bad, tmp_path / "broken")
    resumed = train(Two(), turns(), tmp_path / "broken", resume=True)
    assert same(resumed, train(Two(), turns(), tmp_path / "whole"))


def test_a_step_without_a_turn_is_refused(tmp_path):
    gap = [turns()[0], replace(turns()[1], begin=3)]
    with pytest.raises(ValueError, match="no turn takes part in step 3 of the training"):
        train(Two(), gap, tmp_path)


def test_rmsprop_is_that_of_torch(tmp_path):
    config = OptimizerConfig(
        optimizer="rmsprop",
        betas=(0.0, 0.9),
        learning_rate=1e-2,
        warmup=0,
        schedule="step",
        step_factor=1.0,
        weight_decay=0.0,
        clip=1e9,
    )
    net, other = Two(), Two()
    train(net, [Turn(task("first"), "first", ("first",), config)], tmp_path, replace(CONFIG, steps=3))
    optimizer, batches = torch.optim.RMSprop(other.first.parameters(), lr=1e-2, alpha=0.9), stream(0)
    for _ in range(3):
        optimizer.zero_grad()
        task("first")(other, next(batches))[0].backward()
        optimizer.step()
    torch.testing.assert_close(net.first.weight, other.first.weight, rtol=1e-6, atol=1e-7)
