from dataclasses import replace

import numpy as np
import pytest

from sanum.evaluation import Mismatch, chosen, find_cases, worth_measuring
from sanum.scan import Scan, write


def test_masks_and_truth_go_to_the_scans_of_their_subject(bids):
    first, second, other = find_cases(bids, healthy=True)
    assert [first.contrast, second.contrast, other.contrast] == ["T1w", "T2w", "T1w"]
    assert first.subject == second.subject == "sub-1"
    assert first.aligned == second.aligned == "sub-1_desc-brain"
    for case in (first, second):
        assert case.lesion.name == "sub-1_desc-lesion_mask.nii.gz"
        assert case.brain.name == "sub-1_desc-brain_mask.nii.gz"
        assert case.truth.name == "sub-1_desc-healthy_T1w.nii.gz"
        assert not case.healthy
    assert (other.truth, other.lesion, other.brain, other.healthy) == (None, None, None, True)
    assert not find_cases(bids)[2].healthy


def test_another_space_is_another_place(bids, phantom, tmp_path):
    anat = tmp_path / "set" / "sub-stroke" / "anat"
    for name in ("T1w", "desc-brain_mask", "space-X_T1w", "space-X_desc-tumour_dseg"):
        write(phantom, anat / f"sub-stroke_{name}.nii.gz")
    here, there = find_cases(tmp_path / "set")
    assert (here.lesion, here.brain.name) == (None, "sub-stroke_desc-brain_mask.nii.gz")
    assert (there.lesion.name, there.brain) == ("sub-stroke_space-X_desc-tumour_dseg.nii.gz", None)


def test_what_does_not_match_is_listed_all_of_it(phantom, tmp_path):
    voxels = np.asarray(phantom.voxels)
    moved = np.array(phantom.affine)
    moved[0, 3] += 3
    for n, lesion in enumerate((Scan(voxels[1:], phantom.affine), Scan(voxels, moved), phantom)):
        anat = tmp_path / "set" / f"sub-{n}" / "anat"
        write(phantom, anat / f"sub-{n}_T1w.nii.gz")
        write(lesion, anat / f"sub-{n}_desc-lesion_mask.nii.gz")
    write(phantom, anat / "sub-2_desc-stroke_mask.nii.gz")
    broken = tmp_path / "set" / "sub-3" / "anat"
    write(phantom, broken / "sub-3_T1w.nii.gz")
    (broken / "sub-3_desc-lesion_mask.nii.gz").write_bytes(b"no image")
    with pytest.raises(Mismatch) as raised:
        find_cases(tmp_path / "set")
    text = str(raised.value)
    assert text.startswith("4 of the files in")
    assert "sub-0_desc-lesion_mask.nii.gz is not on the grid of sub-0_T1w.nii.gz: it has 49 × 60 × 50" in text
    assert "is not on the grid of sub-1_T1w.nii.gz: its first voxel lies 3 mm away" in text
    assert "sub-3_desc-lesion_mask.nii.gz cannot be read" in text
    assert "sub-2_T1w.nii.gz has 2 files for its lesion" in text


def test_no_scans(tmp_path):
    with pytest.raises(ValueError, match=r"no sub-\*/anat/\*_T1w.nii.gz"):
        find_cases(tmp_path)
    with pytest.raises(ValueError, match="is not a folder"):
        find_cases(tmp_path / "none")


def test_a_choice(bids):
    cases = find_cases(bids)
    assert worth_measuring(cases) == cases[:2]
    unknown = [replace(c, truth=None, lesion=None) for c in cases]
    assert worth_measuring(unknown) == unknown[:2]  # of one head in one place
    assert [c.name for c in chosen(cases, only="sub-2")] == ["sub-2_T1w"]
    assert [c.name for c in chosen(cases, only="T2w")] == ["sub-1_desc-brain_T2w"]
    twice = [*cases, *cases]
    assert chosen(twice, per_subject=1) == cases


def test_only_those_held_out(bids):
    assert {c.subject for c in find_cases(bids, held_out=["sub-1", "sub-9"])} == {"sub-1"}
    with pytest.raises(ValueError, match=r"no subject in .* is one that the training held out"):
        find_cases(bids, held_out=["sub-9"])
    with pytest.raises(ValueError, match=r"no subject in .* is one that the training held out"):
        find_cases(bids, held_out=[])  # of two trainings that have none in common
