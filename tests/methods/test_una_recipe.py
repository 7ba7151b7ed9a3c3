from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from sanum.learn.loop import LoopConfig, TrainingStopped
from sanum.learn.weights import WeightsError, load_weights
from sanum.methods.una import recipe as module
from sanum.methods.una.model import Una
from sanum.methods.una.recipe import Recipe, split_masks, split_subjects, train

SHORT = LoopConfig(steps=2, warmup=1)
TINY = Recipe(widths=(8, 8), workers=0, loop=SHORT)


@pytest.fixture
def data(tmp_path):
    """Empty files with the names of 12 subjects and 103 masks."""
    root = tmp_path / "data"
    for n in range(12):
        name = f"sub-{n:03d}"
        for path in (f"{name}/anat/{name}_T1w", f"derivatives/dlmuse/{name}/anat/{name}_dseg"):
            file = root / "ixi" / f"{path}.nii.gz"
            file.parent.mkdir(parents=True)
            file.touch()
    (root / "lesions").mkdir()
    names = [f"stroke-{n:03d}" for n in range(100)] + [f"ms-{n:02d}" for n in range(1, 4)]
    for name in names:
        (root / "lesions" / f"{name}_mask.nii.gz").touch()
    (root / "lesions" / "README.md").touch()
    return root


def names(paths):
    return [p.name.split("_")[0] for p in paths]


def test_the_last_eight_subjects_are_held_out(data):
    train_pairs, held = split_subjects(data)
    assert names(p[0] for p in train_pairs) == [f"sub-{n:03d}" for n in range(4)]
    assert names(p[0] for p in held) == [f"sub-{n:03d}" for n in range(4, 12)]


def test_the_last_ten_strokes_are_held_out(data):
    train_masks, held = split_masks(data)
    assert names(held) == [f"stroke-{n:03d}" for n in range(90, 100)]
    assert len(train_masks) == 93
    assert not set(train_masks) & set(held)


def test_the_real_split_does_not_leak(shared_data):
    subjects, held_subjects = split_subjects(shared_data)
    masks, held_masks = split_masks(shared_data)
    assert len(held_subjects) == 8
    assert not {p[0] for p in subjects} & {p[0] for p in held_subjects}
    assert not {p[1] for p in subjects} & {p[1] for p in held_subjects}
    assert not set(masks) & set(held_masks)
    assert set(names(held_masks)) <= {f"stroke-{n:03d}" for n in range(90, 100)}


class TinyStream(torch.utils.data.IterableDataset):
    """Keeps what it is given; yields tiny samples that depend on their number."""

    made: ClassVar[list] = []

    def __init__(self, anatomies, bank, *, seed, start, flipped_too):
        self.anatomies, self.bank, self.seed, self.start = anatomies, bank, seed, start
        TinyStream.made.append(self)

    def __iter__(self):
        n = self.start
        while True:
            g = torch.Generator().manual_seed(n)
            maps = {k: torch.rand(1, 8, 8, 8, generator=g) for k in ("t1w", "p", "lesion", "brain")}
            yield {"image": torch.rand(2, 8, 8, 8, generator=g), "to_atlas": torch.eye(4), **maps}
            n += 1


AVERAGED = []


def averaged(anatomies):
    """Stand in for the average of `anatomies`, which are remembered."""
    AVERAGED.append(anatomies)
    return np.ones((2, 80, 96, 80), np.float32)


@pytest.fixture
def tiny(monkeypatch):
    """Training with all its parts but the anatomies and the samples."""
    monkeypatch.setattr(TinyStream, "made", [])
    monkeypatch.setattr(module, "prepare", lambda t1w, labels, cache: (t1w, labels))
    monkeypatch.setattr(module, "average_anatomy", lambda anatomies, *, seed: averaged(anatomies))
    monkeypatch.setattr(module, "atlas", averaged)
    monkeypatch.setattr(module, "Stream", TinyStream)


@pytest.mark.usefixtures("tiny")
def test_training_sees_nothing_that_is_held_out(data, tmp_path):
    seen = []
    train(data, tmp_path / "run", TINY, on_prepare=lambda n, of: seen.append((n, of)))
    assert seen == [(n, 4) for n in range(1, 5)]
    held_subjects = {p for pair in split_subjects(data)[1] for p in pair}
    assert TinyStream.made
    for averaged_ones in AVERAGED[-2:]:
        assert not {p for pair in averaged_ones for p in pair} & held_subjects
    for stream in TinyStream.made:
        assert not {p for pair in stream.anatomies for p in pair} & held_subjects
        assert not set(stream.bank) & set(split_masks(data)[1])
        assert set(stream.bank) == set(split_masks(data)[0])
        assert names(stream.bank).count("ms-01") == 3  # few masks, but small lesions matter


@pytest.mark.usefixtures("tiny")
def test_weights_are_written_and_fit(data, tmp_path):
    path = train(data, tmp_path / "run", TINY)
    state, description = load_weights(path)
    assert path.name == "una-compact.safetensors"
    assert description["method"] == "una"
    assert description["steps"] == 2
    Una(description["widths"]).load_state_dict(state)


STILL = Recipe(widths=(8, 8), workers=0, loop=LoopConfig(steps=1, warmup=1, learning_rate=0.0))


@pytest.mark.usefixtures("tiny")
def test_training_starts_from_other_weights(data, tmp_path):
    path = train(data, tmp_path / "first", TINY)
    again = load_weights(train(data, tmp_path / "second", STILL, start_from=path))[0]
    first = load_weights(path)[0]
    for name in first:
        torch.testing.assert_close(again[name], first[name], msg=name)
    fresh = load_weights(train(data, tmp_path / "fresh", STILL))[0]
    assert any((fresh[name] - first[name]).abs().max() > 1e-4 for name in first)


@pytest.mark.usefixtures("tiny")
def test_weights_of_another_network_are_no_start(data, tmp_path):
    path = train(data, tmp_path / "first", replace(TINY, widths=(8, 16)))
    with pytest.raises(WeightsError, match=r"does not fit the network una-compact"):
        train(data, tmp_path / "second", TINY, start_from=path)


@pytest.mark.usefixtures("tiny")
def test_stopped_and_resumed_is_like_unbroken(data, tmp_path):
    whole = load_weights(train(data, tmp_path / "whole", TINY))[0]
    broken = tmp_path / "broken"
    with pytest.raises(TrainingStopped):
        train(data, broken, TINY, stop_after=1)
    assert not (broken / "una-compact.safetensors").exists()
    resumed = load_weights(train(data, broken, TINY, resume=True))[0]
    assert [stream.start for stream in TinyStream.made] == [0, 0, 1]
    # oneDNN's bfloat16 gradients differ in the last bit from run to run, and Adam's first steps are as long
    # as the rate whatever the gradient; tests/learn/test_loop.py shows equality in float32
    assert max((whole[k] - resumed[k]).abs().max() for k in whole) < 6 * TINY.loop.learning_rate
