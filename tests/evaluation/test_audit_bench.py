"""`bench/audit_slices.py`: a made scanner and made diseases change what they should."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module("audit_slices")
    sys.modules.pop("audit_slices")


def phantom(bench):
    """An ellipsoid of 2 mm voxels with ventricles of label 51 in its middle."""
    x, y, z = np.indices((90, 100, 80)) - np.array([45, 50, 40])[:, None, None, None]
    labels = np.int16(x**2 / 35**2 + y**2 / 42**2 + z**2 / 32**2 < 1)
    image = labels * (100.0 + 10 * np.sin(x / 3) * np.sin(y / 4))
    holes = (np.abs(x) < 5) & (np.abs(y) < 12) & (np.abs(z) < 12)
    labels[holes], image[holes] = 51, 20.0
    return bench.brain("sub-1", image, labels, 2.0)


def test_slices_scanners_and_diseases(bench):
    one, rng = phantom(bench), np.random.default_rng(0)
    assert one.image.shape == (bench.SLICES, bench.SIDE, bench.SIDE)
    assert not one.image[~one.brain].any()
    assert one.counts.sum() < 0.95 * one.brain.sum()
    assert (one.counts <= one.brain).all()
    harder, softer = (bench.seen_by(bench.SCANNERS[name], one, rng) for name in ("harder", "softer"))
    for seen in (harder, softer):
        assert not seen[~one.brain].any()
        assert np.percentile(seen[one.brain], 90) == pytest.approx(0.7, abs=0.03)
    assert harder[one.ventricles].mean() < one.image[one.ventricles].mean()  # more contrast
    older = bench.with_atrophy(one, one.image)
    assert (older[one.brain] < 0.3).sum() > 1.3 * (one.image[one.brain] < 0.3).sum()
    assert np.abs(older - one.image)[~one.counts].max() < 0.25  # hardly any change at the border
    sick = bench.with_lesions(one, one.image, rng)
    assert (np.abs(sick - one.image).max((1, 2)) > 0.05).all()
    assert not sick[~one.brain].any()
