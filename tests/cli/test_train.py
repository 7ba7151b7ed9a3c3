import csv
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch

from sanum.learn.weights import load_weights
from sanum.space.grid import apply_affine, box_around

FLUID, CORTEX, WHITE, CAUDATE = 51, 120, 81, 36  # DLMUSE numbers


def ellipsoid(x, radii, centre=(0, 0, 0)):
    return (((x - centre) / radii) ** 2).sum(-1) < 1


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Nine made-up subjects (eight of them held out) and one lesion mask, laid out like shared/data."""
    root = tmp_path_factory.mktemp("data")
    grid = box_around((2, -8, 4), (48, 56, 48), 4.0)
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)) - (2, -12, 6)
    head, brain = ellipsoid(x, (76, 92, 78)), ellipsoid(x, (62, 78, 62))
    labels = np.where(brain, CORTEX, 0)
    labels[ellipsoid(x, (50, 66, 50))] = WHITE
    labels[ellipsoid(x, (9, 14, 9), (24, 4, 4)) | ellipsoid(x, (9, 14, 9), (-24, 4, 4))] = CAUDATE
    labels[ellipsoid(x, (8, 26, 14))] = FLUID
    t1w = 100.0 * head
    for label, value in ((CORTEX, 130), (WHITE, 200), (CAUDATE, 150), (FLUID, 40)):
        t1w[labels == label] = value
    t1w += np.random.default_rng(0).normal(0, 3, t1w.shape) * head
    for n in range(9):
        anat = root / "ixi" / f"sub-{n}" / "anat"
        dseg = root / "ixi" / "derivatives" / "dlmuse" / f"sub-{n}" / "anat"
        anat.mkdir(parents=True)
        dseg.mkdir(parents=True)
        first = anat / f"sub-{n}_T1w.nii.gz"
        nib.save(nib.Nifti1Image(np.clip(t1w, 0, 255).astype(np.uint8), grid.affine), first)
        nib.save(nib.Nifti1Image(labels.astype(np.uint8), grid.affine), dseg / f"sub-{n}_dseg.nii.gz")
    (root / "lesions").mkdir()
    lesion = ellipsoid(x, (14, 14, 14), (30, 0, 10)).astype(np.uint8)
    nib.save(nib.Nifti1Image(lesion, grid.affine), root / "lesions" / "stroke-000_mask.nii.gz")
    return root


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


def test_two_steps_then_two_more(sanum, data, tmp_path):
    """The real recipe, network and samples; only the anatomies are made up and the steps are few."""
    run = tmp_path / "runs" / "una"
    words = ["train", "una-compact", "--data", data, "-o", run, "--device", "cpu", "--quiet"]
    ran = sanum(*words, "--steps", 1)
    assert (ran.code, ran.err) == (0, "")
    path = run / "una-compact.safetensors"
    assert ran.out == f"{path}\n"
    assert left_in(run) == ["checkpoint.pt", "log.csv", "una-compact.safetensors"]
    before = load_weights(path)[0]

    assert "exists: pass --resume" in sanum(*words, "--steps", 2).refused()

    ran = sanum(*words, "--steps", 2, "--resume")
    assert (ran.code, ran.err) == (0, "")
    after, description = load_weights(path)
    assert description["steps"] == 2
    assert any(not torch.equal(before[k], after[k]) for k in before)
    with (run / "log.csv").open() as log:
        rows = list(csv.DictReader(log))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    assert len(left_in(tmp_path / "runs" / "cache")) == 1  # the held-out subjects were not even read


def test_an_unknown_recipe(sanum, tmp_path):
    sentence = sanum("train", "una-giant", "--data", tmp_path, "-o", tmp_path / "run").refused()
    assert sentence == 'unknown recipe "una-giant": known is una-compact'


def test_a_data_folder_that_is_missing_or_empty(sanum, tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        sentence = sanum("train", "una-compact", "--data", folder, "-o", tmp_path / "run").refused()
        assert sentence.startswith("no sub-*/anat/*_T1w.nii.gz with a parcellation under ")
        assert str(folder) in sentence
    assert left_in(tmp_path) == []


def test_too_few_subjects(sanum, data, tmp_path):
    shutil.copytree(data, tmp_path / "few")
    shutil.rmtree(tmp_path / "few" / "ixi" / "sub-3")
    sentence = sanum("train", "una-compact", "--data", tmp_path / "few", "-o", tmp_path / "run").refused()
    assert sentence.startswith("too few subjects under ")
    assert sentence.endswith("the last 8 are held out, so at least 9 are needed")
    assert left_in(tmp_path) == ["few"]


def test_a_checkpoint_is_not_overwritten_unasked(sanum, data, tmp_path):
    (tmp_path / "checkpoint.pt").write_text("precious")
    sentence = sanum("train", "una-compact", "--data", data, "-o", tmp_path).refused()
    assert sentence.startswith(f"{tmp_path / 'checkpoint.pt'} exists: pass --resume to go on")
    assert (tmp_path / "checkpoint.pt").read_text() == "precious"
    assert left_in(tmp_path) == ["checkpoint.pt"]


def test_nothing_to_resume(sanum, data, tmp_path):
    sentence = sanum("train", "una-compact", "--data", data, "-o", tmp_path, "--resume").refused()
    assert sentence.startswith("nothing to resume: ")
    assert left_in(tmp_path) == []


def test_a_damaged_checkpoint(sanum, data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_text("damaged")
    words = ["train", "una-compact", "--data", data, "-o", tmp_path / "run", "--resume", "--quiet"]
    sentence = sanum(*words).refused()
    assert "checkpoint.pt is damaged or of another network" in sentence
    assert "start again" in sentence
