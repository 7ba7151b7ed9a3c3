"""`sanum atlas`: three small balls make a group, and one of them is compared with it."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from sanum import cohort
from sanum.cohort import Item
from sanum.methods.atlas.population import compare as comparing
from sanum.methods.atlas.population import jobs
from sanum.space.deform import Stage

SHAPE, EDGE = (16, 20, 16), 8.0
QUICK = ("--spacing", "8", "--iterations", "1", "-q")


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Balls are smooth."""
    monkeypatch.setattr(jobs, "STAGES", (Stage(4, 1, 0.1), Stage(2, 4, 0.4)))
    monkeypatch.setattr(comparing, "STAGES", (Stage(2, 4, 0.4),))


@pytest.fixture
def group(tmp_path):
    """A folder of scans with label maps beside them, and participants.tsv."""
    folder, noise = tmp_path / "in", np.random.default_rng(0)
    folder.mkdir()
    at = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    lines = ["participant_id\tsex\tage"]
    for n, size in enumerate((0.68, 0.7, 0.72)):
        radius = np.sqrt((at**2).sum(0)) / size
        image = 100 / (1 + np.exp(12 * (radius - 1))) + 60 / (1 + np.exp(12 * (radius - 0.4)))
        save(folder / f"p{n}.nii.gz", image + noise.normal(0, 1, SHAPE))
        save(folder / f"p{n}_label.nii.gz", (radius < 1).astype(np.int16) + (radius < 0.4))
        lines.append(f"sub-p{n}\t{'FM'[n % 2]}\t{40 + n}")
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n")
    return folder


def save(path, values):
    kind = np.float32 if np.asarray(values).dtype.kind == "f" else np.int16
    nib.save(nib.Nifti1Image(np.asarray(values).astype(kind), np.diag([EDGE, EDGE, EDGE, 1])), path)


def test_a_group_and_a_scan_beside_it(sanum, group, tmp_path):
    scans = sorted(group.glob("p?.nii.gz"))
    built = sanum("atlas", "build", *scans, "-o", tmp_path / "atlas", *QUICK, "--shard", "2/2")
    assert built.code == 0, built.err
    assert built.out == f"{tmp_path / 'atlas'}\n"
    assert built.err.startswith("sanum: all: 3 subjects; mean displacement 0.0")
    about = json.loads((tmp_path / "atlas" / "atlas.json").read_text())
    assert about["subjects"] == ["p0", "p1", "p2"]
    said = sanum("atlas", "build", *scans, "-o", tmp_path / "atlas", *QUICK).refused()
    assert said.endswith("holds an atlas: pass --overwrite, or choose another folder")
    words = ("-o", tmp_path / "out", "--atlas", tmp_path / "atlas", "--itself", "-q")
    done = sanum("atlas", "compare", scans[1], *words)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("p1.nii.gz\t")
    assert (tmp_path / "out" / "p1_comparison.html").is_file()
    four = tmp_path / "four.nii.gz"
    save(four, np.random.default_rng(0).random((8, 8, 8, 3)))
    said = sanum("atlas", "compare", four, *words).refused()
    assert said.startswith("four.nii.gz has several volumes where one 3D scan was expected: write the one")
    said = sanum("atlas", "build", four, *scans, "-o", tmp_path / "other", *QUICK).refused()
    assert "--volume" not in said


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (["--by", "sex"], "an atlas needs at least 3 subjects, and sex-F has 2, sex-M has 1"),
        (["--by", "height"], "does not tell the group of 3 of 3 subjects (p0: no height"),
        (["--masked", "--labels", "nowhere"], "nowhere is no folder of labels"),
        (["--reference", "mni"], "--reference mni is a brain without its skull: add --masked"),
        (["--reference", "gone.nii.gz"], "gone.nii.gz"),
        (["--spacing", "0"], "spacing is a length in mm above 0, such as 2, got 0"),
        (["--shard", "3/2"], "--shard is i/n with i from 1 to n, or auto"),
        (["--scheduler", "tcp://head:1"], "--scheduler goes with --executor dask"),
        (["--participants", "gone.tsv"], "gone.tsv is not there"),
        (["--participants", "two.tsv"], "contradicts itself (sub-p1: sex F and M, sub-p1: age 40 and 50)"),
        (["--known", "--by", "height"], "an atlas needs at least 3 subjects"),
    ],
)
def test_what_is_refused(sanum, group, tmp_path, monkeypatch, words, about):
    monkeypatch.chdir(tmp_path)
    lines = "sub-p0\tF\t30\nsub-p1\tF\t40\nsub-p1\tM\t50\nsub-p0\tF\tn/a\n"
    (tmp_path / "two.tsv").write_text("participant_id\tsex\tage\n" + lines)
    assert about in sanum("atlas", "build", group, "-o", tmp_path / "out", *words, "-q").refused()
    assert not (tmp_path / "out" / "atlas.json").exists()


def test_labels_that_lie_elsewhere_and_atlases_that_are_none(sanum, group, tmp_path):
    path = group / "p1_label.nii.gz"
    moved = nib.load(path)
    affine = moved.affine.copy()
    affine[0, 3] = 900
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj), affine), path)
    said = sanum("atlas", "build", group, "-o", tmp_path / "out", "--masked", *QUICK).refused()
    assert "p1_label.nii.gz lies on another grid than p1.nii.gz: 0% of its labels" in said
    words = ("-o", tmp_path / "out", "--itself", "-q", "--atlas", group)
    assert "is no atlas" in sanum("atlas", "compare", group / "p0.nii.gz", *words).refused()


def test_usual_volumes_are_left_out_where_they_are_not_wanted(sanum, group, tmp_path):
    built = sanum("atlas", "build", group, "-o", tmp_path / "out", "--no-volumes", *QUICK)
    assert built.code == 0, built.err
    assert (tmp_path / "out" / "dseg.nii.gz").is_file()
    assert not (tmp_path / "out" / "work" / "all" / "measured").exists()
    assert json.loads((tmp_path / "out" / "atlas.json").read_text())["norms"] is None


@pytest.mark.full
def test_workers_get_the_job_as_a_file(sanum, group, tmp_path, monkeypatch):
    """What Dask does with it is the cohort's matter: here it is done in this process."""
    pytest.importorskip("distributed")
    pytest.importorskip("cryptography")

    asked = []

    def on_dask(items, output, load, how, settings, **where):
        asked.append((how[1:], where))
        own = {item.path.absolute(): item for item in items}
        for outcome in cohort.run([Item(path) for path in own], output, load(*how), settings):
            yield replace(outcome, item=own[outcome.item.path])

    here = sanum("atlas", "build", group, "-o", tmp_path / "here", *QUICK)
    monkeypatch.setattr("sanum.cohort.run_on_dask", on_dask)
    monkeypatch.chdir(tmp_path)
    words = (*QUICK, "--executor", "dask", "--threads", "1", "--workers", "3")
    there = sanum("atlas", "build", "in", "-o", "there", *words)
    assert (here.code, there.code) == (0, 0), there.err
    assert asked == [((1, 3), {"scheduler": None, "workers": 3})] * 5
    for name in ("template.nii.gz", "dseg.nii.gz"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
