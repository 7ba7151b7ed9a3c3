import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import sanum
from sanum.healthy import reconstruction
from sanum.healthy.reconstruction import (
    Reconstruction,
    check_free,
    coverage_warnings,
    file_names,
    guess_contrast,
    on_grid,
    postprocess,
    reconstruct,
    resolve_device,
    thinned,
    to_scan_grid,
)
from sanum.methods.common.anatomy import Maps
from sanum.scan import Scan, ScanError, read, write
from sanum.scan.conform import Conformed, conform, scale_intensity
from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine, covering
from sanum.space.resample import resample
from sanum.synth.box import DEFAULT_BOX

CENTRE_MM = np.array([6.0, -10.0, 4.0])  # of the phantom of conftest.py
BRAIN_ML = 4 / 3 * np.pi * 6.2 * 7.8 * 6.2


def points(grid):
    return apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))


def oblique(shape=(60, 70, 30), spacing=(3.0, 2.5, 5.5)):
    """An LAS-like grid turned by 10° and 15°, with thick slices, its middle at the phantom's."""
    a, b = np.deg2rad([10, 15])
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn = turn @ np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-spacing[0], spacing[1], spacing[2]])
    affine[:3, 3] = CENTRE_MM - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    assert nib.aff2axcodes(affine) == ("L", "A", "S")
    return Grid(shape, affine)


class TestConform:
    def test_the_box_is_the_model_s(self, phantom):
        seen = conform(phantom, CENTRE_MM, DEFAULT_BOX)
        assert seen.image.shape == seen.covered.shape == DEFAULT_BOX.shape
        assert nib.aff2axcodes(seen.grid.affine) == ("R", "A", "S")
        np.testing.assert_allclose(seen.grid.spacing_mm, 2)
        np.testing.assert_allclose(seen.grid.centre_mm, CENTRE_MM)

    @pytest.mark.parametrize("factor", [1e-4, 1.0, 5000.0])
    def test_the_scale_is_the_same_for_any_unit(self, phantom, factor):
        seen = conform(phantom.with_voxels(phantom.voxels * np.float32(factor)), CENTRE_MM, DEFAULT_BOX)
        inside = seen.image[tuple(n // 2 for n in DEFAULT_BOX.shape)]
        assert inside == pytest.approx(1.0, abs=0.03)  # white matter; the lesion is under 1 % of the brain
        assert seen.image[0, 0, 0] == 0
        assert 1.2 < seen.image.max() <= 1.5

    def test_an_offset_of_the_background_goes(self, phantom):
        seen = conform(phantom.with_voxels(phantom.voxels + 3), CENTRE_MM, DEFAULT_BOX)
        assert seen.image[0, 0, 0] == pytest.approx(0, abs=1e-3)
        assert seen.image[tuple(n // 2 for n in DEFAULT_BOX.shape)] == pytest.approx(1, abs=0.03)

    def test_ct_has_a_window_in_hounsfield_units(self):
        hu = np.array([-1000, 0, 20, 40, 80, 1000], np.float32)
        np.testing.assert_allclose(scale_intensity(hu, ct=True), [0, 0, 0.25, 0.5, 1, 1.5])

    def test_bone_does_not_bleed_into_the_brain(self):
        grid = Box((80, 80, 80), 1.0).grid()
        hu = np.where(points(grid)[..., 0] > 0, 1500, 30).astype(np.float32)
        seen = conform(Scan(hu, grid.affine, "CT"), (0, 0, 0), Box((32, 32, 32), 2.0))
        assert seen.image.max() == pytest.approx(1)  # clipped to 80 HU before blurring
        assert seen.image[13, 16, 16] == pytest.approx(30 / 80, abs=0.02)

    def test_what_the_scan_does_not_cover_is_marked_and_empty(self, phantom):
        upper = Scan(phantom.voxels[:, :, 25:] + 1, phantom.affine @ shift(25))
        seen = conform(upper, CENTRE_MM, DEFAULT_BOX)
        z = points(seen.grid)[..., 2]
        lowest = points(upper.grid)[..., 2].min()
        assert not seen.covered[z < lowest - 2].any()
        assert not seen.image[~seen.covered].any()
        box = (np.abs(points(seen.grid)[..., :2] - (4, -8)) < (70, 85)).all(-1)
        assert seen.covered[box & (z > lowest + 2) & (z < 70)].all()


def shift(slices):
    a = np.eye(4)
    a[2, 3] = slices
    return a


class TestTidy:
    grid = Box((40, 40, 40), 2.0).grid()

    def maps(self, brain, **changes):
        one = np.ones(brain.shape, np.float32)
        maps = Maps(one, 0.7 * one, brain.astype(np.float32), 0.1 * one)
        return replace(maps, **changes)

    def seen(self, covered=None):
        covered = np.ones(self.grid.shape, bool) if covered is None else covered
        return Conformed(covered.astype(np.float32), covered, self.grid)

    def ball(self, radius=26):
        return np.linalg.norm(points(self.grid), axis=-1) < radius

    def test_one_brain_without_holes(self):
        brain = self.ball()
        torn = brain.copy()
        torn[18:22, 18:22, 18:22] = False
        torn[1, 1, 1] = True
        maps, warnings = postprocess(self.maps(torn), self.seen())
        np.testing.assert_array_equal(maps.brain, brain)
        assert warnings == ()

    def test_nothing_outside_of_the_brain(self):
        maps, _ = postprocess(self.maps(self.ball()), self.seen())
        for name in ("anomaly", "uncertainty"):
            assert not getattr(maps, name)[~self.ball()].any()
        assert not maps.t1w[~self.ball(32)].any()  # its edge is soft
        assert maps.t1w[self.ball(20)] == pytest.approx(1, abs=1e-3)

    def test_nothing_where_the_scan_has_no_voxels(self):
        covered = np.ones(self.grid.shape, bool)
        covered[:, :, 20:] = False
        maps, _ = postprocess(self.maps(self.ball()), self.seen(covered))
        for name in ("t1w", "anomaly", "brain", "uncertainty"):
            assert not getattr(maps, name)[:, :, 20:].any()
            assert getattr(maps, name)[:, :, :20].any()

    def test_negative_intensities_go(self):
        maps, _ = postprocess(
            self.maps(self.ball(), t1w=np.full(self.grid.shape, -1, np.float32)), self.seen()
        )
        assert not maps.t1w.any()

    def test_a_brain_at_the_edge_of_the_box_is_told(self):
        _, warnings = postprocess(self.maps(np.ones(self.grid.shape, bool)), self.seen())
        assert len(warnings) == 1
        assert "edge of the model's box" in warnings[0]

    def test_a_high_uncertainty_is_told(self):
        high = np.full(self.grid.shape, 0.3, np.float32)
        _, warnings = postprocess(self.maps(self.ball(), uncertainty=high), self.seen())
        assert len(warnings) == 1
        assert "the uncertainty is high (mean 0.30" in warnings[0]

    def test_no_brain_is_no_crash(self):
        maps, warnings = postprocess(self.maps(np.zeros(self.grid.shape, bool)), self.seen())
        assert not maps.brain.any()
        assert warnings == ()


class TestBackToTheScan:
    def test_a_ramp_comes_back_at_the_right_places(self):
        model = DEFAULT_BOX.grid(CENTRE_MM)
        grid = oblique()
        slope = np.array([0.004, -0.002, 0.003])
        ramp = ((points(model) - CENTRE_MM) @ slope + 1).astype(np.float32)
        one = np.ones(DEFAULT_BOX.shape, np.float32)
        scan = Scan(np.zeros(grid.shape, np.int16), grid.affine, "T2w", warnings=("old",))
        result = to_scan_grid(Maps(ramp, ramp - 0.5, one, ramp), model, scan)
        inside = (np.abs(points(grid) - CENTRE_MM) < np.array(DEFAULT_BOX.shape) - 8).all(-1)
        expected = (points(grid) - CENTRE_MM) @ slope + 1
        assert inside.sum() > 20000
        np.testing.assert_allclose(result.anatomy.voxels[inside], expected[inside], atol=2e-3)
        np.testing.assert_allclose(result.uncertainty.voxels[inside], expected[inside], atol=2e-3)
        np.testing.assert_allclose(
            result.anomaly.voxels[inside], np.clip(expected - 0.5, 0, 1)[inside], atol=2e-3
        )
        assert result.scan is scan
        for image in (*result.images.values(), scan):
            assert image.grid.same_as(grid)
        assert result.anatomy.contrast == "T1w"
        assert result.anomaly.contrast is None
        assert result.brain.warnings == ()

    def test_masks_are_bytes_and_the_mask_is_half_the_probability(self):
        model = DEFAULT_BOX.grid(CENTRE_MM)
        brain = (np.linalg.norm(points(model) - CENTRE_MM, axis=-1) < 60).astype(np.float32)
        p = (brain * np.clip((points(model)[..., 0]) / 50, 0, 1)).astype(np.float32)
        grid = oblique()
        result = to_scan_grid(Maps(brain, p, brain, brain), model, Scan(np.zeros(grid.shape), grid.affine))
        assert result.brain.voxels.dtype == result.anomaly_mask.voxels.dtype == np.uint8
        np.testing.assert_array_equal(result.anomaly_mask.voxels, result.anomaly.voxels > 0.5)
        assert not (result.anomaly_mask.voxels > result.brain.voxels).any()
        volume = result.brain.voxels.sum() * grid.voxel_volume_ml
        assert volume == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.03)
        middle = apply_affine(grid.affine, np.argwhere(result.brain.voxels).mean(0))
        np.testing.assert_allclose(middle, CENTRE_MM, atol=0.3)

    def test_probabilities_stay_probabilities(self):
        model = DEFAULT_BOX.grid(CENTRE_MM)
        noisy = np.random.default_rng(0).random(DEFAULT_BOX.shape, np.float32)
        grid = oblique()
        result = to_scan_grid(
            Maps(noisy, noisy, 1 + 0 * noisy, noisy), model, Scan(np.zeros(grid.shape), grid.affine)
        )
        assert result.anomaly.voxels.min() >= 0
        assert result.anomaly.voxels.max() <= 1
        assert result.anatomy.voxels.min() >= 0  # a cubic spline overshoots

    def test_only_the_brain_s_part_is_looked_at(self):
        model = DEFAULT_BOX.grid(CENTRE_MM)
        brain = (np.linalg.norm(points(model) - CENTRE_MM, axis=-1) < 40).astype(np.float32)
        grid = oblique()
        result = to_scan_grid(
            Maps(brain, brain, brain, brain), model, Scan(np.zeros(grid.shape), grid.affine)
        )
        whole = resample(brain, model, grid)  # of every voxel of the scan
        np.testing.assert_allclose(result.uncertainty.voxels, whole * result.brain.voxels, atol=1e-5)
        np.testing.assert_array_equal(result.brain.voxels, whole > 0.5)

    def test_a_large_scan_is_thinned_once(self, phantom, monkeypatch):
        assert thinned(phantom, 9.0) is phantom  # few voxels
        monkeypatch.setattr(reconstruction, "_LARGE", 1000)
        assert thinned(phantom, 3.5) is phantom  # 3 mm are not much finer
        coarse = thinned(phantom, 6.0)
        np.testing.assert_allclose(coarse.grid.spacing_mm, 6)
        assert coarse.voxels.sum() * 8 == pytest.approx(phantom.voxels.sum(), rel=0.01)
        bone = phantom.with_voxels(np.where(phantom.voxels > 0.5, 3000.0, 0.0)).voxels
        ct = thinned(Scan(bone, phantom.affine, "CT"), 6.0)
        assert 70 < ct.voxels.max() <= 80.001

    def test_on_another_grid(self, phantom):
        fine = on_grid(phantom, covering(phantom.grid, 2.0))
        np.testing.assert_allclose(fine.grid.spacing_mm, 2)
        assert fine.voxels.sum() * 8 == pytest.approx(phantom.voxels.sum() * 27, rel=0.01)


class TestGuess:
    def guess(self, fluid, grey, white):
        t1w = np.repeat(np.array([0.25, 0.75, 1.0], np.float32), 300).reshape(3, 300, 1)
        image = np.repeat(np.array([fluid, grey, white], np.float32), 300).reshape(3, 300, 1)
        one = np.ones_like(t1w)
        return guess_contrast(image, Maps(t1w, 0 * one, one, one))

    @pytest.mark.parametrize(
        ("tissues", "expected"),
        [
            ((0.2, 0.7, 1.0), "T1w-like (guessed)"),
            ((1.0, 0.6, 0.4), "T2w-like (guessed)"),
            ((0.1, 0.9, 0.7), "FLAIR-like (guessed)"),
            ((0.8, 0.5, 0.9), None),
        ],
    )
    def test_from_the_order_of_the_tissues(self, tissues, expected):
        assert self.guess(*tissues) == expected

    def test_too_little_tissue(self):
        one = np.ones((2, 2, 2), np.float32)
        assert guess_contrast(one, Maps(one, 0 * one, one, one)) is None


def test_thick_slices_are_told(phantom):
    assert coverage_warnings(phantom, 2.0) == ()
    thick = Scan(np.zeros((3, 3, 3)), np.diag([1, 1, 5.5, 1]))
    assert coverage_warnings(thick, 2.0) == ("slices of 5.5 mm: between them the results are interpolated",)
    assert coverage_warnings(thick, 4.0) == ()


class TestDevice:
    def test_auto_and_cpu(self):
        assert resolve_device("cpu") == "cpu"
        assert resolve_device("auto") in ("cpu", "cuda", "mps")

    @pytest.mark.parametrize("name", ["tpu", "", "cpu:1", "mps:0", "cuda:", "cuda:x", "cuda:-1", "cuda:²"])
    def test_unknown(self, name):
        with pytest.raises(ValueError, match=r"device is auto, cpu, cuda, cuda:n or mps, not"):
            resolve_device(name)

    def test_not_there(self):
        with pytest.raises(ValueError, match=r"cuda:99 is not there: this machine has .* use --device auto"):
            resolve_device("cuda:99")

    def test_no_mps(self, monkeypatch):
        import torch

        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        with pytest.raises(ValueError, match="mps is not there"):
            resolve_device("mps")


class TestFree:
    def test_a_folder_that_is_not_there_yet(self, tmp_path):
        check_free("scan", tmp_path / "a" / "b", overwrite=False)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", file_names("scan").values())
    def test_any_output_that_exists(self, tmp_path, name):
        (tmp_path / name).touch()
        with pytest.raises(ScanError, match=f"{name} exists: pass --overwrite"):
            check_free("scan", tmp_path, overwrite=False)
        check_free("scan", tmp_path, overwrite=True)

    def test_what_is_not_ours_is_left_alone(self, tmp_path):
        for name in ("scan.nii.gz", "scan_desc-brain_T1w.nii.gz", "scan2_report.html", "run.json"):
            (tmp_path / name).touch()
        check_free("scan", tmp_path, overwrite=False)

    @pytest.mark.parametrize("place", ["file", "file/deeper"])
    def test_a_file_where_a_folder_should_be(self, tmp_path, place):
        (tmp_path / "file").touch()
        with pytest.raises(ScanError, match="file is not a folder; choose another folder"):
            check_free("scan", tmp_path / place, overwrite=True)

    def test_a_folder_where_a_file_should_be(self, tmp_path):
        (tmp_path / "scan_report.html").mkdir()
        with pytest.raises(ScanError, match="is a folder where a file should go"):
            check_free("scan", tmp_path, overwrite=True)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
    def test_no_permission(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(ScanError, match="no permission"):
            check_free("scan", tmp_path / "out", overwrite=False)


@pytest.fixture(scope="module")
def small():
    """A result of 20³ voxels, made by hand."""
    grid = Box((20, 20, 20), 8.0).grid()
    brain = np.linalg.norm(points(grid), axis=-1) < 60
    noise = np.random.default_rng(0).random(grid.shape, np.float32)  # does not compress

    def scan(x, **more):
        return Scan(x, grid.affine, **more)

    return Reconstruction(
        scan(noise, path=Path("in/sub-1_T2w.nii.gz"), warnings=("a warning of the reader",)),
        scan(noise * brain),
        scan(noise * brain),
        scan((noise * brain > 0.5).astype(np.uint8)),
        scan(noise * brain),
        scan(brain.astype(np.uint8)),
        "T2w",
        ("a warning <of> the run",),
        {"version": "0.1.0", "weights": "none"},
    )


NAMES = [
    "sub-1_acq-T2w_desc-anatomy_T1w.nii.gz",
    "sub-1_acq-T2w_desc-anomaly_mask.nii.gz",
    "sub-1_acq-T2w_desc-anomaly_probseg.nii.gz",
    "sub-1_acq-T2w_desc-brain_mask.nii.gz",
    "sub-1_acq-T2w_desc-uncertainty_map.nii.gz",
    "sub-1_acq-T2w_report.html",
]


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


class TestSave:
    def test_everything_is_there_and_on_the_grid(self, small, tmp_path):
        paths = small.save(tmp_path / "a" / "out")
        assert sorted(p.name for p in paths) == left_in(tmp_path / "a" / "out") == NAMES
        for name, image in small.images.items():
            back = read(tmp_path / "a" / "out" / file_names(small.name)[name])
            assert back.grid.same_as(small.scan.grid)
            np.testing.assert_array_equal(back.voxels, image.voxels)

    def test_the_report_tells_the_warnings(self, small):
        page = small.report()
        assert "a warning &lt;of&gt; the run" in page
        assert "a warning of the reader" in page
        assert "sub-1_T2w.nii.gz" in page

    def test_a_scan_without_a_file(self, small):
        nameless = replace(small, scan=replace(small.scan, path=None))
        assert nameless.name == "scan"

    def test_nothing_is_replaced_unasked(self, small, tmp_path):
        (tmp_path / NAMES[3]).write_text("precious")
        with pytest.raises(ScanError, match="exists: pass --overwrite"):
            small.save(tmp_path)
        assert left_in(tmp_path) == [NAMES[3]]
        assert (tmp_path / NAMES[3]).read_text() == "precious"
        small.save(tmp_path, overwrite=True)
        assert left_in(tmp_path) == NAMES
        assert read(tmp_path / NAMES[3]).grid.same_as(small.scan.grid)

    def test_a_file_where_the_folder_should_be(self, small, tmp_path):
        (tmp_path / "out").write_text("precious")
        with pytest.raises(ScanError, match="is not a folder"):
            small.save(tmp_path / "out", overwrite=True)
        assert (tmp_path / "out").read_text() == "precious"

    def test_a_report_that_fails_leaves_nothing(self, small, tmp_path, monkeypatch):
        monkeypatch.setattr(Reconstruction, "report", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            small.save(tmp_path)
        assert left_in(tmp_path) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
    def test_a_file_too_large_leaves_what_was_there(self, small, tmp_path, monkeypatch):
        import resource
        import signal

        (tmp_path / NAMES[0]).write_text("precious")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        monkeypatch.setattr(Reconstruction, "report", lambda self: "")
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        try:
            with pytest.raises(ScanError) as refused:
                small.save(tmp_path, overwrite=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert str(refused.value) == (
            f"cannot write to {tmp_path}: the file would be larger than allowed; "
            "raise the limit or choose another folder"
        )
        assert left_in(tmp_path) == [NAMES[0]]
        assert (tmp_path / NAMES[0]).read_text() == "precious"

    def test_a_full_disk(self, small, tiny_disk):
        with pytest.raises(ScanError) as refused:
            small.save(tiny_disk / "out")
        assert str(refused.value) == f"cannot write to {tiny_disk / 'out'}: the disk is full; free some space"
        assert left_in(tiny_disk / "out") == []


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 kB; skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    except (OSError, AttributeError):
        mounted = False
    if not mounted:
        pytest.skip("cannot mount a tmpfs here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


class TestReconstructThePhantom:
    """The plumbing, with a method that knows the phantom."""

    def test_on_an_oblique_grid_with_thick_slices(self, phantom, phantom_predictor):
        grid = oblique()
        scan = Scan(on_grid(phantom, grid).voxels, grid.affine, path=Path("sub-1_FLAIR.nii.gz"))
        steps = []
        result = reconstruct(scan, predictor=phantom_predictor, on_step=steps.append)
        assert steps[0] == "read"
        assert all(image.grid.same_as(grid) for image in result.images.values())
        assert result.brain.voxels.sum() * grid.voxel_volume_ml == pytest.approx(
            BRAIN_ML, rel=0.1
        )  # thick slices blur
        lesion = apply_affine(grid.affine, np.argwhere(result.anomaly_mask.voxels).mean(0))
        np.testing.assert_allclose(lesion, (40, -6, 10), atol=3)
        assert result.warnings == ("slices of 5.5 mm: between them the results are interpolated",)
        assert result.contrast == "T1w-like (guessed)"
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


class TestShippedNetwork:
    """End to end on ICBM152; the numbers of the model card are measured elsewhere."""

    @pytest.fixture(scope="class")
    @staticmethod
    def result(icbm152_2mm):
        return sanum.reconstruct(icbm152_2mm, device="cpu")

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

    def test_a_path_a_nibabel_image_and_a_scan_give_the_same(self, result, icbm152_2mm, tmp_path):
        path = write(icbm152_2mm, tmp_path / "icbm_T1w.nii.gz")
        for source in (str(path), nib.load(path)):
            other = sanum.reconstruct(source, device="cpu")
            np.testing.assert_allclose(other.anatomy.voxels, result.anatomy.voxels, atol=1e-3)
            assert other.scan.path == path


def test_the_function_stays_callable_after_importing_the_module():
    importlib.import_module("sanum.healthy.reconstruction")
    assert sanum.reconstruct is reconstruct
    code = "import sanum.healthy.reconstruction, sanum; assert callable(sanum.reconstruct)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
