import multiprocessing
from itertools import islice
from types import SimpleNamespace

import numba
import pytest
import torch

from sanum.space.box import Box
from sanum.synth import stream as module
from sanum.synth.stream import Stream, TrainingSet

SMALL = Box((24, 28, 20), 7.0).grid()


class Counting(Stream):
    """A stream that tells which samples it is asked for."""

    def item(self, index):
        return {"index": torch.full((1, 1, 1, 1), index)}


def first(stream, count):
    return [int(x["index"].item()) for x in islice(stream, count)]


def test_an_item_is_a_function_of_seed_and_number(anatomy):
    one = Stream(TrainingSet([anatomy]), box=SMALL, seed=3, lost=0).item(11)
    again = Stream(TrainingSet([anatomy]), box=SMALL, seed=3, start=7, lost=0).item(11)
    other = Stream(TrainingSet([anatomy]), box=SMALL, seed=4).item(11)
    assert set(one) == {"image", "to_atlas", "real", "contrast", "t1w", "p", "lesion", "mirrored", "brain"}
    for name, x in one.items():
        assert x.shape[:1] == {"image": (2,), "to_atlas": (4,), "real": (), "contrast": ()}.get(name, (1,))
        assert x.dtype == torch.float32
        assert torch.equal(x, again[name])
    assert not torch.equal(one["image"], other["image"])


def test_starts_where_asked(anatomy):
    assert first(Counting(TrainingSet([anatomy]), seed=0, start=5), 3) == [5, 6, 7]


def test_workers_share_the_items_out(anatomy, monkeypatch):
    threads = torch.get_num_threads(), numba.get_num_threads()
    seen = []
    try:
        for worker in range(3):
            monkeypatch.setattr(
                module, "get_worker_info", lambda w=worker: SimpleNamespace(id=w, num_workers=3)
            )
            seen.append(first(Counting(TrainingSet([anatomy]), seed=0, start=4), 4))
    finally:
        torch.set_num_threads(threads[0])
        numba.set_num_threads(threads[1])
    assert sorted(index for items in seen for index in items) == list(range(4, 16))


def test_each_sample_twice_the_second_time_flipped(anatomy, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2)
    plain = Stream(TrainingSet([anatomy]), box=SMALL, seed=3)
    twice = Stream(TrainingSet([anatomy]), box=SMALL, seed=3, flipped_too=True)
    for index, (number, flipped) in enumerate(
        [(0, False), (1, False), (0, True), (1, True), (2, False), (3, False), (2, True)]
    ):
        for name, x in twice.item(index).items():
            once = plain.item(number)[name]
            if name == "to_atlas":
                across = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
                torch.testing.assert_close(x, across @ once @ across if flipped else once, equal_nan=True)
            else:
                assert torch.equal(x, once.flip(1) if flipped and once.ndim else once)
    assert torch.equal(  # a resumed run may start at a second use
        Stream(TrainingSet([anatomy]), box=SMALL, seed=3, flipped_too=True).item(6)["image"],
        twice.item(6)["image"],
    )


def test_some_poses_are_not_known(anatomy):
    def unknown(lost):
        stream = Stream(TrainingSet([anatomy]), box=SMALL, seed=3, lost=lost)
        return sum(bool(stream.item(n)["to_atlas"].isnan().any()) for n in range(6))

    assert (unknown(0.0), unknown(1.0)) == (0, 6)


def test_no_more_is_kept_than_a_block(anatomy, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2)
    stream = Stream(TrainingSet([anatomy]), box=SMALL, seed=3, flipped_too=True)
    for index in range(9):
        stream.item(index)
    assert len(stream._kept) == 2


def test_needs_an_anatomy():
    with pytest.raises(ValueError, match="anatomy"):
        Stream(TrainingSet([]), seed=0)


@pytest.mark.full
def test_other_processes_make_the_same_items(anatomy, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2)
    # the second uses of a block begun half-way
    options = {"box": SMALL, "seed": 3, "start": 1, "flipped_too": True}
    stream = Stream(TrainingSet([anatomy]), **options)
    stream.item(0)  # what was used before does not matter
    ahead = stream.prefetched(2)
    for made, own in zip(islice(ahead, 5), Stream(TrainingSet([anatomy]), **options), strict=False):
        for name in own:
            torch.testing.assert_close(made[name], own[name], rtol=0, atol=0, equal_nan=True)
    ahead.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, 1])
def test_any_items_in_any_order(anatomy, monkeypatch, workers):
    """A process of several takes its share; each sample of it twice where both uses are in the share."""
    monkeypatch.setattr(module, "BLOCK", 2)
    stream = Stream(TrainingSet([anatomy]), box=SMALL, seed=3, flipped_too=True)
    numbers = [1, 3, 5, 4]
    made = stream.prefetched(workers, numbers)
    for number, item in zip(numbers, made, strict=True):
        wanted = Stream(TrainingSet([anatomy]), box=SMALL, seed=3, flipped_too=True).item(number)
        assert all(torch.equal(item[k].nan_to_num(), wanted[k].nan_to_num()) for k in wanted)
    assert not multiprocessing.active_children()


def test_any_box(anatomy):
    item = Stream(TrainingSet([anatomy]), seed=1, box=SMALL).item(0)
    assert item["image"].shape == (2, 24, 28, 20)


@pytest.mark.parametrize("device", ["cpu", "as on a GPU"])
def test_batches_are_the_items(anatomy, monkeypatch, device):
    stream = Stream(TrainingSet([anatomy]), seed=1, start=4, box=SMALL, lost=0.5)
    if device != "cpu":  # the way of a GPU, on the CPU
        real = module.OnDevice
        monkeypatch.setattr(module, "OnDevice", lambda heads, _: real(heads, "cpu"))
    batch = next(stream.batches(3, device=device))
    items = [stream.item(n) for n in (4, 5, 6)]
    assert set(batch) == set(items[0])
    for name in ("t1w", "p", "brain", "to_atlas", "contrast"):
        wanted = torch.stack([i[name] for i in items])
        assert batch[name].shape == wanted.shape
        both = wanted.isnan() == batch[name].isnan()
        assert both.all()
        assert float((batch[name] - wanted).nan_to_num().abs().mean()) < 1e-3
