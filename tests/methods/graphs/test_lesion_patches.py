"""Patches around lesions are what is there, and their codes tell what a lesion looks like."""

import numpy as np
import pytest

from sanum.methods.graphs.ms_lesions.coder import PatchCoder, PatchRecipe
from sanum.methods.graphs.ms_lesions.patches import SIZE, patches_of
from sanum.scan import Scan
from sanum.weights.file import WeightsError, save_weights

PLACES = np.stack(np.meshgrid(*[(np.arange(SIZE) - 5.5) * 2] * 3, indexing="ij"), -1)


def blobs(count, seed):
    """Patches of made-up lesions, and of each its radius and brightness."""
    rng = np.random.default_rng(seed)
    radius, light = rng.uniform(3, 9, count), rng.uniform(0.3, 1.0, count)
    inside = 1 / (1 + np.exp(np.linalg.norm(PLACES, axis=-1) - radius[:, None, None, None]))
    patches = inside * light[:, None, None, None] + rng.normal(0, 0.05, (count, SIZE, SIZE, SIZE))
    return patches.astype(np.float32), np.stack([radius, light], 1)


def test_a_patch_is_what_the_scan_has_there_whatever_its_axes():
    """A ramp along world x, stored with turned axes."""
    affine = np.array([[0, 0, 1.0, -30], [1.0, 0, 0, -30], [0, -1.0, 0, 30], [0, 0, 0, 1]])
    ramp = np.broadcast_to(np.arange(61, dtype=np.float32), (61, 61, 61)).copy()
    scan = Scan(ramp, affine)
    one, other = patches_of(scan, [[0.0, 0, 0], [10, -3, 5]])
    low, high = np.percentile(ramp[ramp > 0], (1, 99))
    expected = (30 + (np.arange(SIZE) - 5.5) * 2 - low) / (high - low)
    np.testing.assert_allclose(one, np.broadcast_to(expected[:, None, None], one.shape), atol=1e-3)
    np.testing.assert_allclose(other, one + 10 / (high - low), atol=1e-3)
    edge = patches_of(scan, [[29.0, 0, 0]])[0]
    assert edge[0].min() > 0.5
    assert not edge[-1].any()  # beyond the scan
    with pytest.raises(ValueError, match="lesion 2 is outside of the scan"):
        patches_of(scan, [[0, 0, 0], [99, 0, 0]])
    with pytest.raises(ValueError, match="the scan has one value everywhere above 0"):
        patches_of(scan.with_voxels(np.ones_like(ramp)), [[0, 0, 0]])


def test_what_is_saved_is_restored_and_what_is_wrong_is_refused(tmp_path):
    patches, _ = blobs(12, 0)
    coder = PatchCoder().with_settings("loop.steps=3", "codes=2", "width=2").fit(patches)
    found = coder.columns(patches)
    again = PatchCoder().restore(coder.save(tmp_path / "coder.safetensors"))
    assert list(found) == ["code0", "code1"]
    for name, values in again.columns(patches).items():
        np.testing.assert_array_equal(values, found[name])
    assert coder.reconstruct(patches).shape == patches.shape
    with pytest.raises(ValueError, match=r"expected patches \(N, 12, 12, 12\), got \(12, 12, 12\)"):
        coder.columns(patches[0])
    with pytest.raises(ValueError, match="there are no patches to learn from"):
        PatchCoder().fit(patches[:0])
    with pytest.raises(RuntimeError, match="the patch coder has learned nothing"):
        PatchCoder().columns(patches)
    with pytest.raises(ValueError, match="codes must be at least 1, got 0"):
        PatchRecipe("ms-lesions-patches", codes=0)
    save_weights(tmp_path / "other.safetensors", {}, method="other")
    with pytest.raises(WeightsError, match="holds weights of other, expected a patch coder"):
        PatchCoder().restore(tmp_path / "other.safetensors")


@pytest.mark.full
def test_codes_tell_size_and_brightness_of_lesions_not_seen():
    """A plane through the codes, fitted to one half of new lesions, is tested on the other."""
    coder = PatchCoder().with_settings("loop.steps=400").fit(blobs(300, 1)[0])
    patches, truth = blobs(400, 2)
    left = ((coder.reconstruct(patches) - patches) ** 2).mean()
    assert left < 0.35 * patches.var(0).mean()  # noise is a tenth of it
    codes = np.stack([*coder.columns(patches).values(), np.ones(400)], 1)
    plane = np.linalg.lstsq(codes[:200], truth[:200], rcond=None)[0]
    explained = 1 - ((codes[200:] @ plane - truth[200:]) ** 2).mean(0) / truth[200:].var(0)
    assert explained.min() > 0.8
