import json
import shutil

import numpy as np
import pytest
import torch

from sanum.methods import registry
from sanum.scan import write
from sanum.weights.file import save_weights


@pytest.fixture
def people(phantom, tmp_path):
    """One with a lesion, one of whom nothing is known."""
    root = tmp_path / "people"
    lesion = (np.asarray(phantom.voxels) > 1.2).astype(np.uint8)
    write(phantom, root / "sub-1" / "anat" / "sub-1_T1w.nii.gz")
    write(phantom.with_voxels(lesion), root / "sub-1" / "anat" / "sub-1_desc-lesion_mask.nii.gz")
    write(phantom, root / "sub-2" / "anat" / "sub-2_T1w.nii.gz")
    return root


@pytest.fixture
def known(monkeypatch, rough_mirror, phantom_predictor):
    """Every method is the one that knows the phantom; how each was asked for."""
    asked = []

    def load(name, *, device, weights):
        asked.append((name, device, weights and weights.name))
        if name == "nobody":
            raise ValueError('unknown method "nobody": known is una')
        return phantom_predictor

    monkeypatch.setattr(registry, "load", load)
    return asked


def test_tables_of_two_methods(sanum, people, known, tmp_path):
    out = tmp_path / "out"
    words = ["evaluate", people, "-o", out, "--method", "una", "--method", "synthsr=w.safetensors"]
    ran = sanum(*words, "--device", "cpu")
    assert ran.code == 0, ran
    assert ran.out.splitlines() == [
        str(out / n) for n in ("cases.csv", "tables.md", "tables.json", "figure.png")
    ]
    assert known == [("una", "cpu", None), ("synthsr", "cpu", "w.safetensors")]
    lines = ran.err.splitlines()
    assert lines[0].startswith(
        "sanum: left out, for there is no truth, no lesion mask and no aligned partner: sub-2_T1w"
    )
    assert lines[-1] == "sanum: 2 of 2 cases, people/sub-1_T1w, synthsr (w)"
    told = json.loads((out / "tables.json").read_text())
    assert [r["method"] for r in told["rows"]] == ["synthsr (w)", "una"]
    assert {(c["one"], c["other"]) for c in told["tests"]} == {("una", "synthsr (w)")}
    assert "| people | T1w | una | 1 of 1 subject, no interval |" in (out / "tables.md").read_text()


def test_other_scores_and_thresholds_of_another_data_set(sanum, people, known, tmp_path):
    shutil.rmtree(people / "sub-2")
    other = tmp_path / "others"
    (other / "derivatives").mkdir(parents=True)
    for part in (people / "sub-1").rglob("*.nii.gz"):
        there = other / "sub-9" / "anat" / part.name.replace("sub-1", "sub-9")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(part)
    words = ["evaluate", people, other, "-o", tmp_path / "out", "--device", "cpu", "-q"]
    ran = sanum(*words, "--score", "intensity", "--validation", "others")
    assert ran.code == 0, ran
    text = (tmp_path / "out" / "tables.md").read_text()
    thresholds = text[text.index("## Thresholds from validation") :].split("\n\n")[2].splitlines()[2:]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in thresholds]
    assert [[c[0], c[2], *c[4:]] for c in cells] == [
        ["people", "una", "sub-1_T1w", "sub-9_T1w"],
        ["people", "una, intensity", "sub-1_T1w", "sub-9_T1w"],
    ]  # the one in "others" has nobody else there
    told = sanum(*words, "--validation", "strangers").refused()
    assert "--validation strangers is no data set with known lesions; those given: people, others" in told
    assert 'no score is named "brightness"' in sanum(*words, "--score", "brightness").refused()


def test_only_subjects_that_the_weights_say_were_held_out(sanum, people, known, tmp_path):
    for name, held in (("a", ["sub-1", "sub-2"]), ("b", ["sub-2", "sub-3"]), ("c", ["sub-1"])):
        save_weights(tmp_path / f"{name}.safetensors", {"w": torch.zeros(1)}, held_out=held)
    words = ["evaluate", people, "--held-out", "--device", "cpu", "-o"]
    a, b, c = (f"una={tmp_path / name}.safetensors" for name in "abc")
    ran = sanum(*words, tmp_path / "one", "--method", a, "--method", c)
    assert ran.code == 0, ran
    assert "2 of 2 cases, people/sub-1_T1w" in ran.err
    told = sanum(*words, tmp_path / "two", "--method", b, "--method", c).refused()
    assert "no subject in" in told
    assert "is one that the training held out" in told


def test_what_is_refused(sanum, people, known, phantom, tmp_path):
    out = tmp_path / "out"
    assert "is not a folder" in sanum("evaluate", tmp_path / "none", "-o", out).refused()
    assert "no sub-*/anat" in sanum("evaluate", tmp_path / "people" / "sub-1", "-o", out).refused()
    assert "unknown method" in sanum("evaluate", people, "-o", out, "--method", "nobody").refused()
    assert (
        "given twice" in sanum("evaluate", people, "-o", out, "--method", "una", "--method", "una").refused()
    )
    told = sanum("evaluate", people, "-o", out, "--method", "pca").refused()
    assert "pca has learned nothing yet: fit it to slices with sanum detect fit" in told
    told = sanum("evaluate", people, "-o", out, "--method", "classifier=w.safetensors").refused()
    assert '"classifier" makes neither anatomies nor maps of anomalies' in told
    assert "no case is left" in sanum("evaluate", people, "-o", out, "--only", "sub-9").refused()
    mask = people / "sub-2" / "anat" / "sub-2_desc-lesion_mask.nii.gz"
    write(type(phantom)(phantom.voxels[2:], phantom.affine), mask)
    told = sanum("evaluate", people, "-o", out).refused()
    assert "1 of the files in" in told
    assert "sub-2_desc-lesion_mask.nii.gz is not on the grid of sub-2_T1w.nii.gz: it has 48" in told
    assert not out.exists()


def test_a_case_that_fails_is_told_and_gives_exit_code_1(sanum, people, known, phantom, tmp_path):
    noise = np.random.default_rng(0).random(phantom.voxels.shape).astype(np.float32)
    write(phantom.with_voxels(noise), people / "sub-2" / "anat" / "sub-2_T1w.nii.gz", overwrite=True)
    ran = sanum("evaluate", people, "-o", tmp_path / "out", "--healthy", "--device", "cpu", "-q")
    assert ran.code == 1
    assert "sub-2_T1w.nii.gz" in ran.err
    assert "1 failed" in (tmp_path / "out" / "tables.md").read_text()


def test_a_detector_of_slices_is_told_where_the_brain_is(sanum, people, known, tmp_path):
    ran = sanum("evaluate", people, "-o", tmp_path / "out", "--method", "pca=w.safetensors", "-q")
    assert ran.code == 1
    assert "sub-1_T1w.nii.gz has no brain mask, which a detector of slices needs" in ran.err
    assert "pca (w)" in (tmp_path / "out" / "tables.md").read_text()
