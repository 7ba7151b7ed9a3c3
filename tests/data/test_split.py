"""Who is held out, of any number of subjects."""

import pytest

from sanum.data.split import SubjectsConfig, held_out, require_data, root_of, split_masks, split_subjects

SUBJECTS = [f"sub-{n:02d}" for n in range(1, 51)]


@pytest.mark.parametrize(("total", "count"), [(2, 1), (4, 1), (9, 1), (20, 2), (50, 6), (64, 8), (500, 8)])
def test_by_default_an_eighth_and_at_most_eight(total, count):
    subjects = [f"sub-{n:03d}" for n in range(total)]
    assert held_out(subjects) == subjects[-count:]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("3", ["sub-48", "sub-49", "sub-50"]),
        ("sub-07", ["sub-07"]),
        ("sub-07,sub-03", ["sub-03", "sub-07"]),
        ("07, 03,07", ["sub-03", "sub-07"]),
    ],
)
def test_a_number_or_names(wanted, names):
    assert held_out(SUBJECTS, wanted) == names


@pytest.mark.parametrize(
    "text", ["sub-07\nsub-03\n", "participant_id\tage\nsub-03\t40\nsub-07\t50\n", "# old\n\n03  # a\n07"]
)
def test_a_file(tmp_path, text):
    (tmp_path / "who.txt").write_text(text)
    assert held_out(SUBJECTS, str(tmp_path / "who.txt")) == ["sub-03", "sub-07"]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("0", "--hold-out 0 would leave nobody to look at"),
        ("50", "too few subjects: 50 have labels and the last 50 are held out, so at least 51 are needed"),
        ("sub-07,sub-77,x", "--hold-out names subjects that have no T1w with labels: sub-77, x; take"),
        (",", "--hold-out , names nobody"),
        (",".join(SUBJECTS), "names all 50 subjects: leave some to train on"),
    ],
)
def test_what_cannot_be_held_out(wanted, sentence):
    with pytest.raises(ValueError) as raised:
        held_out(SUBJECTS, wanted)
    assert sentence in str(raised.value)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "who").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="who cannot be read: expected a text file with a subject a line"):
        held_out(SUBJECTS, str(tmp_path / "who"))


@pytest.fixture
def own(tmp_path):
    """Twenty-four people with SynthSeg's labels, two of them twice, and no lesion masks."""
    for n in range(24):
        for session in "12" if n % 12 == 0 else "1":
            name = f"sub-{n:02d}_ses-{session}"
            anat = f"sub-{n:02d}/ses-{session}/anat"
            for file in (f"{anat}/{name}_T1w", f"derivatives/synthseg/{anat}/{name}_T1w_synthseg"):
                path = tmp_path / f"{file}.nii.gz"
                path.parent.mkdir(parents=True)
                path.touch()
    return tmp_path


def test_a_folder_of_subjects_is_a_folder_of_data(own):
    train, held = split_subjects(own)
    assert root_of(own) == own
    assert {t1w.parts[-4] for t1w, _ in held} == {"sub-21", "sub-22", "sub-23"}
    assert len(train) == 23
    assert require_data(own) == ["no lesion masks (lesions/*_mask.nii.gz): all anomalies start from noise"]
    assert require_data(own, masks=False) == []


def test_a_person_is_on_one_side_with_all_sessions(own):
    train, held = split_subjects(own, SubjectsConfig(hold_out="sub-12,sub-05"))
    assert [t1w.parts[-4] for t1w, _ in held] == ["sub-05", "sub-12", "sub-12"]
    assert not {t1w.parts[-4] for t1w, _ in train} & {"sub-05", "sub-12"}


def test_few_to_train_on_are_told(own):
    few = require_data(own, masks=False, config=SubjectsConfig(hold_out="5"))
    assert [note[:48] for note in few] == ["19 subjects to train on (5 held out) are few: ex"]


def test_the_last_tenth_of_own_masks_is_held_out(tmp_path):
    assert split_masks(tmp_path) == ([], [])
    (tmp_path / "lesions").mkdir()
    for n in range(25):
        (tmp_path / "lesions" / f"glioma-{n:02d}_mask.nii.gz").touch()
    train, held = split_masks(tmp_path)
    assert [m.name[:9] for m in held] == ["glioma-23", "glioma-24"]
    assert len(train) == 23
    for mask in train[6:] + held:
        mask.unlink()
    assert split_masks(tmp_path) == (train[:6], [])
