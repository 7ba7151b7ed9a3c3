"""Private steps: what they compute, and what a run keeps of them."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sanum.learn.account import Account, noise_for
from sanum.learn.clipping import clipped_sum
from sanum.learn.devices import open_devices
from sanum.learn.loop import Callbacks, Run, fit
from sanum.learn.per_sample import PerSample, norms_of
from sanum.learn.poisson import Poisson, new_secret
from sanum.learn.private import BudgetSpent, PrivatePlan, PrivateStep
from sanum.learn.private_noise import noise_of, system_noise
from sanum.learn.schedule import LoopConfig
from sanum.learn.step_config import StepConfig
from sanum.learn.turns import Objective, Turn
from sanum.metrics.gradients import cosine, relative_bias

KINDS = ("dp-sgd", "dp-sat", "bam")
PEOPLE = 12
LOOP = LoopConfig(steps=9, learning_rate=1e-2, warmup=0, save_every=4)


def loss(net, batch):
    error = (net(batch["x"]) - batch["y"]).square().flatten(1).mean(1)
    return error.mean(), {"error": error.mean().detach()}


def network(norm=False):
    torch.manual_seed(0)
    middle = [nn.GroupNorm(2, 4)] if norm else []
    return nn.Sequential(nn.Conv1d(1, 4, 3, padding=1), *middle, nn.Tanh(), nn.Conv1d(4, 1, 3, padding=1))


def some(n=6, seed=1):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 1, 8, generator=g)
    return {"x": x, "y": x.roll(1, 2) * 3}


def summed(kind="dp-sgd", batch=None, previous=None, *, mapped=True, chunk=0, dtype=torch.float32, **config):
    objective = Objective(network(norm=True).to(dtype), loss)
    batch = {name: x.to(dtype) for name, x in (some() if batch is None else batch).items()}
    by = PerSample(objective, mapped=mapped, chunk=chunk)
    return clipped_sum(by, dict(objective.named_parameters()), batch, StepConfig(kind, **config), previous)


def vector(tensors):
    return torch.cat([x.flatten() for x in tensors.values()])


def test_each_gradient_is_that_of_a_batch_of_one():
    objective, batch = Objective(network(norm=True), loss), some()
    weights = dict(objective.named_parameters())
    found = PerSample(objective).gradients(weights, batch)
    for n in range(6):
        value, _ = objective({name: x[n : n + 1] for name, x in batch.items()})
        alone = torch.autograd.grad(value, list(weights.values()))
        torch.testing.assert_close([g[n] for g in found.gradients.values()], list(alone))
        torch.testing.assert_close(found.values["loss"][n], value.detach())


@pytest.mark.parametrize("kind", KINDS)
def test_parts_and_single_people_give_what_all_at_once_give(kind):
    how = {"kind": kind, "previous": some_direction(), "dtype": torch.float64, "max_grad_norm": 0.7}
    whole = summed(**how)
    for other in (summed(**how, chunk=4), summed(**how, mapped=False)):
        torch.testing.assert_close(other.clipped, whole.clipped)
        torch.testing.assert_close(other.raw, whole.raw)
        torch.testing.assert_close(other.norms, whole.norms)


def some_direction():
    g = torch.Generator().manual_seed(5)
    names = Objective(network(norm=True), loss).named_parameters()
    return {name: torch.randn(p.shape, generator=g, dtype=torch.float64) for name, p in names}


def test_the_difference_along_the_own_gradient_is_the_hessian_times_it():
    """Exactly, for a quadratic loss: ∇l(θ + r g/‖g‖) − ∇l(θ) = r H g/‖g‖."""

    class Quadratic(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64))

        def forward(self, batch):
            each = torch.einsum("i,bij,j->b", self.w, batch["h"], self.w) / 2 + batch["b"] @ self.w
            return each.mean(), {}

    g = torch.Generator().manual_seed(2)
    half = torch.randn(5, 3, 3, generator=g, dtype=torch.float64)
    batch = {"h": half @ half.mT, "b": torch.randn(5, 3, generator=g, dtype=torch.float64)}
    net, radius, alpha = Quadratic(), 0.05, 0.4
    gradients = batch["h"] @ net.w.detach() + batch["b"]
    ahead = torch.einsum("bij,bj->bi", batch["h"], gradients / gradients.norm(dim=1, keepdim=True))
    config = StepConfig("bam", alpha=alpha, radius=radius, max_grad_norm=1e9)
    found = clipped_sum(PerSample(net), {"w": net.w}, batch, config)
    torch.testing.assert_close(
        found.clipped["w"], (gradients + alpha * radius * ahead).sum(0), rtol=1e-12, atol=0
    )
    torch.testing.assert_close(found.raw["w"], gradients.sum(0))


@settings(max_examples=15, deadline=None, database=None)
@given(
    kind=st.sampled_from(KINDS),
    bound=st.floats(1e-3, 50),
    scale=st.floats(0, 1e4),
    who=st.integers(0, 5),
    seed=st.integers(2, 2**31),
    radius=st.floats(1e-3, 1),
)
def test_who_is_replaced_moves_the_sum_by_twice_the_bound_at_most(kind, bound, scale, who, seed, radius):
    batch, other = some(), some()
    for name, x in some(1, seed).items():
        other[name][who] = scale * x[0]
    how = {"max_grad_norm": bound, "radius": radius, "previous": some_direction(), "dtype": torch.float64}
    before, after = (vector(summed(kind, b, **how).clipped) for b in (batch, other))
    assert (before - after).norm() <= 2 * bound * (1 + 1e-9)
    without = {name: torch.cat([x[:who], x[who + 1 :]]) for name, x in batch.items()}
    assert (before - vector(summed(kind, without, **how).clipped)).norm() <= bound * (1 + 1e-9)


def test_what_clipping_does():
    found = summed(max_grad_norm=1e9)
    torch.testing.assert_close(found.clipped, found.raw)
    assert not found.shortened.any()
    torch.testing.assert_close(cosine(found.clipped, found.raw), torch.tensor(1.0))
    assert relative_bias(found.clipped, found.raw) < 1e-6
    short = summed(max_grad_norm=1e-3)
    assert short.shortened.all()
    assert relative_bias(short.clipped, short.raw) > 0.9
    assert vector(short.clipped).norm() <= 6e-3
    still = {"w": torch.zeros(3)}
    assert cosine(still, still) == 0


def test_a_sample_without_gradient_stays_without():
    batch = {"x": torch.zeros(2, 1, 8), "y": torch.zeros(2, 1, 8)}
    net = Objective(nn.Conv1d(1, 1, 1, bias=False), loss)
    found = clipped_sum(PerSample(net), dict(net.named_parameters()), batch, StepConfig("bam"))
    assert float(vector(found.clipped).abs().max()) == 0


def test_the_loss_that_moves_along_the_previous_gradient():
    direction = some_direction()
    config = {"dtype": torch.float64, "max_grad_norm": 1e9, "radius": 0.1}
    assert torch.equal(vector(summed("dp-sat", **config).clipped), vector(summed("dp-sgd", **config).clipped))
    moved = network(norm=True).double()
    size = vector(direction).norm()
    with torch.no_grad():
        for name, p in moved.named_parameters():
            p += 0.1 * direction[f"model.{name}"] / size
    objective = Objective(moved, loss)
    batch = {name: x.double() for name, x in some().items()}
    plain = clipped_sum(
        PerSample(objective),
        dict(objective.named_parameters()),
        batch,
        StepConfig("dp-sgd", **{"max_grad_norm": 1e9}),
    )
    torch.testing.assert_close(summed("dp-sat", previous=direction, **config).clipped, plain.clipped)


@pytest.mark.parametrize("kind", ["rdp", pytest.param("prv", marks=pytest.mark.full)])
def test_epsilon_is_that_of_opacus(kind):
    from opacus.accountants import PRVAccountant, RDPAccountant

    theirs = {"rdp": RDPAccountant, "prv": PRVAccountant}[kind]()
    ours = Account(1.1, 0.1, 1e-5, kind)
    assert ours.epsilon() == 0
    for _ in range(3):
        theirs.step(noise_multiplier=1.1, sample_rate=0.1)
        ours.add()
    assert ours.epsilon() == pytest.approx(theirs.get_epsilon(1e-5), rel=1e-12)
    theirs.history = [(1.1, 0.1, 3), (0.9, 0.2, 40)]
    later = Account(0.9, 0.2, 1e-5, kind, ours.history)
    assert later.epsilon(40) == pytest.approx(theirs.get_epsilon(1e-5), rel=1e-12)
    assert later.after(40) == theirs.history


def test_the_noise_that_a_budget_asks_for():
    sigma = noise_for(0.5, 1e-5, 0.05, 20)
    account = Account(sigma, 0.05, 1e-5)
    assert 0.49 < account.epsilon(20) <= 0.5
    lasts = account.lasts(0.4, 20)
    assert account.epsilon(lasts) <= 0.4 < account.epsilon(lasts + 1)
    assert account.lasts(100.0, 20) == 20
    with pytest.raises(
        ValueError, match=r"^no noise keeps 10 steps within ε = 1e-09 at δ = 1e-05: make fewer"
    ):
        noise_for(1e-9, 1e-5, 0.05, 10)


@pytest.mark.full
def test_a_log_never_shows_less_than_is_spent():
    account = Account(1.0, 0.1, 1e-5, "prv", [(1.0, 0.1, 40)])
    assert account.shown(100) >= account.epsilon(1)
    assert Account(1.0, 0.1, 1e-5, "prv", [(1.0, 0.1, 99)]).shown(100) == account.epsilon(60)


def test_everybody_takes_part_as_often_as_anybody_and_whoever_else_does():
    sampling = Poisson(50, 0.2, 11)
    rows = np.zeros((400, 50))
    for step in range(400):
        rows[step, sampling.chosen(step)] = 1
    assert abs(rows.mean() - 0.2) < 0.01
    assert np.abs(rows.mean(0) - 0.2).max() < 0.08
    assert rows.sum(1).std() == pytest.approx(np.sqrt(50 * 0.2 * 0.8), rel=0.15)
    first = sampling.samples(3)
    assert next(first) == [3 * 50 + n for n in sampling.chosen(3)]
    assert next(first) == [4 * 50 + n for n in sampling.chosen(4)]
    assert Poisson(50, 0.2, 12).chosen(3) != sampling.chosen(3)
    assert new_secret() != new_secret()


@pytest.mark.parametrize("make", [lambda like: noise_of(3, 1, like), system_noise])
def test_noise_is_normal(make):
    like = {"a": torch.zeros(100, 100), "b": torch.zeros(3)}
    noise = make(like)
    assert {name: x.shape for name, x in noise.items()} == {name: x.shape for name, x in like.items()}
    x = noise["a"].double().flatten()
    assert abs(x.mean()) < 0.04
    assert x.std() == pytest.approx(1, abs=0.03)
    assert ((x.abs() < 1.959964).double().mean() - 0.95).abs() < 0.01
    again = make(like)
    assert torch.equal(noise["b"], again["b"]) == (make is not system_noise)


def private(
    config, folder, *, loop=LOOP, resume=False, people=PEOPLE, expected=3, secret=7, on_step=None, lasts_to=0
):
    plan = PrivatePlan(config, 3.0, people, expected, loop.steps, secret, ("loss", "error"))
    step = PrivateStep(plan)
    step.lasts_to = lasts_to

    def batches(first):
        every = some(people, 3)
        for numbers in step.sampling.samples(first):
            yield {name: x[[n % people for n in numbers]] for name, x in every.items()} if numbers else {}

    fabric = open_devices("cpu", precision="32")
    fabric.launch()
    weights = fit(
        fabric,
        network(),
        [Turn(loss, step=step)],
        batches,
        loop,
        Run(folder, resume=resume),
        Callbacks(on_step),
    )
    return weights, step


def log_of(folder):
    with (folder / "log.csv").open(newline="") as log:
        return list(csv.DictReader(log))


def test_without_mixing_it_is_the_usual_private_step_to_the_last_bit(tmp_path):
    plain, _ = private(StepConfig("dp-sgd"), tmp_path / "dp-sgd")
    bam, _ = private(StepConfig("bam", alpha=0.0), tmp_path / "bam")
    assert all(torch.equal(bam[name], x) for name, x in plain.items())
    other, _ = private(StepConfig("bam", alpha=0.5), tmp_path / "mixed")
    assert not torch.equal(other["0.weight"], plain["0.weight"])


class Killed(Exception):
    pass


@pytest.mark.parametrize("kind", ["bam", *(pytest.param(k, marks=pytest.mark.full) for k in KINDS[:2])])
def test_a_killed_run_goes_on_with_its_account(kind, tmp_path):
    config = StepConfig(kind)
    unbroken, step = private(config, tmp_path / "unbroken", secret=new_secret())

    def kill(now):
        if now.step == 7:
            raise Killed

    with pytest.raises(Killed):
        private(config, tmp_path / "killed", secret=step.plan.secret, on_step=kill)
    # another secret, which the checkpoint's replaces
    resumed, again = private(config, tmp_path / "killed", resume=True, secret=99)
    assert all(torch.equal(resumed[name], x) for name, x in unbroken.items())
    assert again.account.history == step.account.history == [(3.0, 0.25, 9)]
    told = [row["epsilon"] for row in log_of(tmp_path / "killed")]
    assert told == [row["epsilon"] for row in log_of(tmp_path / "unbroken")]
    assert float(told[-1]) == pytest.approx(Account(3.0, 0.25, 1e-5).epsilon(9), rel=1e-6)
    assert float(log_of(tmp_path / "killed")[0]["delta"]) == pytest.approx(1e-5)


def test_steps_in_which_nobody_takes_part(tmp_path):
    weights, _ = private(
        StepConfig("bam", secure=True), tmp_path, people=400, expected=1, loop=replace(LOOP, steps=4)
    )
    rows = log_of(tmp_path)
    assert "0" in [row["people"] for row in rows]
    assert all(np.isfinite(float(x)) for row in rows for x in row.values())
    assert all(torch.isfinite(x).all() for x in weights.values())
    assert not torch.equal(weights["0.weight"], network().state_dict()["0.weight"])  # the noise was added


def test_no_step_is_taken_beyond_the_budget(tmp_path):
    budget = Account(3.0, 0.25, 1e-5).epsilon(5)
    with pytest.raises(
        BudgetSpent, match=r"^the budget ε = .* is spent already: after 5 steps ε is .* after one more"
    ):
        private(StepConfig("dp-sgd", epsilon=budget * 1.0001), tmp_path)
    assert len(log_of(tmp_path)) == 5


def test_a_planned_budget_is_not_counted_in_every_step(tmp_path, monkeypatch):
    asked, lasts = [], Account.lasts
    monkeypatch.setattr(Account, "lasts", lambda self, *of: asked.append(self.steps) or lasts(self, *of))
    private(StepConfig("dp-sgd", epsilon=50.0), tmp_path, lasts_to=7)
    assert asked == [7, 8]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"epsilon": 0.0}, "step.epsilon must be above 0, got 0.0"),
        ({"epsilon": -1.0}, "step.epsilon must be above 0, got -1.0"),
        ({"epsilon": float("nan")}, "step.epsilon must be above 0, got nan"),
        ({"noise_multiplier": 0.0}, "step.noise_multiplier must be above 0, got 0.0"),
        ({"max_grad_norm": 0.0}, "step.max_grad_norm must be above 0, got 0.0"),
        ({"delta": 1.0}, "step.delta is a chance below 1, got 1.0"),
        ({"alpha": 1.5}, "step.alpha is a share from 0 to 1, got 1.5"),
        ({"chunk": -1}, "step.chunk must be at least 0, got -1"),
    ],
)
def test_values_that_make_no_sense(values, sentence):
    with pytest.raises(ValueError) as caught:
        StepConfig("bam", **values)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (StepConfig(epsilon=8.0), "step.epsilon is of private training: add --set step.kind="),
        (StepConfig("bam"), "private training needs a budget or a noise: --set step.epsilon=8, or"),
        (StepConfig("bam", epsilon=8.0, secure=True, noise_seed=1), "step.secure takes no seed"),
    ],
)
def test_values_that_make_no_sense_together(config, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        config.require_sense()


def test_a_clipped_gradient_is_no_longer_where_the_network_computes_in_16_bits():
    objective = Objective(network(), loss)
    by = PerSample(objective, precision=lambda: torch.autocast("cpu", torch.bfloat16))
    found = clipped_sum(by, dict(objective.named_parameters()), some(1), StepConfig(max_grad_norm=0.3))
    assert float(vector(found.clipped).norm()) == pytest.approx(0.3, rel=1e-6)


def test_norms_are_over_all_weights():
    gradients = {"a": torch.tensor([[3.0], [0.0]]), "b": torch.tensor([[[0.0, 4.0]], [[0.0, 1.0]]])}
    torch.testing.assert_close(norms_of(gradients), torch.tensor([5.0, 1.0]))
