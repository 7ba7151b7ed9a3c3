from itertools import islice
from types import SimpleNamespace

import numba
import pytest
import torch

from sanum.scan.conform import MODEL_SHAPE
from sanum.synth import stream as module
from sanum.synth.stream import Stream


class Counting(Stream):
    """A stream that tells which samples it is asked for."""

    def sample(self, index):
        return {"index": torch.full((1, 1, 1, 1), index)}

    def box(self, index):
        self.boxes = [*getattr(self, "boxes", []), index]
        return (slice(None),) * 4


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


def test_crops_go_on_inside_a_sample(anatomy):
    """Item i is box i mod 3 of sample i div 3, wherever the stream starts."""
    stream = Counting([anatomy], [], seed=0, start=4, crop=(2, 2, 2), crops=3)
    assert first(stream, 6) == [1, 1, 2, 2, 2, 3]
    assert stream.boxes == [4, 5, 6, 7, 8, 9]


def test_boxes_are_seeded_even_and_inside(anatomy):
    stream = Stream([anatomy], [], seed=0, crop=(64, 48, 96), crops=2)
    for index in range(30):
        box = stream.box(index)
        assert box == stream.box(index)
        for s, whole, size in zip(box[1:], MODEL_SHAPE, (64, 48, 96), strict=True):
            assert s.start % 2 == 0
            assert 0 <= s.start < s.stop <= whole
            assert s.stop - s.start == size
    assert len({stream.box(i)[1].start for i in range(30)}) > 5


def test_a_crop_is_cut_out_of_its_sample(anatomy):
    stream = Stream([anatomy], [], seed=3, crop=(32, 32, 32), crops=2)
    whole, crop = stream.sample(2), stream.item(5)
    assert crop["image"].shape == (2, 32, 32, 32)
    assert torch.equal(crop["t1w"], whole["t1w"][stream.box(5)])


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


def test_crops_need_a_shape(anatomy):
    with pytest.raises(ValueError, match="crop"):
        Stream([anatomy], [], seed=0, crops=3)


def test_needs_an_anatomy():
    with pytest.raises(ValueError, match="anatomy"):
        Stream([], [], seed=0)
