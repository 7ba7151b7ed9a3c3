import json
import os
import random
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from sanum.space.grid import apply_affine
from sanum.synth.anatomy import cropped, describe, prepare
from sanum.synth.bias import correct_bias
from sanum.synth.kept import read_kept
from sanum.synth.subjects import ixi_pairs

_spec = spec_from_file_location("synth_phantom", Path(__file__).with_name("conftest.py"))
phantom = module_from_spec(_spec)
_spec.loader.exec_module(phantom)

GRID, bias, PUTAMEN, FLUID_LABEL = phantom.GRID, phantom.bias, phantom.PUTAMEN, phantom.FLUID_LABEL


@pytest.fixture(scope="module")
def cache(prepared_subject):
    return prepared_subject[1]


@pytest.fixture(scope="module")
def prepared(prepared_subject):
    return prepared_subject[0]


def test_bias_is_removed_and_white_matter_is_1(prepared):
    part = phantom.parts(GRID)
    white = prepared.t1w[part["white"] & (prepared.groups == 0) & ~part["fluid"]]
    assert np.median(white) == pytest.approx(1, abs=0.02)
    assert white.std() < 0.5 * (bias(GRID)[part["white"]] / np.median(bias(GRID)[part["white"]])).std()
    np.testing.assert_allclose(prepared.tissue_means, [0.25, 0.65, 1.0], atol=0.06)


def test_what_lies_where(prepared):
    part = phantom.parts(GRID)
    assert prepared.name == "sub-07"
    assert prepared.grid.same_as(GRID)  # canonical order
    assert (prepared.brain != part["brain"]).mean() < 0.01
    nuclei = (part["right nucleus"] | part["left nucleus"]) & ~part["fluid"]
    assert np.array_equal(prepared.groups == 2, nuclei)
    assert (prepared.ramp[~prepared.brain] == 0).all()
    assert prepared.ramp.max() == 1


def test_its_mirror_is_the_heads(prepared):
    middle = np.array(phantom.CENTRE_MM)
    assert np.linalg.norm(apply_affine(prepared.mirror, middle) - middle) / 2 < 1
    right = apply_affine(prepared.mirror, middle + np.array([40, 0, 0]))
    assert np.linalg.norm(right - (middle - np.array([40, 0, 0]))) < 2


def test_mni_lies_over_the_brain(prepared):
    centre = apply_affine(prepared.to_mni, phantom.CENTRE_MM)
    assert np.linalg.norm(centre - [0, -18, 8]) < 15
    assert 0.7 < np.linalg.det(prepared.to_mni[:3, :3]) < 2


def test_the_second_time_it_is_read(prepared, files, cache):
    kept = list(cache.iterdir())
    assert len(kept) == 1  # and no partial file beside it
    before = kept[0].stat().st_mtime_ns
    again = prepare(*files, cache)
    assert kept[0].stat().st_mtime_ns == before
    assert np.array_equal(again.t1w, prepared.t1w)
    assert np.array_equal(again.to_mni, prepared.to_mni)


def test_files_on_different_grids(files, tmp_path):
    other = tmp_path / "sub-07_dseg.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((5, 5, 5), np.int16), np.eye(4)), other)
    with pytest.raises(ValueError, match="no white matter"):
        prepare(files[0], other, tmp_path / "cache")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x * 0.5, "not integers"),
        (lambda x: np.where(x == PUTAMEN, 1034, x), "does not have: 1034"),
        (lambda x: x * 0, "no white matter"),
        (lambda x: x * (x != FLUID_LABEL), "no fluid"),
    ],
)
def test_labels_of_no_brain(files, tmp_path, change, says):
    image = nib.load(files[1])
    odd = tmp_path / "sub-07_dseg.nii.gz"
    nib.save(nib.Nifti1Image(change(np.asarray(image.dataobj)).astype(np.float32), image.affine), odd)
    with pytest.raises(ValueError, match=says):
        prepare(files[0], odd, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_correct_bias_leaves_a_flat_image_flat():
    part = phantom.parts(GRID)
    x = phantom.t1w_of(part)
    got = correct_bias(x, GRID, part["brain"])
    assert np.abs(got - x)[part["white"]].mean() < 0.03


def test_describe_is_json(prepared):
    told = json.loads(describe(prepared))
    assert told["name"] == "sub-07"
    assert told["brain_ml"] == pytest.approx(4 / 3 * np.pi * 6.2 * 7.8 * 6.2, rel=0.05)


def test_pairs_need_a_parcellation(tmp_path):
    for n in (3, 1, 2):
        t1w = tmp_path / f"sub-{n}" / "anat" / f"sub-{n}_T1w.nii.gz"
        t1w.parent.mkdir(parents=True)
        t1w.touch()
        if n != 2:
            labels = tmp_path / "derivatives" / "dlmuse" / f"sub-{n}" / "anat" / f"sub-{n}_dseg.nii.gz"
            labels.parent.mkdir(parents=True)
            labels.touch()
    pairs = ixi_pairs(tmp_path)
    assert [p[0].name for p in pairs] == ["sub-1_T1w.nii.gz", "sub-3_T1w.nii.gz"]
    assert [p[1].name for p in pairs] == ["sub-1_dseg.nii.gz", "sub-3_dseg.nii.gz"]
    with pytest.raises(ValueError, match="parcellation"):
        ixi_pairs(tmp_path / "nowhere")


def test_a_real_mask_bank_can_be_read(shared_data, anatomy):
    from sanum.synth.anatomy import read_mask_on

    masks = sorted((shared_data / "lesions").glob("stroke-*_mask.nii.gz"))
    if not masks:
        pytest.skip("no lesion masks here")
    mask = read_mask_on(masks[0], anatomy)
    assert 0 <= mask.min() <= mask.max() <= 1
    assert mask.any()


class TestKept:
    """A damaged file in the cache: it failed until it was deleted by hand."""

    @pytest.fixture
    def kept(self, prepared, cache, tmp_path, monkeypatch):
        [whole] = cache.iterdir()
        kept = tmp_path / "kept" / whole.name
        kept.parent.mkdir()
        shutil.copy(whole, kept)
        arrays = read_kept(kept)
        monkeypatch.setattr("sanum.synth.anatomy._measured", lambda *_: arrays)  # takes seconds
        return kept

    @pytest.mark.parametrize("content", [b"", b"PK", b"\0" * 5000, b"\x80\x04N.", b"\x93NUMPY\x01\0"])
    def test_one_that_is_damaged_is_made_again(self, kept, prepared, files, content, caplog):
        kept.write_bytes(content)
        again = prepare(*files, kept.parent)
        assert f"{kept.name} is damaged (" in caplog.text
        assert np.array_equal(again.t1w, prepared.t1w)
        assert read_kept(kept) is not None

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: p.symlink_to("nowhere.npz")])
    def test_what_is_no_file_is_neither_waited_for_nor_followed(self, kept, prepared, files, make):
        kept.unlink()
        make(kept)
        assert np.array_equal(prepare(*files, kept.parent).labels, prepared.labels)
        assert kept.is_file()
        assert not kept.is_symlink()
        assert not (kept.parent / "nowhere.npz").exists()

    @pytest.mark.parametrize(
        "change",
        [
            lambda a: {**a, "t1w": a["t1w"][1:]},
            lambda a: {**a, "t1w": a["t1w"][0]},
            lambda a: {**a, "labels": a["labels"].astype(float)},
            lambda a: {**a, "affine": a["affine"] * np.nan},
            lambda a: {**a, "mirror": a["mirror"][:3]},
            lambda a: {**a, "more": a["mirror"]},
            lambda a: {k: v for k, v in a.items() if k != "ramp"},
        ],
    )
    def test_arrays_of_something_else_are_none(self, kept, change):
        arrays = read_kept(kept)
        np.savez_compressed(kept, **change(arrays))
        assert read_kept(kept) is None

    @pytest.mark.parametrize("count", [40, pytest.param(600, marks=pytest.mark.full)])
    def test_a_flipped_bit_is_seen_or_changes_nothing(self, kept, count):
        rng, whole, right, seen = random.Random(count), kept.read_bytes(), read_kept(kept), 0
        for n in range(count):
            content = bytearray(whole)
            content[rng.randrange(len(content)) if n % 2 else -rng.randrange(1, 900)] ^= 1 << rng.randrange(8)
            kept.write_bytes(content)
            read = read_kept(kept)
            seen += read is None
            assert read is None or all(np.array_equal(read[k], right[k]) for k in right)
        assert seen > 0.5 * count


def test_what_is_cropped_away_is_far_from_the_brain(prepared):
    small = cropped(prepared, 10.0)
    assert small.brain.sum() == prepared.brain.sum()
    assert small.t1w.size < 0.9 * prepared.t1w.size
    np.testing.assert_allclose(small.centre_mm, prepared.centre_mm, atol=1e-6)
    for axis in range(3):  # 10 mm and up to a voxel more, or the edge of the head
        edge = np.flatnonzero(small.brain.any(axis=tuple({0, 1, 2} - {axis})))
        assert edge[0] * small.grid.spacing_mm[axis] <= 10 + 2 * small.grid.spacing_mm[axis]
