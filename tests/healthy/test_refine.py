"""The second stage in the main job: where it is used, and that its maps lie where the first's do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sanum.healthy import network
from sanum.healthy.job import ReconstructJob
from sanum.healthy.mask import Lesion
from sanum.healthy.reconstruction import reconstruct
from sanum.healthy.refine import FirstLook, finest, has_detail, refined
from sanum.methods.anatomy.una.fine_model import FineUna
from sanum.methods.anatomy.una.fine_predict import FinePredictor
from sanum.methods.common.anatomy import Maps
from sanum.scan import Scan
from sanum.scan.conform import conform
from sanum.scan.contrast import Decided
from sanum.space.box import Box
from sanum.weights.file import WeightsError, save_weights

BOX = Box((48, 48, 48), 1.0)


def silent(net):
    """A second stage that says nothing: its maps are the first's, interpolated."""
    for head in (net.net.fine, net.net.coarse):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    with torch.no_grad():  # none of the guided copy either
        net.net.fine.bias[8:16] = -10.0
    return net


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "una-fine.safetensors"
    net = silent(FineUna((8, 8)))
    about = {"method": "una-fine", "widths": (8, 8), "shape": BOX.shape, "spacing_mm": 1.0}
    save_weights(path, net.state_dict(), **about, first_sha256="abc")
    return FinePredictor(weights=path, atlas=torch.ones(2, 80, 96, 80))


def ball(shape, spacing, offset):
    """A bright ball, in a scan of these voxels, with its middle at the origin but for `offset` mm."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2) + offset
    at = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    return Scan(np.clip(18 - np.linalg.norm(at, axis=-1), 0, 4).astype(np.float32), affine, contrast="T1w")


def look_at(scan, seen, maps):
    """A look whose head is symmetric in the world's own x = 0."""
    across, pair = np.diag([-1.0, 1, 1, 1]), np.stack([seen.image, seen.image[::-1]])
    return FirstLook(scan, seen, maps, maps, pair, across, Decided("T1w", "user"))


@pytest.mark.parametrize(("spacing", "fine"), [((1, 1, 1), True), ((0.9, 0.9, 5), True), ((2, 2, 2), False)])
def test_only_scans_of_finer_voxels_are_refined(spacing, fine):
    assert has_detail(ball((20, 20, 20), spacing, 0)) is fine


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.8, 1, 3)])
def test_maps_of_1_mm_lie_where_those_of_2_mm_do(second, spacing):
    scan = ball((60, 60, 24 if spacing[2] > 1 else 60), spacing, (0.3, -0.2, 0.4))
    seen = conform(scan, (0, 0, 0), Box((24, 24, 24), 2.0))
    t1w = seen.image.copy()
    sure = (seen.image > 0.1).astype(np.float32)
    maps = Maps(t1w, 0.02 + 0 * t1w, 0.02 + 0.96 * sure, 0.1 + 0 * t1w, ("a warning",))
    fine, made = refined(look_at(scan, seen, maps), second)
    assert made.warnings[0] == "a warning"
    assert made.brain.shape == BOX.shape
    volume = float(made.brain.sum()) * 0.001
    assert volume == pytest.approx(float(sure.sum()) * 0.008, rel=0.08)  # a corner is rounded
    where = np.argwhere(made.brain > 0).mean(0) @ fine.grid.affine[:3, :3].T + fine.grid.affine[:3, 3]
    there = np.argwhere(sure > 0).mean(0) @ seen.grid.affine[:3, :3].T + seen.grid.affine[:3, 3]
    np.testing.assert_allclose(where, there, atol=0.15)
    inner = made.t1w > 0.9
    np.testing.assert_allclose(made.t1w[inner].mean(), t1w[t1w > 0.9].mean(), atol=0.02)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_weights(path, FineUna((8, 8)).state_dict(), method="una", widths=(8, 8))
    with pytest.raises(WeightsError, match="expected una-fine"):
        FinePredictor(weights=path, atlas=torch.ones(2, 8, 8, 8))
    save_weights(path, FineUna((8, 8)).state_dict(), method="una-fine", widths=(16, 8))
    with pytest.raises(WeightsError, match="does not fit"):
        FinePredictor(weights=path, atlas=torch.ones(2, 8, 8, 8))


@pytest.fixture
def look():
    scan = ball((60, 60, 60), (1, 1, 1), 0)
    seen = conform(scan, (0, 0, 0), Box((24, 24, 24), 2.0))
    sure = (seen.image > 0.1).astype(np.float32)
    return look_at(scan, seen, Maps(seen.image.copy(), 0 * sure, sure, 0.1 * sure))


def test_a_head_that_was_turned_is_refined_the_same(look, second):
    turn = np.eye(4)
    turn[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    turn[:3, 3] = 5, -3, 8
    back = look.turned_back(turn)
    one, other = refined(look, second), refined(back, second)
    for name in ("t1w", "anomaly", "brain", "uncertainty"):
        np.testing.assert_allclose(getattr(other[1], name), getattr(one[1], name), atol=1e-3)
    np.testing.assert_allclose(turn @ other[0].grid.affine, one[0].grid.affine, atol=1e-9)
    # a point and its reflection, turned back, are still each other's reflection
    point = np.array([7.0, 2, 3, 1])
    there = np.linalg.inv(turn) @ point
    np.testing.assert_allclose(turn @ back.across @ there, look.across @ point, atol=1e-9)


def test_what_the_scan_shows_in_a_lesion_has_no_say(look):
    inside = np.zeros((60, 60, 60), bool)
    inside[34:40, 28:34, 28:34] = True
    lesion, made = Lesion(Scan(inside, look.scan.affine), "the mask"), []
    for value in (0.0, 9.0):
        voxels = np.where(inside, np.float32(value), look.scan.voxels)
        hidden = lesion.hidden(look.scan.with_voxels(voxels))
        seen = replace(look, scan=hidden)
        made.append(refined(seen, Copy(BOX), lesion)[1])
    np.testing.assert_array_equal(made[0].t1w, made[1].t1w)
    assert made[0].t1w.max() > 0.4


class Copy:
    """A second stage whose T1w is half of the scan, and whose uncertainty is 0.3."""

    weights_name, weights_sha256, first_sha256, memory_plan = "copy", "c" * 64, "abc", None

    def __init__(self, box):
        self.box, self.told = box, []

    def __call__(self, fine, grid, coarse, maps, coarse_grid, *, contrast="unknown"):
        self.told.append(contrast)
        bright = (fine > 0.1).astype(np.float32)
        anomaly = (fine > 1.1).astype(np.float32)
        return Maps(fine / 2, anomaly, bright, np.full_like(fine, 0.3), maps.warnings, maps.posture)


class TestWhichStage:
    def test_without_a_second_stage_nothing_is_said_of_it(self, look, monkeypatch):
        monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: None)
        grid, maps, stage = finest(look, None, object(), lambda _: None)
        assert (grid, maps, stage) == (look.conformed.grid, look.maps, {})

    def test_fast_does_not_load_it(self, look, monkeypatch):
        monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: pytest.fail("loaded"))
        _, maps, stage = finest(look, None, object(), lambda _: None, fast=True)
        assert maps is look.maps
        assert stage == {"stage": "first alone, as asked"}

    def test_coarse_scans_are_left_alone_and_the_record_says_so(self, look, monkeypatch):
        monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: Copy(BOX))
        coarse = replace(look, scan=ball((20, 20, 20), (2, 2, 2), 0))
        _, maps, stage = finest(coarse, None, object(), lambda _: None)
        assert maps is look.maps
        assert stage["stage"] == "first alone: no side of a voxel is below 1.6 mm"
        assert stage["second_weights_sha256"] == "c" * 64

    @pytest.mark.parametrize("contrast", ["T2w", "FLAIR", None])
    def test_other_contrasts_than_t1w_are_left_alone(self, look, monkeypatch, contrast):
        monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: Copy(BOX))
        other = replace(look, decided=Decided(contrast, "user"))
        _, maps, stage = finest(other, None, object(), lambda _: None)
        assert maps is look.maps
        assert stage["stage"] == "first alone: the second is for T1w"

    def test_the_anomaly_stays_that_of_the_first(self, look, monkeypatch):
        monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: Copy(BOX))
        sick = replace(look.raw, anomaly=0.7 * look.raw.brain)
        _, maps, _ = finest(replace(look, raw=sick), None, object(), lambda _: None)
        assert np.median(maps.anomaly[maps.brain > 0]) == pytest.approx(0.7, abs=0.01)

    @pytest.mark.parametrize(("p", "share"), [(0.0, 0.5), (0.4, 0.7), (1.0, 1.0)])
    def test_the_likelier_an_anomaly_the_more_of_the_first_stays(self, look, monkeypatch, p, share):
        """The copy's anatomy is half of the first's."""
        monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: Copy(BOX))
        sick = replace(look.raw, anomaly=np.float32(p) * look.raw.brain)
        made = finest(replace(look, raw=sick), None, object(), lambda _: None)[1].t1w
        assert made.max() == pytest.approx(share * look.raw.t1w.max(), rel=0.02)

    def test_the_second_names_its_weights(self, look, monkeypatch):
        copy, steps = Copy(BOX), []
        monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: copy)
        grid, maps, stage = finest(look, None, object(), steps.append)
        assert grid.shape == maps.t1w.shape == BOX.shape
        assert stage == {
            "stage": "second, at 1 mm",
            "second_weights": "copy",
            "second_weights_sha256": "c" * 64,
        }
        assert (steps, copy.told) == (["refine at 1 mm"], ["T1w"])

    def test_the_record_says_that_the_rule_was_learned_on_the_first(self, look, monkeypatch):
        class WithRule:
            witnesses, calibration = {"some": 1}, None

        monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: Copy(BOX))
        stage = finest(look, None, WithRule(), lambda _: None)[2]["stage"]
        assert stage == "second, at 1 mm; the first stage's rule"

    def test_weights_of_another_first_stage_are_not_used(self, monkeypatch, phantom_predictor):
        monkeypatch.setattr(network.registry, "second_stage", lambda *_, **__: pytest.fail("loaded"))
        assert network.second_stage(phantom_predictor) is None  # it has no digest to go by


@pytest.fixture
def with_copy(monkeypatch, phantom_predictor):
    """The phantom's predictor, with a second stage."""
    copy = Copy(phantom_predictor.box)
    monkeypatch.setattr("sanum.healthy.refine.second_stage", lambda _: copy)
    monkeypatch.setattr("sanum.healthy.job.second_stage", lambda _: copy)
    monkeypatch.setattr("sanum.healthy.refine.COARSEST_MM", 9.0)
    return phantom_predictor


@pytest.mark.usefixtures("rough_mirror", "no_pictures")
class TestInTheMainJob:
    def test_all_that_is_shown_is_of_the_refined_maps(self, phantom, with_copy):
        first = reconstruct(phantom, predictor=with_copy, fast=True, contrast="T1w")
        result = reconstruct(phantom, predictor=with_copy, contrast="T1w")
        brain = np.asarray(result.brain.voxels) > 0
        assert np.median(np.asarray(result.uncertainty.voxels)[brain]) == pytest.approx(0.3, abs=1e-3)
        assert np.asarray(first.uncertainty.voxels).max() < 0.1
        inner = brain & (np.asarray(first.anatomy.voxels) > 0.95)
        assert np.median(np.asarray(result.anatomy.voxels)[inner]) < 0.6
        assert result.numbers["mean_uncertainty"] == pytest.approx(0.3, abs=0.02)
        # the witnesses
        np.testing.assert_array_equal(result.witnesses.maps.anatomy.voxels, result.anatomy.voxels)
        assert not np.array_equal(result.residual.voxels, first.residual.voxels)
        # the report, and what it shows beside the anatomy
        assert "second, at 4 mm" in result.report()
        assert "c" * 64 in result.report()
        (kept,) = result.others.values()
        lesion = np.asarray(result.anomaly_mask.voxels) > 0
        assert lesion.any()
        assert np.asarray(kept.voxels)[lesion].max() < np.asarray(first.anatomy.voxels)[lesion].max()

    def test_compositions_take_the_refined_anatomy(self, phantom, with_copy):
        result = reconstruct(phantom, predictor=with_copy, contrast="T1w", compose="keep-healthy")
        plain = reconstruct(phantom, predictor=with_copy, contrast="T1w")
        np.testing.assert_array_equal(result.predicted.voxels, plain.anatomy.voxels)

    def test_a_mask_hides_what_is_in_it_from_both_stages(self, phantom, with_copy):
        mask = np.zeros(phantom.voxels.shape, bool)
        mask[18:23, 26:32, 22:27] = True
        made = [
            reconstruct(
                phantom.with_voxels(np.where(mask, np.float32(value), phantom.voxels)),
                predictor=with_copy,
                mask=mask,
                contrast="T1w",
            )
            for value in (0.0, 6.0)
        ]
        np.testing.assert_array_equal(made[0].anatomy.voxels, made[1].anatomy.voxels)
        assert (np.asarray(made[0].anomaly.voxels)[mask] == 1).all()

    def test_a_batch_goes_by_the_weights_of_both_stages(self, phantom, with_copy):
        both, fast = ReconstructJob(with_copy), ReconstructJob(with_copy, fast=True)
        assert both.settings["second_weights_sha256"] == "c" * 64
        assert fast.settings["second_weights_sha256"] is None
        assert both.resources.base_bytes > fast.resources.base_bytes
        assert both.resources.description["second_weights"] == "copy"
        result = both.compute(phantom, lambda _: None)
        assert both.facts(result)["stage"] == "second, at 4 mm"
        assert fast.facts(fast.compute(phantom, lambda _: None))["stage"] == "first alone, as asked"
