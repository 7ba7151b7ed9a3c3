"""What becomes of scans that show no head, or one that lies otherwise: the job with methods that say so."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.healthy.reconstruction import reconstruct
from sanum.methods.common.anatomy import Posture
from sanum.scan import Scan, ScanError
from sanum.space.grid import Grid, apply_affine

from .heads import BRAIN_ML, CENTRE_MM

pytestmark = pytest.mark.usefixtures("rough_mirror")
LESION = np.array([34.0, 4, 6])  # of the phantom, from its middle
TURNS = [
    np.eye(3),
    *(Rotation.from_euler(a, d, degrees=True).as_matrix() for a in "xyz" for d in (-90, 90, 180)),
]


class Says:
    """The phantom's method, which says how the brain lies."""

    weights_name, weights_sha256, device, memory_plan = "none", "0" * 64, "cpu", None

    def __init__(self, predictor, posture):
        self.predictor, self.posture, self.box = predictor, posture, predictor.box

    def __call__(self, pair, *, covered=None, quick=False, contrast="unknown"):
        maps = self.predictor(pair, covered=covered, quick=quick, contrast=contrast)
        return replace(maps, posture=self.posture(maps) if callable(self.posture) else self.posture)


def seen_from_its_lesion(maps):
    """Which of ten turns lays the lesion to where the upright phantom has it."""
    there = np.argwhere(maps.anomaly > 0.5).mean(0) - np.argwhere(maps.brain > 0.5).mean(0)
    pose = np.eye(4)
    pose[:3, :3] = max(TURNS, key=lambda turn: float(turn @ there @ LESION))
    return Posture(pose, 0.6)


class TestNoHead:
    posture = Posture(np.eye(4), 0.04)

    def test_it_is_refused(self, phantom, phantom_predictor):
        with pytest.raises(ScanError, match="no head found in this scan: the average brain explains 4% of"):
            reconstruct(phantom, predictor=Says(phantom_predictor, self.posture))

    def test_by_force_it_gives_what_a_head_gives_and_the_reason(self, phantom, phantom_predictor):
        head = reconstruct(phantom, predictor=Says(phantom_predictor, Posture(np.eye(4), 0.6)))
        forced = reconstruct(phantom, predictor=Says(phantom_predictor, self.posture), force=True)
        assert head.warnings == ()
        assert len(forced.warnings) == 2  # and that its quality is low
        assert forced.warnings[0].startswith(
            "gone on by force: no head found in this scan: the average brain"
        )
        for name, image in forced.images.items():
            np.testing.assert_array_equal(image.voxels, head.images[name].voxels)

    def test_labels_with_a_dropped_slice_are_refused_too(self, phantom):
        blocks = np.random.default_rng(0).integers(1, 40, [n // 5 for n in phantom.voxels.shape])
        labels = np.kron(blocks, np.ones((5, 5, 5))) * (phantom.voxels > 0)
        labels[:, :, labels.shape[2] // 2] = 0
        with pytest.raises(ScanError, match="looks like a mask"):
            reconstruct(phantom.with_voxels(labels.astype(np.float32)))

    def test_a_mask_is_refused_before_a_network_is_loaded(self, phantom):
        mask = phantom.with_voxels((phantom.voxels > 0).astype(np.uint8))
        steps = []
        with pytest.raises(ScanError, match="looks like a mask"):
            reconstruct(mask, on_step=steps.append)
        assert steps == ["read"]


class TestLyingOtherwise:
    @pytest.mark.parametrize(
        ("axis", "degrees", "words"),
        [
            ("z", 90, "its top points to what the header calls top, its face to left"),
            ("y", -90, "its top points to what the header calls left, its face to front"),
        ],
    )
    def test_voxels_give_the_same_and_the_user_is_told(
        self, phantom, phantom_predictor, axis, degrees, words
    ):
        predictor = Says(phantom_predictor, seen_from_its_lesion)
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
        turn[:3, 3] = CENTRE_MM - turn[:3, :3] @ CENTRE_MM
        lying = Scan(phantom.voxels, turn @ phantom.affine)
        found, wanted = (reconstruct(s, predictor=predictor) for s in (lying, phantom))
        assert wanted.warnings == ()
        assert [words in w for w in found.warnings] == [True]
        assert found.anatomy.grid.same_as(Grid(lying.voxels.shape, lying.affine))
        volume = found.brain.voxels.sum() * lying.grid.voxel_volume_ml
        assert volume == pytest.approx(BRAIN_ML, rel=0.1)
        middle = apply_affine(lying.affine, np.argwhere(found.anomaly_mask.voxels).mean(0))
        np.testing.assert_allclose(middle, apply_affine(turn, CENTRE_MM + LESION), atol=3)
        differ = np.abs(found.anatomy.voxels - wanted.anatomy.voxels)
        assert (differ > 0.02).mean() < 0.01  # the box may be put elsewhere by part of a voxel

    def test_a_method_that_always_says_so_is_asked_twice_only(self, phantom, phantom_predictor):
        pose = np.eye(4)
        pose[:3, :3] = TURNS[1]
        steps = []
        result = reconstruct(
            phantom, predictor=Says(phantom_predictor, Posture(pose, 0.6)), on_step=steps.append
        )
        assert steps.count("reconstruct") == 2
        assert result.anatomy.grid.same_as(phantom.grid)
        assert ["turning it did not help" in w for w in result.warnings] == [True]
