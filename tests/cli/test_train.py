import csv
import os
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from sanum.synth.average import average_anatomy
from sanum.weights.file import load_weights
from sanum.weights.store import resolve

pytestmark = pytest.mark.timeout(600)  # whole trainings, some in processes of their own

TINY = [
    "--set",
    "widths=8,8",
    "--set",
    "box.shape=16,20,16",
    "--set",
    "box.spacing_mm=10",
    "--set",
    "workers=0",
]


@pytest.fixture
def one_pose(monkeypatch):
    """The average anatomy that a training begins with is of one pose of each subject, not of three."""
    monkeypatch.setattr(
        "sanum.methods.anatomy.una.recipe.average_anatomy", partial(average_anatomy, repeats=1)
    )


@pytest.fixture
def words(training_data):
    return ["train", "una-small", "--data", training_data, "--device", "cpu", "--quiet", *TINY]


FEW = (
    "sanum: 8 subjects to train on (1 held out) are few: expect a network that knows these heads better than "
    "others, and give 20 or more, or begin with trained weights (--from)\n"
)


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


def log_of(run):
    with (run / "log.csv").open(newline="") as log:
        return list(csv.DictReader(log))


@pytest.mark.full
@pytest.mark.usefixtures("one_pose")
def test_a_step_then_another(sanum, words, prepared, tmp_path):
    """The real network, samples and objective; only anatomies are made up, and box and steps small."""
    (tmp_path / "cache").symlink_to(prepared)
    run = tmp_path / "una"
    words = [*words, "-o", run, "--set", "loop.sheet_every=1"]
    ran = sanum(*words, "--steps", 1)
    assert (ran.code, ran.err) == (0, FEW)
    path = run / "una-small.safetensors"
    assert ran.out == f"{path}\n"
    weights = ["una-small.safetensors", "una-small.sha256"]
    assert left_in(run) == ["checkpoint.pt", "data.json", "log.csv", "sheets", "tensorboard", *weights]
    before = load_weights(path)[0]
    assert resolve(path) == path

    assert "exists: pass --resume" in sanum(*words, "--steps", 2).refused()

    ran = sanum(*words, "--steps", 2, "--resume")
    assert (ran.code, ran.err) == (0, FEW)
    after, description = load_weights(resolve(path))
    assert description["steps"] == 2
    assert description["widths"] == [8, 8]
    assert any(not torch.equal(before[k], after[k]) for k in before)
    assert [row["step"] for row in log_of(run)] == ["1", "2"]
    assert all(np.isfinite(float(row["loss"])) for row in log_of(run))

    sentence = sanum(*words, "--steps", 2, "--resume", "--seed", 5).refused()
    assert "is of another recipe: seed was 1 and is now 5" in sentence


@pytest.mark.full
def test_two_devices_share_the_batch(sanum, words, prepared, tmp_path):
    """Started as a user would: Fabric starts the second process, on this machine alone."""
    (tmp_path / "cache").symlink_to(prepared)
    short = ["--precision", "32", "--steps", "2", "--set", "batch_size=2", "--set", "loop.sheet_every=0"]
    words = [*words, *short]
    one, two = tmp_path / "run1", tmp_path / "run2"
    assert sanum(*words, "-o", one).code == 0
    ran = subprocess.run(
        [sys.executable, "-m", "sanum", *map(str, words), "-o", two, "--devices", "2"],
        env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, FEW)
    assert ran.stdout == f"{two / 'una-small.safetensors'}\n"
    assert len(log_of(one)) == len(log_of(two)) == 2
    for alone, shared in zip(log_of(one), log_of(two), strict=True):
        assert float(alone["loss"]) == pytest.approx(float(shared["loss"]), rel=1e-4)


@pytest.mark.full
@pytest.mark.usefixtures("one_pose")
def test_una_learns_privately(sanum, words, prepared, tmp_path):
    """As it is, but for the setting; its averages are those that ship, not of the people it learns from."""
    (tmp_path / "cache").symlink_to(prepared)
    run = tmp_path / "una"
    private = ["--set", "step.kind=bam", "--set", "step.noise_multiplier=3", "--set", "loop.sheet_every=0"]
    ran = sanum(*words, "-o", run, *private, "--steps", 2)
    assert ran.code == 0
    assert "private training (bam) of 8 people, each in a step with a chance of 0.125: " in ran.err
    assert "gradients one after the other, as torch.func.vmap does not take this network" in ran.err
    state, header = load_weights(run / "una-small.safetensors")
    privacy = header["privacy"]
    assert (privacy["people"], privacy["steps"], privacy["seed_known"]) == (8, 2, False)
    assert privacy["taken_as_public"] == [
        "the lesion masks of lesions/",
        "the average anatomy and the atlas of una-compact",
    ]
    assert torch.equal(state["atlas"], load_weights(resolve("una-compact"))[0]["atlas"])
    assert (
        "set sampling.patients=0"
        in sanum(*words, "-o", tmp_path / "b", *private, "--set", "sampling.patients=0.5").err
    )


def test_an_unknown_recipe(sanum, tmp_path):
    sentence = sanum("train", "una-giant", "--data", tmp_path, "-o", tmp_path / "run").refused()
    assert sentence.startswith('unknown recipe "una-giant": known are una-compact, ')


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--set", "loop.stps=3"], 'unknown key "loop.stps": did you mean loop.steps'),
        (["--set", "loop.steps=many"], 'loop.steps takes a whole number, got "many"'),
        (["--set", "sampling.real=2"], "sampling.real is a share between 0 and 1, got 2.0"),
        (
            ["--set", "box.shape=17,20,16"],
            "box.shape must be in multiples of 4 for 2 widths, got (17, 20, 16)",
        ),
        (
            ["--set", "batch_size=3", "--devices", "2"],
            "batch_size 3 cannot be shared out evenly over 2 processes",
        ),
        (["--precision", "half"], 'unknown precision "half": known are auto, 32, bf16, fp16'),
    ],
)
def test_what_cannot_be_asked_for(sanum, words, tmp_path, more, sentence):
    assert sanum(*words, "-o", tmp_path / "run", *more).refused().startswith(sentence)
    assert left_in(tmp_path) == []


def test_without_fabric_it_is_told_what_to_install(sanum, words, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    sentence = sanum(*words, "-o", tmp_path / "run").refused()
    assert sentence == 'training needs Lightning Fabric and TensorBoard: pip install "sanum[train]"'


def test_a_data_folder_that_is_missing_or_empty(sanum, tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        sentence = sanum(
            "train", "una-compact", "--data", folder, "-o", tmp_path / "run", "--quiet"
        ).refused()
        assert sentence.startswith(f"{folder} is no folder to train on: it has no T1w (")
    assert left_in(tmp_path) == []


def test_a_checkpoint_is_not_overwritten_unasked(sanum, words, tmp_path):
    (tmp_path / "checkpoint.pt").write_text("precious")
    sentence = sanum(*words, "-o", tmp_path).refused()
    assert sentence.startswith(f"{tmp_path / 'checkpoint.pt'} exists: pass --resume to go on")
    assert (tmp_path / "checkpoint.pt").read_text() == "precious"
    assert left_in(tmp_path) == ["checkpoint.pt"]


def test_nothing_to_resume(sanum, words, tmp_path):
    sentence = sanum(*words, "-o", tmp_path, "--resume").refused()
    assert sentence.startswith("nothing to resume: ")
    assert left_in(tmp_path) == []


def test_a_damaged_checkpoint(sanum, words, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_text("damaged")
    sentence = sanum(*words, "-o", tmp_path / "run", "--resume").refused()
    assert "checkpoint.pt is damaged; remove it and start again" in sentence


@pytest.mark.full
@pytest.mark.usefixtures("one_pose")
def test_subjects_without_labels_are_told(sanum, words, training_data, prepared, tmp_path):
    (tmp_path / "cache").symlink_to(prepared)
    data = tmp_path / "data"
    shutil.copytree(training_data, data)
    (data / "ixi" / "sub-x" / "anat").mkdir(parents=True)
    (data / "ixi" / "sub-x" / "anat" / "sub-x_T1w.nii.gz").touch()
    words = [data if w == training_data else w for w in words]
    ran = sanum(*words, "-o", tmp_path / "run", "--steps", 1, "--set", "loop.sheet_every=0")
    assert ran.err == f"sanum: 1 subjects without labels are left out: sub-x\n{FEW}"
    assert ran.code == 0


@pytest.mark.full
@pytest.mark.usefixtures("one_pose")
def test_own_data_with_who_is_held_out(sanum, words, training_data, prepared, tmp_path):
    """A BIDS folder with another derivative and no masks; the run says who was held out, and keeps to it."""
    (tmp_path / "cache").symlink_to(prepared)
    data = tmp_path / "own"
    shutil.copytree(training_data / "ixi", data)
    (data / "derivatives" / "dlmuse").rename(data / "derivatives" / "mine")
    words = [data if w == training_data else w for w in words]
    words = [*words, "-o", tmp_path / "run", "--labels", "mine", "--set", "loop.sheet_every=0"]
    assert "no folder of labels other" in sanum(*words, "--labels", "other").refused()
    ran = sanum(*words, "--steps", 1, "--hold-out", "sub-2,sub-0")
    assert ran.code == 0
    few, masks = ran.err.splitlines()
    assert few.startswith("sanum: 7 subjects to train on (2 held out) are few: ")
    assert masks == "sanum: no lesion masks (lesions/*_mask.nii.gz): all anomalies start from noise"
    path = tmp_path / "run" / "una-small.safetensors"
    assert load_weights(path)[1]["held_out"] == ["sub-0", "sub-2"]
    more = [*words, "--steps", 2, "--resume"]
    assert "subjects.hold_out was sub-2,sub-0 and is now" in sanum(*more, "--hold-out", 2).refused()
    (tmp_path / "run" / "data.json").write_text('{"held_out": ["sub-1"]}')
    ran = sanum(*more, "--hold-out", "sub-2,sub-0")
    assert ran.code == 2
    assert "says that the run began with another held_out: give the same data and --hold-out" in ran.err
