"""Detectors of 2-D images, slice by slice, on a phantom with a bright lesion."""

import numpy as np
import pytest

import sanum
from sanum.evaluation import HealthyAnatomy, Sliced, find_cases, measure
from sanum.metrics.overlap import soft_dice
from sanum.scan import Scan, read


@pytest.fixture(scope="module")
def detector(phantom, tmp_path_factory):
    """Principal components of healthy phantoms, of a few brightnesses, in the range of the whole volume."""
    root, well = tmp_path_factory.mktemp("normals"), np.minimum(phantom.voxels, 1)
    for n, bright in enumerate((0.9, 1.0, 1.1)):
        noise = np.random.default_rng(n).normal(0, 0.02, well.shape) * (well > 0)
        sanum.write(phantom.with_voxels((bright * well + noise).astype(np.float32)), root / f"{n}.nii.gz")
    settings = ("reading.white=99.8", "reading.least=0.1", "picture.size=32", "picture.fit=pad")
    made = sanum.load("pca").with_settings(*settings).fit(sorted(root.iterdir()))
    made.save(root / "m.safetensors")
    return sanum.load("pca", weights=root / "m.safetensors")


def test_the_map_of_a_volume_is_high_in_the_lesion_and_lies_on_the_scans_grid(detector, bids, phantom):
    brain, lesion = np.asarray(phantom.voxels) > 0, np.asarray(phantom.voxels) > 1.2
    found = Sliced(detector).map_of(phantom, brain)
    assert (found[brain].max(), found.min(), found[~brain].max()) == (1, 0, 0)
    assert found[lesion].mean() > 4 * found[brain & ~lesion].mean()
    flipped = Scan(np.asarray(phantom.voxels)[::-1, :, ::-1].transpose(2, 0, 1), _other(phantom.affine))
    again = Sliced(detector).map_of(flipped, brain[::-1, :, ::-1].transpose(2, 0, 1))
    np.testing.assert_allclose(again, found[::-1, :, ::-1].transpose(2, 0, 1), atol=1e-6)
    skull = phantom.with_voxels(np.where(brain, phantom.voxels, 0.8).astype(np.float32))
    low = float(np.asarray(skull.voxels).min())
    np.testing.assert_allclose(
        Sliced(detector).map_of(skull, brain),
        Sliced(detector).map_of(phantom.with_voxels(np.where(brain, phantom.voxels, low)), brain),
    )
    assert not Sliced(detector).map_of(phantom, np.zeros_like(brain)).any()


def test_a_detector_is_a_row_of_the_tables(detector, bids, rows_of, tmp_path):
    cases, method = find_cases(bids), Sliced(detector)
    done = measure(HealthyAnatomy(["keep-healthy"]), cases[:1], {"pca (m)": method}, tmp_path)
    assert done.failed == ()
    ((key, row),) = rows_of(tmp_path).items()
    assert key == ("sub-1_desc-brain_T1w", "pca (m)")
    scan = read(cases[0].scan)
    brain, lesion = (np.asarray(read(file).voxels) > 0 for file in (cases[0].brain, cases[0].lesion))
    assert float(row["dice_soft"]) == pytest.approx(soft_dice(method.map_of(scan, brain), lesion), abs=1e-5)
    assert float(row["dice_oracle"]) > 0.3 > float(row["dice_soft"])
    assert (row["dice"], row["brain_psnr_f"], row["weights"]) == ("", "", detector.weights_sha256[:12])


def _other(affine):
    """Affine of voxels turned as above: the last axis first, two of them from their other end."""
    x, y, z = (affine[:, n] for n in range(3))
    start = affine[:, 3] + 49 * x + 49 * z
    return np.stack([-z, -x, y, start], axis=1)
