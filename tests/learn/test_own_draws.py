"""What a private loss draws for a person: a function of that person's key, whoever else is there."""

import pytest
import torch
from torch import nn

from sanum.learn.clipping import clipped_sum
from sanum.learn.own_draws import BITS, OwnDropout, draws_of, keys_of
from sanum.learn.per_sample import PerSample
from sanum.learn.private_checks import can_be_mapped
from sanum.learn.step_config import StepConfig
from sanum.learn.turns import Objective

BOUND = 0.05
KEYS = keys_of(7, 3, range(6))


class Noisy(nn.Module):
    """Draws noise for its input."""

    def forward(self, x):
        return x + torch.randn_like(x)


def loss(net, batch):
    return (net(batch["x"]) - batch["x"].flatten(1)).square().mean(), {}


def network(*drawing):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), *drawing, nn.Tanh(), nn.Flatten(), nn.Linear(16, 16)).double()


def summed(net, who, kind="dp-sgd", keys=KEYS, **how):
    x = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    by, config = PerSample(Objective(net, loss), **how), StepConfig(kind, max_grad_norm=BOUND)
    weights = dict(by.objective.named_parameters())
    found = clipped_sum(by, weights, {"x": x[who]}, config, None, [keys[n] for n in who])
    return torch.cat([g.flatten() for g in found.clipped.values()])


DROPPING = (nn.Dropout2d(0.5), nn.Dropout(0.3))


@pytest.mark.parametrize("kind", ["dp-sgd", "bam"])
@pytest.mark.parametrize(
    ("drawing", "how"),
    [
        (DROPPING, {}),
        (DROPPING, {"chunk": 4}),
        (DROPPING, {"mapped": False}),
        ((Noisy(),), {"mapped": False}),
    ],
)
def test_who_goes_moves_the_sum_by_the_bound_at_most(kind, drawing, how):
    net, everybody = network(*drawing), list(range(6))
    whole = summed(net, everybody, kind, **how)
    assert whole.norm() > BOUND  # so the bound is of one person, not of all
    for gone in everybody:
        rest = summed(net, [n for n in everybody if n != gone], kind, **how)
        assert (whole - rest).norm() <= BOUND * (1 + 1e-9)
        torch.testing.assert_close(whole - rest, summed(net, [gone], kind, **how))
    assert not torch.allclose(whole, summed(net, everybody, kind, keys_of(8, 3, range(6)), **how))
    assert not torch.allclose(whole, summed(net, everybody, kind, keys_of(7, 4, range(6)), **how))


def test_mapped_dropout_is_that_of_single_people_and_other_draws_are_not_mapped():
    net, everybody = network(*DROPPING), list(range(6))
    torch.testing.assert_close(summed(net, everybody), summed(net, everybody, mapped=False))
    batch = {"x": torch.randn(2, 1, 4, 4, dtype=torch.float64)}
    assert can_be_mapped(PerSample(Objective(net, loss)), batch)
    assert not can_be_mapped(PerSample(Objective(network(Noisy()), loss)), batch)
    with pytest.raises(RuntimeError, match="random operation"):
        summed(network(Noisy()), everybody)


def test_dropout_leaves_out_its_share_and_whole_channels():
    x = torch.ones(1, 4000, 3, 3)
    with OwnDropout(torch.tensor(5)):
        single, channels = nn.Dropout(0.25)(x), nn.Dropout2d(0.25)(x)
        assert nn.Dropout(0.25).eval()(x) is x
        assert float(nn.Dropout(1.0)(x).abs().max()) == 0
        y = x.clone()
        nn.Dropout(0.5, inplace=True)(y)
    for made in (single, channels):
        assert float((made == 0).double().mean()) == pytest.approx(0.25, abs=0.02)
        assert float(made.max()) == pytest.approx(4 / 3)
    assert torch.equal(channels.amax((2, 3)), channels.amin((2, 3)))
    assert not torch.equal(single.amax((2, 3)), single.amin((2, 3)))
    assert set(y.unique().tolist()) == {0.0, 2.0}


def test_draws_are_uniform_and_differ_by_key():
    found = torch.stack([draws_of(torch.tensor(key), (200, 100)) for key in (0, 1, KEYS[0])]).double()
    found /= 2**BITS
    assert (found.mean((1, 2)) - 0.5).abs().max() < 0.01
    assert (found.std((1, 2)) - 12**-0.5).abs().max() < 0.01
    rows = torch.cat([found.flatten(1), found[:1].flatten(1).roll(1)])
    assert (torch.corrcoef(rows) - torch.eye(4)).abs().max() < 0.03
    assert len(set(keys_of(7, 3, range(50)) + keys_of(7, 4, range(50)) + keys_of(8, 3, range(50)))) == 150
    assert keys_of(7, 3, [4, 2]) == [KEYS[4], KEYS[2]]
