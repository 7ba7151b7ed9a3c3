"""`sanum translate`: a model from pairs, files of a scan, and what is refused."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sanum.cli.fit_folder import remove_training, training_folder
from sanum.scan import Scan, read, write

QUICK = ("loop.steps=1", "patch=32,32", "batch_size=1", "samples=2", "overlap=0", "widths=4,4,4,4,8,4")
SETTINGS = [word for value in QUICK for word in ("--set", value)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data set of two pairs, and a scan of another contrast."""
    folder = tmp_path_factory.mktemp("pairs")
    for n in range(2):
        x = gaussian_filter(np.random.default_rng(n).random((34, 36, 5)), 1)
        x = np.where(x > np.median(x), x * 900, 0).astype(np.float32)
        for contrast, values in (("T1w", x), ("FLAIR", 700 - x)):
            scan = Scan(values, np.diag([2.0, 2, 5, 1]))
            write(scan, folder / "bids" / f"sub-{n}" / "anat" / f"sub-{n}_{contrast}.nii.gz")
    write(scan, folder / "sub-9_T2w.nii.gz")
    return folder


@pytest.fixture(scope="module")
def model(place, tmp_path_factory):
    """A model that has learned next to nothing."""
    import sanum
    from sanum.data.pairs import find_pairs, read_pair

    translator = sanum.load("regression").with_settings(*QUICK)
    files = find_pairs(place / "bids", "T1w", "FLAIR")
    translator.fit([read_pair(one) for one in files], folder=tmp_path_factory.mktemp("run"))
    return translator.save(place / "flair.safetensors")


def test_a_model_is_fitted_and_its_run_taken_away(sanum, place, tmp_path):
    table = place / "bids" / "pairs.csv"
    anat = [f"sub-{n}/anat/sub-{n}" for n in range(2)]
    rows = [f"{scan}_T1w.nii.gz,{scan}_FLAIR.nii.gz" for scan in anat]
    table.write_text("\n".join(["source,target", *rows, f"{anat[0]}_T1w.nii.gz,"]))
    words = ["translate", "fit", table, "-o", tmp_path / "m.safetensors", "--source", "T1w", "-q"]
    done = sanum(*words, "--target", "FLAIR", *SETTINGS)
    assert (done.code, done.out) == (0, f"{tmp_path / 'm.safetensors'}\n"), done
    assert "learned T1w to FLAIR from 2 scans" in done.err
    assert "scans without a partner, which are left out: 1" in done.err
    assert not (tmp_path / "m.training").exists()
    assert "exists: pass --overwrite" in sanum(*words, "--target", "FLAIR").refused()


def test_a_folder_of_somebody_else_is_left_alone(sanum, place, tmp_path):
    notes = tmp_path / "m.training" / "sheets" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    contrasts = ("--source", "T1w", "--target", "FLAIR")
    words = [
        "translate",
        "fit",
        place / "bids",
        "-o",
        tmp_path / "m.safetensors",
        *contrasts,
        "-q",
        *SETTINGS,
    ]
    assert "holds notes.txt, which is of no training" in sanum(*words).refused()
    assert notes.read_text() == "mine"


def test_of_a_training_only_its_own_files_are_removed(tmp_path):
    folder = training_folder(tmp_path / "m.safetensors")
    for name in ("checkpoint.pt", "log.csv", "tensorboard/events.1", ".sanum-half.pt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("ours")
    assert training_folder(tmp_path / "m.safetensors") == folder
    (folder / "late.txt").write_text("mine")
    remove_training(folder)
    assert [path.name for path in folder.rglob("*")] == ["late.txt"]
    (folder / "late.txt").unlink()
    remove_training(folder)
    assert not folder.exists()


def test_the_files_of_a_scan(sanum, place, model, tmp_path):
    scan = place / "bids" / "sub-0" / "anat" / "sub-0_T1w.nii.gz"
    done = sanum("translate", "apply", scan, "--model", model, "-o", tmp_path, "-q")
    assert done.code == 0, done
    assert done.out.startswith("sub-0_T1w.nii.gz\tT1w to FLAIR\tmean uncertainty ")
    source = nib.load(scan)
    for name in ("sub-0_acq-T1w_desc-translated_FLAIR", "sub-0_acq-T1w_desc-translated_uncertainty"):
        image = nib.load(tmp_path / f"{name}.nii.gz")
        assert image.shape == source.shape
        assert image.header["descrip"].item() == b"synthetic: sanum translate"
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-5)
    about = json.loads((tmp_path / "sub-0_acq-T1w_desc-translated_FLAIR.json").read_text())
    assert about == {"Description": "FLAIR that a network made of the T1w.", "Synthetic": True}
    page = (tmp_path / "sub-0_acq-T1w_desc-translated_report.html").read_text(encoding="utf-8")
    assert "2 views of the scan" in page
    assert "Steps of the training" in page
    record = json.loads((tmp_path / "sub-0_acq-T1w_record.json").read_text())
    assert (record["source_contrast"], record["target_contrast"], record["samples"]) == ("T1w", "FLAIR", 2)


def test_what_is_refused_is_one_sentence(sanum, place, model, tmp_path):
    fit = ("translate", "fit", place / "bids", "-o", tmp_path / "m.safetensors", "-q")
    apply = ("translate", "apply", place / "sub-9_T2w.nii.gz", "-o", tmp_path, "-q", "--model")
    for words, about in (
        ((*apply, model), "is T2w, and the model translates T1w to FLAIR: choose a model for T2w"),
        ((*apply, "none.safetensors"), "weights not found"),
        ((*fit, "--source", "T1w", "--target", "t1"), "are both T1w: name two contrasts"),
        (fit, "name both, such as --source T1w --target FLAIR"),
        ((*fit, "--source", "T1w", "--target", "FLAIR", "--method", "cae"), '"cae" is no translator'),
        ((*fit, "--source", "T1w", "--target", "FLAIR", "--set", "dims=3"), "patch is 3 lengths"),
    ):
        assert about in sanum(*words).refused()
    as_t1w = ("translate", "apply", place / "sub-9_T2w.nii.gz", "-o", tmp_path, "-q", "--contrast", "T1w")
    assert sanum(*as_t1w, "--model", model).code == 0


def test_models_are_measured_beside_baselines(sanum, place, model, tmp_path):
    words = ("translate", "evaluate", place / "bids", "-o", tmp_path / "out", "-q", "--model")
    done = sanum(*words, f"mine={model}", "--threshold", "350")
    assert (done.code, done.err) == (0, ""), done
    names = ["cases.csv", "tables.md", "tables.json", "figure.png"]
    assert done.out.splitlines() == [str(tmp_path / "out" / name) for name in names]
    text = (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")
    for method in ("mine", "mean target", "intensity table"):
        assert f"| bids | T1w to FLAIR, above 350 | {method} | 2 of 2 subjects, no interval |" in text
    before = (tmp_path / "out" / "cases.csv").read_bytes()
    again = sanum(*words, f"mine={model}", "--threshold", "350", "--model", model)
    assert again.code == 0
    rows = (tmp_path / "out" / "cases.csv").read_bytes().splitlines()
    assert set(before.splitlines()) < set(rows)
    assert len(rows) == 1 + 2 * 4


def test_measurements_that_are_refused(sanum, place, model, tmp_path):
    words = ("translate", "evaluate", place / "bids", "-o", tmp_path / "out", "-q", "--model", model)
    alone = tmp_path / "alone.csv"
    scans = [place / "bids" / "sub-0" / "anat" / f"sub-0_{c}.nii.gz" for c in ("T1w", "FLAIR", "T2w")]
    alone.write_text(f"source,target\n{scans[0]},{place / 'sub-9_T2w.nii.gz'}\n")
    for more, about in (
        (("--model", model), 'two rows would be called "flair": name one'),
        (("--threshold", "9000"), "nothing in any target is above 9000"),
        (("--threshold", "9", "--segmenter", "x.safetensors"), "choose --threshold or --segmenter"),
        (("--segmenter", model), "expected a segmenter"),
        (("--range", "0"), "--range is a number above 0"),
        (("--source", "CT"), "translates T1w to FLAIR, and the sources are said to be CT: choose a model"),
        (("--train", place / "bids"), "is measured, and among the pairs of --train"),
    ):
        assert about in sanum(*words, *more).refused()
    elsewhere = ("translate", "evaluate", alone, "-o", tmp_path / "out", "-q", "--model", model)
    assert "is T2w, and the models translate T1w to FLAIR" in sanum(*elsewhere).refused()
    assert (
        "sanum translate evaluate"
        in sanum(
            "evaluate", place / "bids", "-o", tmp_path / "x", "--method", f"regression={model}", "-q"
        ).refused()
    )
    holed = read(scans[0])
    voxels = np.array(holed.voxels)
    voxels[3, 3, 3] = np.nan
    write(holed.with_voxels(voxels), tmp_path / "holed_T1w.nii.gz")
    alone.write_text(f"source,target\n{tmp_path / 'holed_T1w.nii.gz'},{scans[1]}\n")
    one = sanum(*elsewhere)
    assert one.code == 0
    assert "holed_T1w: 1 voxels were NaN or infinite and were set to" in one.err
    assert "all pairs are of one person" in one.err
    assert "so there is no Dice" in one.err
