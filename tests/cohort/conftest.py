"""Cohorts of small scans, and a stand-in for the network's part that takes no time."""

import numpy as np
import pytest

from sanum.reconstruction import Reconstruction
from sanum.scan import Scan, ScanError, write

CELLS = (12, 14, 10)


def small_scan(seed: int) -> Scan:
    """Noise of a few kilobytes."""
    voxels = np.random.default_rng(seed).integers(1, 999, CELLS).astype(np.int16)
    return Scan(voxels, np.diag([10.0, 10, 10, 1]))


def at_once(scan, *, predictor, space="input", compose="anatomy", on_step=None, volume=None):
    """In place of `reconstruct`: maps that follow from the voxels in a millisecond."""
    x = np.asarray(scan.voxels, np.float32) / 1000
    if x.max() > 1:
        raise ScanError(f"no head found in {scan.path.name}: too bright")
    images = [x, x**2, (x > 0.7).astype(np.uint8), x / 10, (x > 0.1).astype(np.uint8)]
    provenance = {
        "weights": predictor.weights_name, "device": predictor.device, "date": "now", "seconds": "1",
    }  # fmt: skip
    return Reconstruction(
        scan, *(Scan(image, scan.affine) for image in images), "T1w", scan.warnings, provenance
    )


@pytest.fixture
def cohort(tmp_path):
    """Write `count` scans sub-XX/anat/sub-XX_T1w.nii.gz into `tmp_path`/in; returns that folder."""

    def make(count):
        for n in range(1, count + 1):
            write(small_scan(n), tmp_path / "in" / f"sub-{n:02d}" / "anat" / f"sub-{n:02d}_T1w.nii.gz")
        return tmp_path / "in"

    return make


@pytest.fixture
def fast(monkeypatch, phantom_predictor):
    """`run` without the network's part."""
    monkeypatch.setattr("sanum.cohort.work.reconstruct", at_once)
    return phantom_predictor
