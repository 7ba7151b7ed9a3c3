"""What is tried out before a private training."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sanum.learn.per_sample import PerSample
from sanum.learn.private_checks import (
    can_be_mapped,
    require_no_batch_norm,
    require_separate,
    samples_at_a_time,
)

BATCH = {"x": torch.randn(4, 6, generator=torch.Generator().manual_seed(1)), "seed": torch.tensor([1])}


class Objective(nn.Module):
    """Batch → loss and terms, by a function of what a linear layer makes of it."""

    def __init__(self, of, width=6):
        super().__init__()
        self.net, self.of = nn.Linear(6, width), of

    def forward(self, batch):
        value = self.of(self.net(batch["x"]))
        return value, {"term": value.detach()}


def mean(y):
    return y.square().mean()


@pytest.mark.parametrize(
    ("of", "passes"),
    [
        (mean, True),
        (lambda y: nn.functional.dropout(y, 0.5).square().mean(), True),  # the same draws for every pair
        (lambda y: y.std(0).mean(), False),
        (lambda y: (y @ y.T).softmax(1).diagonal().log().mean(), False),
        (lambda y: y.clamp_min(0).sum() / (y > 0).sum(), False),  # divided by what all have together
    ],
)
def test_a_mean_over_people_is_told_from_what_compares_them(of, passes):
    torch.manual_seed(0)
    if passes:
        assert require_separate(Objective(of), BATCH, ("seed",)) == ("loss", "term")
    else:
        with pytest.raises(ValueError, match=r"^the loss is not a mean over people"):
            require_separate(Objective(of), BATCH, ("seed",))


@pytest.mark.parametrize("of", [lambda y: y.square().sum(), lambda y: F.dropout(y, 0.1).square().sum()])
def test_a_sum_is_no_mean(of):
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=r"^the loss is a sum over people, not a mean: divide it by their "):
        require_separate(Objective(of), BATCH, ("seed",))


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.LazyBatchNorm1d, nn.SyncBatchNorm])
def test_batch_norm_is_named(norm):
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(norm() if "Lazy" in norm.__name__ else norm(2)))
    with pytest.raises(ValueError, match=r"^1\.0 is batch norm, which mixes the people of a batch: "):
        require_no_batch_norm(net)
    require_no_batch_norm(nn.Sequential(nn.GroupNorm(1, 2), nn.LayerNorm(2), nn.InstanceNorm1d(2)))


def test_what_looks_at_its_input_is_not_mapped():
    assert can_be_mapped(PerSample(Objective(mean), ("seed",)), BATCH)
    assert not can_be_mapped(
        PerSample(Objective(lambda y: mean(y) if y.sum() > 0 else mean(2 * y)), ("seed",)), BATCH
    )


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_one_person_is_tried_and_too_little_memory_is_no_refusal_of_vmap(error):
    seen = []

    def full(y):
        seen.append(y.shape)
        raise error

    with pytest.raises(RuntimeError, match="memory"):
        can_be_mapped(PerSample(Objective(full), ("seed",)), BATCH)
    assert len(seen) == 1
    sizes = []

    class Counting(PerSample):
        def gradients(self, weights, batch, keys=None, *, own=False):
            sizes.append(self.count(batch))
            return super().gradients(weights, batch, keys, own=own)

    assert can_be_mapped(Counting(Objective(mean), ("seed",)), BATCH)
    assert sizes == [1]


def test_people_at_a_time_are_those_whose_gradients_fit_a_gigabyte():
    large = Objective(mean, width=1_000_000)  # 7 million weights, 28 MB
    assert samples_at_a_time(PerSample(large, ("seed",)), BATCH, copies=3) == 1_000_000_000 // (
        84_000_000 + 16_000_000
    )
    by = PerSample(large, ("seed",), chunk=3)
    assert [len(part["x"]) for part in by.chunks(BATCH)] == [3, 1]
    assert [int(part["seed"]) for part in by.chunks(BATCH)] == [1, 1]
    assert list(by.chunks({})) == []
