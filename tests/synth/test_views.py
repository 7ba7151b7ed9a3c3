from dataclasses import replace

import numpy as np
import pytest
import torch

from sanum.space.box import Box
from sanum.synth import stream as module
from sanum.synth.generator import ViewParams, apply_sample, draw_sample
from sanum.synth.sampling import SamplingConfig
from sanum.synth.stream import Stream, TrainingSet

BOX = Box((24, 28, 20), 7.0).grid()


def drawn(anatomy, **options):
    return draw_sample(np.random.default_rng(5), anatomy, (), healthy=0.0, spacing_mm=7.0, **options)


@pytest.mark.parametrize("preset", ["t2w", "ct"])
def test_a_view_of_the_same_modality_is_the_scan_itself(anatomy, preset):
    """So views show the head of the sample, where it lies, with its anomaly, in its field of view."""
    params = drawn(anatomy, preset=preset, level="medium")
    params = replace(params, corruption=replace(params.corruption, cut_low_mm=40.0))
    own = ViewParams(params.contrast, params.corruption)
    other = replace(own, corruption=replace(params.corruption, cut_low_mm=0.0))
    sample = apply_sample(anatomy, params, box=BOX, views=[own, other])
    for view in sample.views:
        np.testing.assert_array_equal(view, sample.image[0])


def test_without_views_there_are_none(anatomy):
    sample = apply_sample(anatomy, drawn(anatomy), box=BOX)
    assert sample.views.shape == (0, *BOX.shape)
    assert sample.sick is None


def test_views_and_targets_come_on_top(anatomy):
    """They leave the rest of a sample as it was."""
    sampling = SamplingConfig(healthy=0.0)
    plain = Stream(TrainingSet([anatomy]), seed=3, box=BOX, sampling=sampling, lost=0).item(1)
    item = Stream(
        TrainingSet([anatomy]),
        seed=3,
        box=BOX,
        sampling=replace(sampling, views=("mild", "severe"), sick=True),
        lost=0,
    ).item(1)
    assert item.pop("views").shape == (2, *BOX.shape)
    assert item.pop("sick").shape == (2, *BOX.shape)
    assert set(item) == set(plain)
    for name in plain:
        assert torch.equal(item[name], plain[name])


def test_on_a_device_as_on_the_cpu(anatomy, monkeypatch):
    sampling = SamplingConfig(real=0.0, healthy=0.0, level="none", views=("none", "none"), sick=True)
    stream = Stream(TrainingSet([anatomy]), seed=2, box=BOX, sampling=sampling, lost=0)
    real = module.OnDevice
    monkeypatch.setattr(module, "OnDevice", lambda heads, _: real(heads, "cpu"))
    batch = next(stream.batches(2, device="as on a GPU"))
    items = [stream.item(n) for n in range(2)]
    assert set(batch) == set(items[0])
    for name, error in (("views", 0.04), ("sick", 0.005)):  # textures differ; another modality is 0.2 off
        wanted = torch.stack([i[name] for i in items])
        assert batch[name].shape == wanted.shape
        assert float((batch[name] - wanted).abs().mean()) < error
