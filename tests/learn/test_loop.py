import csv
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sanum.learn.devices import open_devices
from sanum.learn.loop import Callbacks, Run, TrainingStopped, fit
from sanum.learn.schedule import LoopConfig
from sanum.learn.turns import Turn

CONFIG = LoopConfig(steps=12, learning_rate=1e-2, warmup=3, save_every=4)


def model(norm=nn.BatchNorm1d):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), norm(8), nn.Linear(8, 1))


def stream(start):
    n = start
    while True:
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(n))
        yield {"x": x, "y": x.sum(1, keepdim=True), "n": torch.tensor(n)}
        n += 1


def loss(net, batch):
    value = (net(batch["x"]) - batch["y"]).square().mean()
    return value, {"n": batch["n"].float()}


def train(
    net,
    folder,
    config=CONFIG,
    *,
    precision="32",
    batches=stream,
    by=loss,
    on_step=None,
    draw=None,
    on_interrupt=None,
    look=None,
    look_every=1,
    **run,
):
    fabric = open_devices("cpu", precision=precision)
    fabric.launch()
    turns = [Turn(by)] if callable(by) else by
    callbacks = Callbacks(on_step, draw, on_interrupt, look, look_every)
    return fit(fabric, net, turns, batches, config, Run(folder, **run), callbacks)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def read_log(folder):
    with (folder / "log.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    return [{k: v for k, v in r.items() if k not in ("samples_per_s", "waiting")} for r in rows]


@pytest.mark.parametrize(("stop", "precision"), [(1, "32"), (4, "32"), (7, "32"), (5, "bf16"), (5, "fp16")])
def test_resumed_equals_unbroken(tmp_path, stop, precision):
    whole, broken = model(), model()
    average = train(whole, tmp_path / "whole", precision=precision)
    with pytest.raises(TrainingStopped, match=f"step {stop} of 12"):
        train(broken, tmp_path / "broken", precision=precision, stop_after=stop)
    other = model()
    other[0].weight.data.zero_()  # the weights come from the checkpoint
    resumed = train(other, tmp_path / "broken", precision=precision, resume=True)
    assert same(average, resumed)
    assert same(whole.state_dict(), other.state_dict())
    assert [r["n"] for r in read_log(tmp_path / "broken")] == [str(n) for n in range(12)]
    assert read_log(tmp_path / "broken") == read_log(tmp_path / "whole")


def test_it_learns(tmp_path):
    values = []
    config = replace(CONFIG, steps=200, learning_rate=3e-2, save_every=100)
    train(nn.Linear(3, 1), tmp_path, config, on_step=lambda p: values.append(p.values["loss"]))
    assert sum(values[-10:]) < 0.01 * sum(values[:10])


@pytest.mark.parametrize(("bad", "told"), [(float("nan"), "loss is nan"), (1e9, "more than 100 times")])
@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.BatchNorm1d])  # whose buffers the forward pass changes
def test_a_step_gone_wrong_is_not_taken(tmp_path, bad, told, norm):
    def break_at_25(net, batch):
        value, terms = loss(net, batch)
        return (value * bad if batch["n"] == 25 else value), terms

    config = replace(CONFIG, steps=30, save_every=100)
    with pytest.raises(TrainingStopped, match=f"step 26 went wrong: .*{told}.* saved in .*checkpoint.pt"):
        train(model(norm), tmp_path / "broken", config, by=break_at_25)
    assert torch.load(tmp_path / "broken" / "checkpoint.pt", weights_only=True)["step"] == 25
    assert len(read_log(tmp_path / "broken")) == 25
    # nothing but the bad step is lost
    resumed = train(model(norm), tmp_path / "broken", config, resume=True)
    assert same(resumed, train(model(norm), tmp_path / "whole", config))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops(tmp_path, number):
    before = signal.getsignal(number)

    def interrupt(progress):
        if progress.step == 3:
            os.kill(os.getpid(), number)

    told = []
    with pytest.raises(TrainingStopped, match="step 4"):  # the step that had begun is finished
        train(model(), tmp_path, on_step=interrupt, on_interrupt=lambda: told.append(number))
    assert told == [number]
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    assert signal.getsignal(number) is before


def test_an_existing_checkpoint_is_not_overwritten(tmp_path):
    train(model(), tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(FileExistsError, match="--resume"):
        train(model(), tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_nothing_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        train(model(), tmp_path, resume=True)


def test_a_checkpoint_of_another_network(tmp_path):
    train(model(), tmp_path)
    with pytest.raises(ValueError, match=r"another network: 0.weight is 8×3 in it and 9×3 in this network"):
        train(nn.Sequential(nn.Linear(3, 9)), tmp_path, resume=True)


def test_a_finished_run_resumed_is_finished(tmp_path):
    average = train(model(), tmp_path)
    assert same(average, train(model(), tmp_path, resume=True))


def test_average_lags_behind(tmp_path):
    """One step at decay 0.1 (the first): average = 0.1·start + 0.9·now."""
    net = model()
    start = net[0].weight.detach().clone()
    average = train(net, tmp_path, replace(CONFIG, steps=1))
    torch.testing.assert_close(average["0.weight"], 0.1 * start + 0.9 * net[0].weight.detach())


def test_the_gradient_is_clipped(tmp_path):
    """Plain SGD would leap; AdamW's first step is the rate whatever the size: look at the gradient itself."""
    net = model()

    def steep(net, batch):
        value, terms = loss(net, batch)
        return 1e6 * value, terms

    train(net, tmp_path, replace(CONFIG, steps=1, clip=0.5), by=steep)
    norm = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
    assert norm.item() == pytest.approx(0.5, rel=1e-3)
    assert float(read_log(tmp_path)[0]["gradient_norm"]) > 1e4  # what is told is before


def test_sheets_show_the_average_and_change_nothing(tmp_path):
    seen = []

    def draw(net):
        assert not net.training
        seen.append({k: v.clone() for k, v in net.state_dict().items()})
        return np.zeros((4, 4, 3), np.uint8)

    config = replace(CONFIG, sheet_every=5)
    average = train(model(), tmp_path / "sheets", config, draw=draw)
    assert sorted(p.name for p in (tmp_path / "sheets" / "sheets").iterdir()) == [
        f"step-{n:07d}.png" for n in (5, 10, 12)
    ]
    assert same(seen[-1], average)
    assert same(average, train(model(), tmp_path / "none", replace(config, sheet_every=0), draw=draw))


def test_looks_see_the_average_in_evaluation_mode_and_change_nothing(tmp_path):
    seen = []

    def look(net, step):
        seen.append((step, net.training, {k: v.clone() for k, v in net.state_dict().items()}))

    looked = train(model(), tmp_path / "looked", look=look, look_every=5)
    assert [(step, training) for step, training, _ in seen] == [(5, False), (10, False), (12, False)]
    assert same(seen[-1][2], looked)
    assert same(looked, train(model(), tmp_path / "alone"))


def test_progress_tells_speed_and_time_left(tmp_path):
    seen = []
    train(model(), tmp_path, on_step=seen.append, batch_size=5)
    assert [p.step for p in seen] == list(range(1, 13))
    assert seen[-1].seconds_left == 0
    assert seen[0].seconds_left == pytest.approx(11 * seen[0].seconds_per_step)
    assert seen[0].samples_per_second == pytest.approx(5 / seen[0].seconds_per_step)
    assert all(0 <= p.waiting <= 1 for p in seen)
