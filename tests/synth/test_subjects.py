"""Empty files in the places where segmentation programs leave theirs."""

import pytest

from sanum.synth.subjects import ixi_pairs, subject_of, subjects_in


def laid_out(root, *files):
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def found(root, labels=""):
    return [tuple(p.relative_to(root).as_posix() for p in pair) for pair in ixi_pairs(root, labels)]


T1W = "sub-01/anat/sub-01_T1w.nii.gz"
IN_FREESURFER = "derivatives/freesurfer/sub-01"


@pytest.mark.parametrize(
    ("t1w", "labels"),
    [
        (T1W, "derivatives/dlmuse/sub-01/anat/sub-01_dseg.nii.gz"),
        (T1W, f"{IN_FREESURFER}/anat/sub-01_desc-aparcaseg_dseg.nii.gz"),
        (T1W, f"{IN_FREESURFER}/mri/aparc.a2009s+aseg.mgz"),
        (T1W, "derivatives/fastsurfer/sub-01/mri/aparc.DKTatlas+aseg.deep.mgz"),
        (T1W, "derivatives/synthseg/sub-01/anat/sub-01_T1w_synthseg.nii.gz"),
        (T1W, "derivatives/synthseg/sub-01_T1w_synthseg.nii.gz"),
        (T1W, "derivatives/nichart/sub-01_T1w_DLMUSE.nii.gz"),
        (T1W, "sub-01/anat/sub-01_dseg.nii.gz"),
        ("sub-01/anat/sub-01_T1w.nii", "derivatives/any name/sub-01/sub-01_space-T1w_dseg.nii"),
        (
            "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz",
            "derivatives/s/sub-01/ses-2/anat/sub-01_ses-2_dseg.nii.gz",
        ),
        ("sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz", f"{IN_FREESURFER}_ses-2/mri/aseg.mgz"),
        ("sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz", f"{IN_FREESURFER}/mri/aseg.mgz"),
        ("sub-01/mri/T1.mgz", "sub-01/mri/aparc+aseg.mgz"),
        ("patient 7/mri/rawavg.mgz", "patient 7/mri/wmparc.mgz"),
        ("normal-2_desc-brain_T1w.mgz", "normal-2_dseg.mgz"),
    ],
)
def test_each_layout(tmp_path, t1w, labels):
    assert found(laid_out(tmp_path, t1w, labels)) == [(t1w, labels)]
    assert subjects_in(tmp_path).without == ()


def test_of_several_the_one_that_says_most_of_this_head(tmp_path):
    anat = f"{IN_FREESURFER}/anat/sub-01"
    laid_out(
        tmp_path,
        T1W,
        f"{anat}_dseg.nii.gz",  # tissue alone, as of fMRIPrep
        f"{anat}_desc-aseg_dseg.nii.gz",
        f"{anat}_desc-aparcaseg_dseg.nii.gz",
        f"{anat}_space-MNI152NLin6Asym_desc-aparcaseg_dseg.nii.gz",
        f"{anat}_desc-lesion_dseg.nii.gz",
        f"{anat}_label-GM_probseg.nii.gz",
    )
    assert found(tmp_path) == [(T1W, f"{anat}_desc-aparcaseg_dseg.nii.gz")]
    mri = laid_out(tmp_path / "fs", *(f"sub-01/mri/{n}.mgz" for n in ("orig", "T1", "aseg", "aparc+aseg")))
    assert found(mri) == [("sub-01/mri/T1.mgz", "sub-01/mri/aparc+aseg.mgz")]


def test_labels_of_another_space_or_of_a_lesion_are_none(tmp_path):
    anat = f"{IN_FREESURFER}/anat/sub-01"
    laid_out(tmp_path, T1W, f"{anat}_space-MNI_dseg.nii.gz", f"{anat}_desc-tumour_dseg.nii.gz")
    assert subjects_in(tmp_path).without == ("sub-01",)


def test_each_session_and_run_has_its_own(tmp_path):
    names = [f"sub-01/ses-{s}/anat/sub-01_ses-{s}_run-{r}" for s in "12" for r in "12"]
    laid_out(tmp_path, *(f"{n}_T1w.nii.gz" for n in names))
    laid_out(tmp_path / "derivatives" / "s", *(f"{n}_dseg.nii.gz" for n in names[:3]))
    assert found(tmp_path) == [(f"{n}_T1w.nii.gz", f"derivatives/s/{n}_dseg.nii.gz") for n in names[:3]]
    assert subjects_in(tmp_path).names == ["sub-01"]


def test_labels_of_no_session_are_not_those_of_each(tmp_path):
    laid_out(tmp_path, *(f"sub-01/ses-{s}/anat/sub-01_ses-{s}_T1w.nii.gz" for s in "12"))
    laid_out(tmp_path, f"{IN_FREESURFER}/mri/aseg.mgz")
    assert subjects_in(tmp_path).pairs == ()


def test_the_folder_with_most_labels_is_taken_and_others_are_told(tmp_path):
    laid_out(tmp_path, *(f"sub-{n}/anat/sub-{n}_T1w.nii.gz" for n in "123"))
    laid_out(tmp_path / "derivatives", "a/sub-1_dseg.nii.gz", *(f"b/sub-{n}_dseg.nii.gz" for n in "12"))
    one = subjects_in(tmp_path)
    assert one.labels == tmp_path / "derivatives" / "b"
    assert one.others == (tmp_path / "derivatives" / "a",)
    assert one.without == ("sub-3",)
    for name in ("a", str(tmp_path / "derivatives" / "a"), "derivatives/a"):
        assert [p[1] for p in subjects_in(tmp_path, name).pairs] == [
            tmp_path / "derivatives" / "a" / "sub-1_dseg.nii.gz"
        ]
    laid_out(tmp_path / "derivatives" / "dlmuse", *(f"sub-{n}/anat/sub-{n}_dseg.nii.gz" for n in "12"))
    assert subjects_in(tmp_path).labels == tmp_path / "derivatives" / "dlmuse"
    with pytest.raises(ValueError, match=r"no folder of labels c, and none of that name in .*/derivatives"):
        subjects_in(tmp_path, "c")
    with pytest.raises(ValueError, match=r"2 of 3 subjects under .* have no parcellation in derivatives/a"):
        ixi_pairs(tmp_path, "a")


def test_the_average_brain_of_freesurfer_is_no_subject(tmp_path):
    laid_out(tmp_path, *(f"{s}/mri/{n}.mgz" for s in ("fsaverage", "bert") for n in ("orig", "aseg")))
    assert [subject_of(t1w) for t1w, _ in ixi_pairs(tmp_path)] == ["bert"]


def test_nothing_there(tmp_path):
    assert subjects_in(tmp_path).labels is None
    with pytest.raises(ValueError, match=r"no T1w \(such as sub-\*/anat/\*_T1w.nii.gz\) with a parcellation"):
        ixi_pairs(tmp_path)
