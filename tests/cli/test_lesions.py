"""`sanum lesions`: the files of masks, with and without their scan, and what is refused."""

import csv
import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from sanum.healthy.lesions import COLUMNS
from sanum.scan import Scan, read, write


def rows_in(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture
def place(tmp_path, phantom_file, phantom):
    """The phantom, the mask of its lesion and of half of it in probabilities, and masks that are none."""
    shutil.copy(phantom_file, tmp_path / "scan.nii.gz")
    inside = phantom.voxels > 1.2
    write(phantom.with_voxels(inside.astype(np.uint8)), tmp_path / "sub-1_desc-lesion_mask.nii.gz")
    write(phantom.with_voxels((0.4 * inside).astype("f4")), tmp_path / "faint.nii.gz")
    write(phantom.with_voxels(0 * inside.astype("u1")), tmp_path / "empty.nii.gz")
    write(Scan(inside[1:].astype("u1"), phantom.affine), tmp_path / "other.nii.gz")
    noise = np.zeros((50, 50, 50), np.uint8)
    noise[::2, ::2, ::2] = 1
    write(Scan(noise, np.eye(4)), tmp_path / "noise.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4, 3), "f4"), np.eye(4)), tmp_path / "times.nii.gz")
    return tmp_path


def test_a_mask_alone_has_sizes_and_centres(sanum, place):
    done = sanum("lesions", place / "sub-1_desc-lesion_mask.nii.gz", "-o", place / "out", "-q")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("sub-1_desc-lesion_mask.nii.gz\tlesions 1\t")
    (row,) = rows_in(place / "out" / "sub-1_acq-mask_lesions.tsv")
    assert [*row] == [*COLUMNS]
    assert float(row["volume_ml"]) == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.05)
    np.testing.assert_allclose([float(row[f"{a}_mm"]) for a in "xyz"], (40, -6, 10), atol=1.5)
    assert row["mni_x_mm"] == row["side"] == row["contrast"] == "n/a"
    words = json.loads((place / "out" / "sub-1_acq-mask_lesions.json").read_text())
    assert [*words] == [*COLUMNS]
    labels = read_labels(place / "out" / "sub-1_acq-mask_desc-lesions_dseg.nii.gz")
    assert set(np.unique(labels)) == {0, 1}
    again = sanum("lesions", place / "sub-1_desc-lesion_mask.nii.gz", "-o", place / "out", "-q")
    assert again.code == 0


def read_labels(path):
    return np.asarray(nib.load(path).dataobj)


def test_space_is_told_by_the_user_the_name_or_the_header(sanum, place):
    mask = place / "sub-1_desc-lesion_mask.nii.gz"
    named = place / "sub-1_space-MNI152NLin2009aAsym_desc-lesion_mask.nii.gz"
    coded = place / "coded.nii.gz"
    shutil.copy(mask, named)
    image = nib.load(mask)
    image.set_sform(image.affine, code="mni")
    nib.save(image, coded)
    assert sanum("lesions", mask, named, coded, "-o", place / "out", "-q").code == 0
    sides = {p.name: rows_in(p)[0]["side"] for p in (place / "out").glob("*_lesions.tsv")}
    assert sorted(sides.values()) == ["n/a", "right", "right"]
    assert sanum("lesions", mask, "--mni", "-o", place / "mni", "-q").code == 0
    (row,) = rows_in(place / "mni" / "sub-1_acq-mask_lesions.tsv")
    assert (row["side"], row["mni_x_mm"]) == ("right", row["x_mm"])
    assert (row["lobe"], row["tissue"]) == ("frontal", "cortex")  # (40, -6, 10) in MNI space


def test_with_its_scan_it_has_a_side_and_a_brightness(sanum, place, quick):
    mask = place / "sub-1_desc-lesion_mask.nii.gz"
    done = sanum("lesions", mask, "--scan", place / "scan.nii.gz", "-o", place / "out", "-q")
    assert done.code == 0, done
    (row,) = rows_in(place / "out" / "sub-1_acq-mask_lesions.tsv")
    assert row["side"] == "right"
    assert float(row["contrast"]) == pytest.approx(0.4, abs=0.05)
    assert row["mni_x_mm"] == "n/a"  # this method has no average brain


def test_a_threshold_is_of_probabilities(sanum, place):
    for threshold, count in (("0.5", "0"), ("0.3", "1")):
        out = place / threshold
        done = sanum("lesions", place / "faint.nii.gz", "-o", out, "--threshold", threshold, "-q")
        assert done.out.startswith(f"faint.nii.gz\tlesions {count}\t")


def test_no_lesion_is_a_result_with_a_warning(sanum, place):
    done = sanum("lesions", place / "empty.nii.gz", "-o", place / "out", "-q")
    assert done.code == 0
    assert done.err == "sanum: empty.nii.gz: there is no lesion: no voxel is above 0.5\n"
    assert rows_in(place / "out" / "empty_lesions.tsv") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["noise.nii.gz"], "has 15,625 separate parts: at most 10,000"),
        (["times.nii.gz"], "times.nii.gz is no mask: expected one volume of numbers"),
        (["other.nii.gz", "--scan", "scan.nii.gz"], "other.nii.gz is not on the grid of scan.nii.gz"),
        (["absent.nii.gz"], "absent.nii.gz"),
        (["empty.nii.gz", "--scan", "absent.nii.gz"], "absent.nii.gz"),
    ],
)
def test_what_is_refused_is_one_sentence(sanum, place, words, said, quick, monkeypatch):
    monkeypatch.chdir(place)
    assert said in sanum("lesions", *words, "-o", "out", "-q").refused()
    assert not list(place.glob("out/*_lesions.tsv"))


def test_noise_is_listed_with_a_least_volume(sanum, place):
    done = sanum("lesions", place / "noise.nii.gz", "--min-volume", "0.01", "-o", place / "out", "-q")
    assert done.code == 0
    assert "no voxel in a part of 0.01 mL or more is above 0.5" in done.err


def test_the_labels_lie_on_the_mask(sanum, place):
    assert sanum("lesions", place / "sub-1_desc-lesion_mask.nii.gz", "-o", place / "out", "-q").code == 0
    made = read(place / "out" / "sub-1_acq-mask_desc-lesions_dseg.nii.gz", volume=None)
    assert made.grid.same_as(read(place / "scan.nii.gz").grid)


class TestTwoVisits:
    """The lesion, and a smaller one beside it that was there before."""

    @pytest.fixture
    def visits(self, place, phantom):
        index = np.moveaxis(np.indices(phantom.voxels.shape), 0, -1)
        there = np.argwhere(phantom.voxels > 1.2).mean(0)
        for name, radius, away in (("before", 3.0, 12), ("now", 4.0, -12)):
            mask = np.linalg.norm(index - there, axis=-1) < radius
            mask |= np.linalg.norm(index - there - (0, away, 0), axis=-1) < 2
            write(phantom.with_voxels(mask.astype("u1")), place / f"{name}.nii.gz")
        return place

    def test_masks_in_one_world_need_no_scan(self, sanum, visits):
        given = (visits / "now.nii.gz", "--previous", visits / "before.nii.gz")
        done = sanum("lesions", *given, "-o", visits / "out", "-q")
        assert (done.code, done.err) == (0, "")
        assert done.out.endswith("\tnew 1\tgrown 1\tstable 0\tshrunk 0\tvanished 1\n")
        rows = {row["state"]: row for row in rows_in(visits / "out" / "now_changes.tsv")}
        assert [*rows] == ["grown", "new", "vanished"]
        assert (rows["grown"]["ids"], rows["grown"]["previous_ids"]) == ("1", "1")
        assert rows["vanished"]["ids"] == "n/a"
        assert float(rows["vanished"]["y_mm"]) - float(rows["new"]["y_mm"]) == pytest.approx(72, abs=1)
        words = json.loads((visits / "out" / "now_changes.json").read_text())
        assert [*words] == [*rows["new"]]
        load = rows_in(visits / "out" / "lesion_load.tsv")
        assert (load[0]["new"], load[0]["lesions"]) == ("1", "2")

    def test_scans_are_laid_onto_each_other(self, sanum, visits, quick, monkeypatch):
        """This visit's head lies elsewhere; a search of a second is not repeated here."""
        from sanum.methods.common.alignment import Aligned

        world = np.eye(4)
        world[:3, 3] = 0, 30, -14
        moved = {}
        for name in ("scan", "now"):
            image = nib.load(visits / f"{name}.nii.gz")
            moved[name] = visits / f"moved_{name}.nii.gz"
            nib.save(nib.Nifti1Image(np.asarray(image.dataobj), world @ image.affine), moved[name])
        monkeypatch.setattr(
            "sanum.healthy.visits_job.align",
            lambda *_, rigid=False, **__: Aligned(
                world if rigid else world @ np.diag([0.95, 1, 1.01, 1]), 0.3, 0.4, 0.1, 33.0, ("look",)
            ),
        )
        given = ("--scan", moved["scan"], "--previous", visits / "before.nii.gz")
        given = (*given, "--previous-scan", visits / "scan.nii.gz", "-o", visits / "out", "-q")
        done = sanum("lesions", moved["now"], *given)
        assert done.code == 0, done
        said = "the two visits may be of two different heads: "
        assert f"{said}to fit, one would be stretched by 5.3%; a head keeps its size\n" in done.err
        assert f"{said}look\n" in done.err
        assert "new 1\tgrown 1" in done.out
        assert json.loads((visits / "out" / "moved_now_record.json").read_text())["sure"] == 0.3

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["now.nii.gz", "--previous-scan", "scan.nii.gz"], "--previous-scan goes with --previous"),
            (
                ["now.nii.gz", "--previous", "before.nii.gz", "--previous-scan", "scan.nii.gz"],
                "--previous-scan goes with --scan",
            ),
            (["now.nii.gz", "faint.nii.gz", "--previous", "before.nii.gz"], "--previous goes with one mask"),
            (["now.nii.gz", "--previous", "times.nii.gz"], "times.nii.gz is no mask"),
        ],
    )
    def test_what_makes_no_sense(self, sanum, visits, words, said, monkeypatch):
        monkeypatch.chdir(visits)
        assert said in sanum("lesions", *words, "-o", "out", "-q").refused()
