import csv
import os
import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

from sanum.learn.loop import LoopConfig, TrainingStopped, fit, rate_at

CONFIG = LoopConfig(steps=12, learning_rate=1e-2, warmup=3, save_every=4)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 1))


def stream(start):
    n = start
    while True:
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(n))
        yield {"x": x, "y": x.sum(1, keepdim=True), "n": torch.tensor(n)}
        n += 1


def step(net, batch):
    loss = (net(batch["x"]) - batch["y"]).square().mean()
    return loss, {"n": float(batch["n"])}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def read_log(folder):
    with (folder / "log.csv").open(newline="") as f:
        return list(csv.DictReader(f))


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_resumed_equals_unbroken(tmp_path, stop):
    whole, broken = model(), model()
    average = fit(whole, stream, step, CONFIG, tmp_path / "whole")
    with pytest.raises(TrainingStopped, match=f"step {stop} of 12"):
        fit(broken, stream, step, CONFIG, tmp_path / "broken", stop_after=stop)
    other = model()
    other[0].weight.data.zero_()  # the weights come from the checkpoint
    resumed = fit(other, stream, step, CONFIG, tmp_path / "broken", resume=True)
    assert same(average, resumed)
    assert same(whole.state_dict(), other.state_dict())
    assert [r["n"] for r in read_log(tmp_path / "broken")] == [str(n) for n in range(12)]
    assert read_log(tmp_path / "broken") == read_log(tmp_path / "whole")


def test_it_learns(tmp_path):
    values = []
    config = replace(CONFIG, steps=200, learning_rate=3e-2)
    fit(nn.Linear(3, 1), stream, step, config, tmp_path, on_step=lambda p: values.append(p.values["loss"]))
    assert sum(values[-10:]) < 0.01 * sum(values[:10])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops(tmp_path, bad):
    def break_at_5(net, batch):
        loss, values = step(net, batch)
        return (loss * bad if batch["n"] == 5 else loss), values

    with pytest.raises(TrainingStopped, match="step 5"):
        fit(broken := model(), stream, break_at_5, CONFIG, tmp_path)
    assert all(torch.isfinite(p).all() for p in broken.parameters())
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 5
    assert all(torch.isfinite(v).all() for v in saved["average"].values())
    # nothing but the bad step is lost
    resumed = fit(model(), stream, step, CONFIG, tmp_path, resume=True)
    assert set(resumed) == set(saved["average"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops(tmp_path, number):
    before = signal.getsignal(number)

    def interrupt(progress):
        if progress.step == 3:
            os.kill(os.getpid(), number)

    with pytest.raises(TrainingStopped, match="step 3"):
        fit(model(), stream, step, CONFIG, tmp_path, on_step=interrupt)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3
    assert signal.getsignal(number) is before


def test_an_existing_checkpoint_is_not_overwritten(tmp_path):
    fit(model(), stream, step, CONFIG, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(FileExistsError, match="--resume"):
        fit(model(), stream, step, CONFIG, tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_nothing_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        fit(model(), stream, step, CONFIG, tmp_path, resume=True)


def test_a_finished_run_resumed_is_finished(tmp_path):
    average = fit(model(), stream, step, CONFIG, tmp_path)
    assert same(average, fit(model(), stream, step, CONFIG, tmp_path, resume=True))


def test_a_stream_that_ends_is_told(tmp_path):
    def short(start):
        return [b for b, _ in zip(stream(start), range(5), strict=False)]

    with pytest.raises(TrainingStopped, match="stream ended"):
        fit(model(), short, step, CONFIG, tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 5


def test_average_lags_behind(tmp_path):
    """One step at decay 0.1 (the first): average = 0.1·start + 0.9·now."""
    net = model()
    start = net[0].weight.detach().clone()
    average = fit(net, stream, step, replace(CONFIG, steps=1), tmp_path)
    torch.testing.assert_close(average["0.weight"], 0.1 * start + 0.9 * net[0].weight.detach())


def test_the_gradient_is_clipped(tmp_path):
    """Plain SGD would leap; AdamW's first step is the rate whatever the size: look at the gradient itself."""
    net = model()

    def steep(net, batch):
        loss, values = step(net, batch)
        return 1e6 * loss, values

    fit(net, stream, steep, replace(CONFIG, steps=1, clip=0.5), tmp_path)
    norm = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
    assert norm.item() == pytest.approx(0.5, rel=1e-3)


def test_rate():
    config = LoopConfig(steps=1000, learning_rate=1.0, warmup=100)
    assert rate_at(0, config) == pytest.approx(0.01)
    assert rate_at(99, config) == rate_at(100, config) == pytest.approx(1.0)
    assert rate_at(550, config) == pytest.approx(0.505)
    assert rate_at(1000, config) == pytest.approx(0.01)
    rates = [rate_at(s, config) for s in range(100, 1001)]
    assert rates == sorted(rates, reverse=True)


def test_progress_estimates_the_time_left(tmp_path):
    seen = []
    fit(model(), stream, step, CONFIG, tmp_path, on_step=seen.append)
    assert [p.step for p in seen] == list(range(1, 13))
    assert seen[-1].seconds_left == 0
    assert seen[0].seconds_left == pytest.approx(11 * seen[0].seconds_per_step)
