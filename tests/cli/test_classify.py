"""`sanum classify`: fit, score and cross-validate small made-up pictures."""

import csv
import json

import numpy as np
import pytest
import typer
from PIL import Image

from sanum.cli import main as entry
from sanum.weights.file import load_weights, save_weights

TINY = ("picture.size=32", "loop.steps=4", "head_steps=2", "batch_size=8", "validate_every=2", "views=1")
SET = [word for setting in TINY for word in ("--set", setting)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Nine pictures of noise, and seven of stripes."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for place, count in (("normal", 9), ("ill", 7)):
        (root / place).mkdir()
        for n in range(count):
            pixels = rng.integers(0, 99, (40, 36, 3), dtype=np.uint8)
            if place == "ill":
                pixels[::4] += 120
            Image.fromarray(pixels).save(root / place / f"{n:02}.png")
    return root


@pytest.fixture(scope="module")
def model(made, tmp_path_factory):
    from typer.testing import CliRunner

    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    words = ["classify", "fit", str(made / "normal"), str(made / "ill"), "-o", str(path), "-q", *SET]
    ran = CliRunner().invoke(entry.app, words)
    assert ran.exit_code == 0, ran.output
    return path


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.mark.parametrize("command", ["fit", "score", "crossval"])
def test_help_has_an_example_and_every_option(sanum, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "220")
    ran = sanum("classify", command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"sanum classify {command} " in ran.out.split("Example:")[1]
    shown = "".join(ran.out.translate(str.maketrans("", "", "│╭╮╰╯─ \n")).split())
    group = typer.main.get_command(entry.app).commands["classify"]
    for option in group.commands[command].params:
        if getattr(option, "help", None):
            assert "".join(option.help.split()) in shown


def test_the_model_says_how_it_was_chosen(model):
    header = load_weights(model)[1]
    assert (header["method"], header["choice"], header["channels"]) == ("classifier", "loss", 3)
    assert header["threshold"]["rule"] == "half"
    assert header["facts"]["step"] in (2, 4)
    assert header["facts"]["normals"] + header["facts"]["abnormals"] == 16 - header["threshold"]["images"]
    assert not model.with_suffix(".training").exists()


def test_scores_maps_and_what_cannot_be_read(sanum, made, model, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("00.png", "01.png"):
        (tmp_path / "in" / name).write_bytes((made / "ill" / name).read_bytes())
    (tmp_path / "in" / "zz.png").write_bytes(b"\x89PNG")
    out = tmp_path / "out"
    ran = sanum("classify", "score", tmp_path / "in", "--model", model, "-o", out, "-q")
    assert ran.code == 1
    assert "zz.png is damaged or no image" in ran.err
    table = rows(out / "scores.tsv")
    assert [row["path"] for row in table] == ["00.png", "01.png"]
    for row in table:
        assert 0 <= float(row["score"]) <= 1
        assert row["abnormal"] == str(int(float(row["score"]) >= 0.5))
        with Image.open(out / row["overlay"]) as overlay:
            assert overlay.size == (36, 40)
    assert [row["path"] for row in rows(out / "failed.tsv")] == ["zz.png"]
    assert json.loads((out / "00_record.json").read_text())


@pytest.mark.full
def test_crossval_tests_every_image_once(sanum, made, tmp_path):
    out = tmp_path / "out"
    words = ["classify", "crossval", made / "normal", made / "ill", "-o", out, "--folds", "3", "-q", *SET]
    assert sanum(*words).code == 0
    tested = []
    for manifest in sorted((out / "folds").iterdir()):
        sets = json.loads(manifest.read_text())
        ids = [{row["id"] for row in sets[name]} for name in ("train", "validation", "test")]
        assert len(set.union(*ids)) == sum(map(len, ids)) == 16
        assert {row["label"] for row in sets["train"]} == {0, 1}
        tested += ids[2]
        run = json.loads((out / "classifier" / f"{manifest.stem}_run.json").read_text())
        assert {row["id"] for row in run["scores"] if row["set"] == "test"} == ids[2]
        losses = [row["validation_loss"] for row in run["history"]]
        assert run["choices"]["loss"]["facts"]["validation_loss"] == min(losses)
    assert len(tested) == len(set(tested)) == 16
    told = json.loads((out / "crossval.json").read_text())
    assert [row["rule"] for row in told["rows"]] == ["half", "f1", "youden", "half"]
    assert "Both classes were learned from" in (out / "crossval.md").read_text()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("classifier/*_run.json")}
    assert sanum(*words).code == 0
    assert kept == {path: path.stat().st_mtime_ns for path in kept}  # not done again


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (["fit", "{normal}", "{ill}", "-o", "m.bin"], "ends in .safetensors, got m.bin"),
        (
            ["fit", "{normal}", "-o", "m.safetensors"],
            "has no label: a classifier needs normals and abnormals",
        ),
        (["fit", "{normal}", "{empty}", "-o", "m.safetensors"], "empty holds no pictures"),
        (["fit", "one.csv", "-o", "m.safetensors"], "a classifier needs normals"),
        (
            ["fit", "bad.csv", "-o", "m.safetensors"],
            "has the labels fair, good, poor: expected 0 and 1, or two",
        ),
        (
            ["fit", "{normal}", "{ill}", "-o", "m.safetensors", "--method", "pca"],
            '"pca" is no classifier of 2-D images: known are classifier',
        ),
        (["fit", "{normal}", "{ill}", "-o", "m.safetensors", "--device", "cuda:9"], "cuda:9 is not there"),
        (["fit", "{normal}", "{ill}", "-o", "m.safetensors", "--set", "x=1"], 'unknown key "x"'),
        (["score", "{empty}", "--model", "{model}", "-o", "out"], "empty holds no pictures"),
        (["score", "{ill}", "--model", "old.safetensors", "-o", "out"], "is damaged, or of another version"),
        (
            ["score", "{ill}", "--model", "cae.safetensors", "-o", "out"],
            "expected a classifier of 2-D images",
        ),
        (["crossval", "{normal}", "{ill}", "-o", "out", "--folds", "8"], "there are 7 groups of abnormal"),
        (["crossval", "{normal}", "-o", "out"], "has no label: cross-validation needs normals and abnormals"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(
    sanum, made, model, tmp_path, monkeypatch, words, about
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    names = sorted((made / "normal").iterdir())
    for name, labels in (("one", ["0"] * 3), ("bad", ["good", "fair", "poor"])):
        lines = [f"{path},{label}" for path, label in zip(names, labels, strict=False)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    state, header = load_weights(model)
    save_weights(tmp_path / "cae.safetensors", {}, method="cae")
    header["config"] = {**header["config"], "of_tomorrow": 1}
    save_weights(tmp_path / "old.safetensors", state, **{k: v for k, v in header.items() if k != "format"})
    before = sorted(path.name for path in tmp_path.iterdir())
    places = {"normal": made / "normal", "ill": made / "ill", "empty": tmp_path / "empty", "model": model}
    assert about in sanum("classify", *(word.format(**places) for word in words), "-q").refused()
    assert sorted(path.name for path in tmp_path.iterdir()) == before
