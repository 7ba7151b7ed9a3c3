"""Own tissue, replaced anomaly, soft seam."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

import sanum
from sanum.healthy.compose import COMPOSITIONS, TITLES, compose, grown, matched, require_t1w, seam
from sanum.healthy.result import Reconstruction
from sanum.scan import Scan, ScanError
from sanum.space.box import Box
from sanum.space.grid import apply_affine

GRID = Box((48, 52, 44), 2.5).grid()
POINTS = apply_affine(GRID.affine, np.moveaxis(np.indices(GRID.shape), 0, -1))
BRAIN = np.linalg.norm(POINTS / (50, 58, 48), axis=-1) < 1
SICK = np.linalg.norm(POINTS - (18, 5, 8), axis=-1) < 11
TRUTH = (np.where(np.sin(POINTS / 7).sum(-1) > 0, 1.0, 0.7) * BRAIN).astype(np.float32)
SHADING = np.exp(0.3 * POINTS[..., 1] / 58).astype(np.float32)


def scan_of(voxels):
    return Scan(voxels.astype(np.float32), GRID.affine)


@pytest.fixture(scope="module")
def parts():
    """A T1w with a dark lesion and coil shading, on a scale of hundreds; a soft prediction; P; the brain."""
    sick = 430 * SHADING * np.where(SICK, 0.4, TRUTH) * BRAIN + 12
    soft = ndimage.gaussian_filter(TRUTH, 1.2) * BRAIN
    return scan_of(sick), scan_of(soft), scan_of(SICK * 0.9), scan_of(BRAIN)


def test_the_anatomy_is_what_was_predicted(parts):
    assert compose("anatomy", *parts) is parts[1]


def test_healthy_tissue_is_the_scan_s_own_and_the_lesion_is_gone(parts):
    made = np.asarray(compose("keep-healthy", *parts).voxels)
    soft = np.asarray(parts[1].voxels)
    far = ndimage.binary_erosion(BRAIN, iterations=2) & ~ndimage.binary_dilation(SICK, iterations=5)
    assert np.abs(made - TRUTH)[far].mean() < 0.5 * np.abs(soft - TRUTH)[far].mean()
    np.testing.assert_allclose(made[SICK], soft[SICK], atol=0.05)
    assert not made[~BRAIN].any()


def test_the_lesion_can_be_put_back(parts):
    made = np.asarray(compose("keep-lesion", *parts).voxels)
    far = BRAIN & ~ndimage.binary_dilation(SICK, iterations=5)
    np.testing.assert_allclose(made[far], np.asarray(parts[1].voxels)[far], atol=1e-3)
    inner = ndimage.binary_erosion(SICK, iterations=2)
    assert made[inner].mean() == pytest.approx(0.4, abs=0.06)


def test_no_edge_is_seen_at_the_seam(parts):
    """Where both sides are flat, so is the way between them."""
    flat = scan_of(0.8 * BRAIN)
    made = np.asarray(
        compose("keep-healthy", scan_of(400 * 0.8 * SHADING * BRAIN), flat, parts[2], parts[3]).voxels
    )
    core = ndimage.binary_erosion(BRAIN, iterations=3)
    assert np.ptp(made[core]) < 0.1
    share = seam(SICK, (2.5,) * 3)
    assert share[SICK].min() > 0.9
    assert max(np.abs(np.diff(share, axis=a)).max() for a in range(3)) < 0.6


def test_shading_is_undone_but_contrast_is_not():
    got = matched(430 * SHADING * TRUTH, TRUTH, BRAIN, (2.5,) * 3)
    core = ndimage.binary_erosion(BRAIN, iterations=2)
    assert np.abs(got - TRUTH)[core].mean() < 0.03


def test_without_an_anomaly_the_scan_stays(parts):
    nothing = scan_of(np.zeros(GRID.shape))
    made = np.asarray(compose("keep-healthy", parts[0], parts[1], nothing, parts[3]).voxels)
    assert np.corrcoef(made[BRAIN], (np.asarray(parts[0].voxels) / SHADING)[BRAIN])[0, 1] > 0.99
    assert compose("keep-healthy", parts[0], parts[1], scan_of(np.ones(GRID.shape)), parts[3]) is parts[1]


def test_only_a_t1w_can_be_kept():
    scan, steps = scan_of(TRUTH), []
    for contrast in ("T1w", "T1wCE"):
        require_t1w(scan, contrast, "keep-healthy")
    for contrast in ("FLAIR", "CT", None):
        with pytest.raises(ScanError, match="needs a T1w"):
            require_t1w(scan, contrast, "keep-healthy")
    flair = replace(scan, contrast="FLAIR")
    with pytest.raises(ScanError, match="keep-lesion needs a T1w, but this scan is FLAIR"):
        sanum.reconstruct(flair, compose="keep-lesion", on_step=steps.append)
    assert steps == ["read"]  # and no step of the work
    with pytest.raises(ValueError, match="keep-all"):
        sanum.reconstruct(scan, compose="keep-all")
    assert COMPOSITIONS == ("anatomy", "keep-healthy", "keep-lesion")


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("kind", COMPOSITIONS)
def test_the_report_says_what_its_anatomy_shows(parts, kind):
    scan, anatomy, anomaly, brain = parts
    composed = compose(kind, *parts)
    mask = scan_of(SICK)
    result = Reconstruction(
        scan, composed, anomaly, mask, anatomy, brain, "T1w", provenance={"composition": kind}
    )
    words = " ".join(result.report().split())
    for other in COMPOSITIONS:
        title = TITLES[other]
        assert (f"the input; {title[0].lower()}{title[1:]};" in words) == (other == kind)


@pytest.mark.parametrize("at", [(0, 3, 9), (10, 12, 5), (19, 20, 13)])
def test_a_mask_grows_by_a_distance_at_the_border_too(at):
    mask, spacing = np.zeros((20, 21, 14), bool), (1.0, 0.7, 2.5)
    assert not grown(mask, spacing, 4.0).any()
    mask[at] = mask[10, 11, 5] = True
    expected = ndimage.distance_transform_edt(~mask, sampling=spacing) <= 4.0
    np.testing.assert_array_equal(grown(mask, spacing, 4.0), expected)


def test_growing_leaves_the_number_of_threads_alone():
    """Numba and PyTorch share OpenMP's threads: later scans were computed on more than asked for."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        grown(SICK, (2.5, 2.5, 2.5), 4.0)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
