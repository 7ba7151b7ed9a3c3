from pathlib import Path

import pytest

from sanum.scan.bids import ANAT, entities_of, find, labels_of

FILES = (
    "sub-2/anat/sub-2_T1w.nii.gz",
    "sub-1/anat/sub-1_T1w.nii.gz",
    "sub-1/anat/sub-1_desc-brain_T1w.nii",
    "sub-1/anat/sub-1_desc-brain_mask.nii.gz",
    "sub-1/anat/sub-1_T1w.json",
    "sub-1/anat/.sub-1_T1w.nii.gz",
    "sub-1/func/sub-1_bold.nii.gz",
    "sub-1/ses-b/anat/sub-1_ses-b_T1w.nii.gz",
    "derivatives/x/sub-1/anat/sub-1_T1w.nii.gz",
)


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, (1, 2, 3, 0, 7)),
        ({"suffix": "T1w"}, (1, 2, 0, 7)),
        ({"suffix": "T1w", "folders": ANAT[:1]}, (1, 2, 0)),
        ({"desc": "brain"}, (2, 3)),
        ({"desc": "brain", "suffix": "mask"}, (3,)),
        ({"extensions": (".json",)}, (4,)),
        ({"extensions": (".nii.gz",), "folders": ("sub-*/func",)}, (6,)),
        ({"desc": "lesion"}, ()),
    ],
)
def test_what_is_asked_for_is_found_in_order(root, how, expected):
    assert [path.relative_to(root).as_posix() for path in find(root, **how)] == [FILES[n] for n in expected]


def test_below_a_derivative(root):
    assert len(find(root / "derivatives" / "x")) == 1


def test_a_name_that_breaks_the_rules_still_has_labels():
    path = Path("sub-my-own_desc-brain_T1w.nii.gz")
    assert labels_of(path) == {"sub": "my-own", "desc": "brain"}
    assert entities_of(path) == ({}, None)
