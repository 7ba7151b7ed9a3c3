from itertools import islice
from types import SimpleNamespace

import numba
import pytest
import torch

from sanum.synth import stream as module
from sanum.synth.stream import Stream


class Counting(Stream):
    """A stream that tells which samples it is asked for."""

    def item(self, index):
        return {"index": torch.full((1, 1, 1, 1), index)}


def first(stream, count):
    return [int(x["index"].item()) for x in islice(stream, count)]


def test_an_item_is_a_function_of_seed_and_number(anatomy):
    one = Stream([anatomy], [], seed=3).item(11)
    again = Stream([anatomy], [], seed=3, start=7).item(11)
    other = Stream([anatomy], [], seed=4).item(11)
    assert set(one) == {"image", "t1w", "p", "lesion", "brain"}
    for name, x in one.items():
        assert x.shape[0] == (2 if name == "image" else 1)
        assert x.dtype == torch.float32
        assert torch.equal(x, again[name])
    assert not torch.equal(one["image"], other["image"])


def test_starts_where_told(anatomy):
    assert first(Counting([anatomy], [], seed=0, start=5), 3) == [5, 6, 7]


def test_workers_share_the_items_out(anatomy, monkeypatch):
    threads = torch.get_num_threads(), numba.get_num_threads()
    seen = []
    try:
        for worker in range(3):
            monkeypatch.setattr(
                module, "get_worker_info", lambda w=worker: SimpleNamespace(id=w, num_workers=3)
            )
            seen.append(first(Counting([anatomy], [], seed=0, start=4), 4))
    finally:
        torch.set_num_threads(threads[0])
        numba.set_num_threads(threads[1])
    assert sorted(index for items in seen for index in items) == list(range(4, 16))


def test_needs_an_anatomy():
    with pytest.raises(ValueError, match="anatomy"):
        Stream([], [], seed=0)
