import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanum.scan.names import folder_name, output_name, printable, stem_of


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("sub-ms1_desc-brain_FLAIR.nii.gz", "sub-ms1_acq-FLAIR"),
        ("a/b/sub-1_ses-2_T1w.nii", "sub-1_ses-2_acq-T1w"),
        ("sub-1_acq-high_run-02_T2w.mgz", "sub-1_acq-highT2w_run-02"),
        (
            "sub-1_space-MNI_run-1_task-rest_ses-2_bold.nii.gz",
            "sub-1_ses-2_task-rest_acq-bold_run-1_space-MNI",
        ),
        ("sub-1_desc-brain.nii.gz", "sub-1"),
        ("sub-1_house-9_T1w.nii.gz", "sub-1_acq-T1w_house-9"),
        ("sub-1_T1w_brain.nii.gz", "sub-1_T1w_brain"),
        ("sub-1_run-1_run-2_T1w.nii.gz", "sub-1_run-1_run-2_T1w"),
        ("scan.nii.gz", "scan"),
        ("scan.v2.NII.GZ", "scan.v2"),
        ("scan.nii.nii.gz", "scan"),
        ("brain.nhdr", "brain"),
        ("Ünïcode Näme.mha", "Ünïcode Näme"),
        ("dicom/pd-axial/", "pd-axial"),
        (".nii.gz", "scan"),
        (".hidden.nii.gz", "hidden"),
    ],
)
def test_stem(path, stem):
    assert stem_of(path) == stem


@pytest.mark.parametrize("name", ["a\nb.nii", "a\x1b[31mb.nii", "a\\b.nii", "a\udcffb.nii", "a\u202eb.nii"])
def test_hostile_characters_are_replaced(name):
    stem = stem_of(name)
    assert stem.isprintable()
    assert stem.startswith("a-")
    assert "\\" not in stem


def test_names_of_a_folder_itself(tmp_path, monkeypatch):
    folder = tmp_path / "series"
    (folder / "sub").mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert stem_of(".") == "series"
    assert stem_of(folder / "sub" / "..") == "series"


def test_long_names_are_cut_and_stay_apart():
    one, other = ("ä" * 120 + end + ".nii.gz" for end in "ab")
    assert len(stem_of(one).encode()) <= 150
    assert stem_of(one) != stem_of(other)


@given(st.text(alphabet=string.printable + "äß\u202e\udc80\x00._-", min_size=1, max_size=300))
def test_any_name_gives_one_safe_component_and_is_its_own_stem(name):
    stem = stem_of("in/" + name.replace("/", "_") + ".nii.gz")
    assert stem not in ("", ".", "..")
    assert len(stem.encode()) <= 150
    assert Path(stem).name == stem
    assert stem.isprintable()
    assert stem_of(stem) == stem


def test_output_names():
    assert output_name("scan", "anomaly", "probseg") == "scan_desc-anomaly_probseg.nii.gz"
    assert output_name("x/sub-1_T2w.nii.gz", "brain", "mask") == "sub-1_acq-T2w_desc-brain_mask.nii.gz"
    assert output_name("x/sub-1_T2w.nii.gz", None, "report", ".html") == "sub-1_acq-T2w_report.html"


def test_contrasts_of_one_session_do_not_collide():
    assert len({stem_of(f"sub-1_{suffix}.nii.gz") for suffix in ("T1w", "T2w", "FLAIR")}) == 3


@given(st.lists(st.text(alphabet=string.printable + "ä\udc80.\\", min_size=1), max_size=4))
def test_folders_are_mirrored_and_stay_inside(parts):
    names = [p.replace("/", "_") for p in parts]
    mirrored = folder_name(Path(*names))
    assert not mirrored.is_absolute()
    assert not {"..", "/", "\\"} & set(mirrored.parts)
    assert all(part.isprintable() and len(part.encode()) <= 150 for part in mirrored.parts)
    assert folder_name(Path("sub-1/ses-2/a b")) == Path("sub-1/ses-2/a b")


def test_shown_paths_cannot_drive_a_terminal():
    assert printable("a\x1b]0;x\x07\udcff.nii") == "a?]0;x??.nii"
