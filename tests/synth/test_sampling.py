from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sanum.synth.anomaly import grow, start_of
from sanum.synth.sampling import SamplingConfig


def drawn(anatomy, sampling, bank=(), count=300):
    return [sampling.draw(np.random.default_rng([5, n]), anatomy, bank, spacing_mm=4.0) for n in range(count)]


@pytest.mark.parametrize("real", [0.0, 0.3, 1.0])
def test_share_of_real_scans(anatomy, real):
    presets = Counter(p.contrast.preset for p in drawn(anatomy, SamplingConfig(real=real)))
    assert presets["t1w"] / 300 == pytest.approx(real, abs=0.08)


def test_half_is_synthetic_by_default(anatomy):
    presets = Counter(p.contrast.preset for p in drawn(anatomy, SamplingConfig()))
    assert presets["t1w"] / 300 == pytest.approx(0.5, abs=0.08)
    assert set(presets) == {"t1w", "t2w", "flair", "pd", "dwi", "ct", "free"}


def test_presets_and_level(anatomy):
    samples = drawn(anatomy, SamplingConfig(real=0.0, presets=("ct",), level="none"), count=20)
    assert {p.contrast.preset for p in samples} == {"ct"}
    assert {p.corruption.noise_sigma for p in samples} == {0.0}


def test_share_of_healthy_scans(anatomy):
    assert not any(p.shapes for p in drawn(anatomy, SamplingConfig(healthy=1.0), count=20))
    assert all(p.shapes for p in drawn(anatomy, SamplingConfig(healthy=0.0), count=20))


def test_anomalies_from_noise_alone(anatomy):
    bank = [Path("stroke-001_mask.nii.gz")]
    assert any(s.mask for p in drawn(anatomy, SamplingConfig(), bank, 50) for s in p.shapes)
    assert not any(s.mask for p in drawn(anatomy, SamplingConfig(bank=False), bank, 50) for s in p.shapes)


def test_without_the_fluid_an_anomaly_stays_as_it_starts(anatomy):
    still = next(p for p in drawn(anatomy, SamplingConfig(fluid=False, healthy=0.0), count=1)).shapes[0]
    moved = next(p for p in drawn(anatomy, SamplingConfig(healthy=0.0), count=1)).shapes[0]
    assert start_of(anatomy, still) is None
    one, other = grow(anatomy, still), grow(anatomy, moved)
    assert one.max() == 1
    assert not one[~anatomy.brain].any()
    assert not np.array_equal(one, other)
    assert len(np.unique(one)) < len(np.unique(other))  # a softened mask, and what spread


def test_the_ageing_of_white_matter_has_a_switch_of_its_own(anatomy):
    with_it, without = (
        [
            p.world.ageing
            for p in drawn(anatomy, SamplingConfig(draws="world", white_matter_ageing=on), count=20)
        ]
        for on in (True, False)
    )
    assert min(a.caps for a in with_it) > 0 == max(a.caps for a in without)
    assert [replace(a, caps=0.0) for a in with_it] == without


@pytest.mark.parametrize("name", ["real", "patients", "healthy"])
def test_a_share_is_a_share(name):
    with pytest.raises(ValueError, match=f"sampling.{name} is a share between 0 and 1, got 1.5"):
        SamplingConfig(**{name: 1.5})
