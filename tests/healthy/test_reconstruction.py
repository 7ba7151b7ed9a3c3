"""The main job from end to end: with a method that knows the phantom, and with the network that ships."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import sanum
from sanum.healthy.grids import on_grid
from sanum.healthy.reconstruction import reconstruct
from sanum.scan import Scan
from sanum.space.box import Box
from sanum.space.grid import apply_affine, covering

from .heads import BRAIN_ML, oblique


@pytest.mark.usefixtures("rough_mirror")
class TestReconstructThePhantom:
    """The plumbing, with a method that knows the phantom."""

    def test_on_an_oblique_grid_with_thick_slices(self, phantom, phantom_predictor_2mm):
        grid = oblique()
        scan = Scan(on_grid(phantom, grid).voxels, grid.affine, path=Path("sub-1_FLAIR.nii.gz"))
        steps = []
        result = reconstruct(scan, predictor=phantom_predictor_2mm, on_step=steps.append)
        assert steps[0] == "read"
        assert all(image.grid.same_as(grid) for image in result.images.values())
        assert result.brain.voxels.sum() * grid.voxel_volume_ml == pytest.approx(
            BRAIN_ML, rel=0.1
        )  # thick slices blur
        lesion = apply_affine(grid.affine, np.argwhere(result.anomaly_mask.voxels).mean(0))
        np.testing.assert_allclose(lesion, (40, -6, 10), atol=3)
        assert result.warnings == (
            "slices of 5.5 mm: between them the results are interpolated, and small lesions may be missed",
        )
        assert result.contrast == "T1w"
        assert result.provenance["weights"] == "none"
        assert result.provenance["input"] == "sub-1_FLAIR.nii.gz"
        json.dumps(result.provenance)

    def test_at_one_millimetre(self, phantom, phantom_predictor):
        scan = Scan(phantom.voxels[10:40, 5:55, 15:40], phantom.affine, "PDw")
        result = reconstruct(scan, predictor=phantom_predictor, space="1mm")
        np.testing.assert_allclose(result.scan.grid.spacing_mm, 1)
        assert all(i.grid.same_as(covering(scan.grid, 1.0)) for i in result.images.values())
        assert result.contrast == "PDw"

    @pytest.mark.parametrize(("shape", "spacing"), [((40, 48, 40), 4.0), ((56, 64, 56), 3.0)])
    def test_in_the_box_of_the_method(self, phantom, phantom_predictor, shape, spacing):
        phantom_predictor.box = Box(shape, spacing)
        result = reconstruct(phantom, predictor=phantom_predictor)
        assert all(image.grid.same_as(phantom.grid) for image in result.images.values())
        volume = result.brain.voxels.sum() * phantom.grid.voxel_volume_ml
        assert volume == pytest.approx(BRAIN_ML, rel=0.1)
        lesion = apply_affine(phantom.affine, np.argwhere(result.anomaly_mask.voxels).mean(0))
        np.testing.assert_allclose(lesion, (40, -6, 10), atol=3)
        assert result.warnings == ()

    def test_warnings_of_the_reader_are_kept(self, phantom, phantom_predictor):
        result = reconstruct(phantom.warn("mind this"), predictor=phantom_predictor)
        assert result.warnings == ("mind this",)

    def test_another_space_is_refused(self, phantom):
        with pytest.raises(ValueError, match='space is "input" or "1mm", not "mni"'):
            reconstruct(phantom, space="mni")

    def test_a_path_a_nibabel_image_and_a_scan_give_the_same(self, phantom, phantom_predictor, phantom_file):
        result = reconstruct(phantom, predictor=phantom_predictor)
        for source in (str(phantom_file), nib.load(phantom_file)):
            other = reconstruct(source, predictor=phantom_predictor)
            np.testing.assert_allclose(other.anatomy.voxels, result.anatomy.voxels, atol=1e-3)
            assert other.scan.path == phantom_file


@pytest.mark.full
class TestShippedNetwork:
    """End to end on ICBM152; the numbers of the model card are measured elsewhere."""

    @pytest.fixture
    @staticmethod
    def result(shipped_on_icbm152):
        return shipped_on_icbm152

    def test_the_brain_is_found(self, result, icbm152_2mm):
        truth = icbm152_2mm.voxels > 0
        brain = result.brain.voxels > 0
        assert 2 * (brain & truth).sum() / (brain.sum() + truth.sum()) > 0.85

    def test_the_anatomy_is_like_the_scan(self, result, icbm152_2mm):
        inside = (result.brain.voxels > 0) & (icbm152_2mm.voxels > 0)
        anatomy = result.anatomy.voxels
        assert np.corrcoef(anatomy[inside], icbm152_2mm.voxels[inside])[0, 1] > 0.7
        assert 0.8 < np.percentile(anatomy[inside], 90) < 1.2  # white matter

    def test_a_healthy_brain_is_mostly_healthy(self, result):
        assert result.anomaly_mask.voxels.sum() < 0.05 * result.brain.voxels.sum()
        assert result.contrast == "T1w"

    def test_it_is_told_what_made_it(self, result):
        assert result.provenance["device"] == "cpu"
        assert result.provenance["version"] == sanum.__version__
        assert len(result.provenance["weights_sha256"]) == 64
