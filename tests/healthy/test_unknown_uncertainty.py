import nibabel as nib
import numpy as np
import pytest

from sanum.healthy.reconstruction import reconstruct
from sanum.methods.common.anatomy import Maps
from sanum.space.box import Box


class NoUncertainty:
    """Brain where it is bright; says nothing of its uncertainty."""

    weights_name, weights_sha256, device = "none", "0" * 64, "cpu"
    box = Box((40, 48, 40), 4.0)

    def __call__(self, pair, *, covered=None, quick=False, contrast="unknown"):
        image = pair[0]
        brain = np.clip((image - 0.1) / 0.1, 0, 1)
        return Maps(np.minimum(image, 1), 0 * image, brain, np.full_like(image, np.nan))


@pytest.mark.usefixtures("rough_mirror", "no_pictures")
def test_an_unknown_uncertainty_is_nan_in_the_brain_and_0_outside(phantom, tmp_path):
    result = reconstruct(phantom, predictor=NoUncertainty())
    result.save(tmp_path)
    (path,) = tmp_path.glob("*_desc-uncertainty*.nii.gz")
    written, brain = np.asarray(nib.load(path).dataobj), np.asarray(result.brain.voxels) > 0
    assert brain.any()
    assert np.isnan(written[brain]).all()
    assert not written[~brain].any()
