"""`sanum detect`: fit, score and cross-validate small made-up pictures."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser

import nibabel as nib
import numpy as np
import pytest
import tifffile
import typer
from PIL import Image

import sanum as api
from sanum.cli import main as entry
from sanum.cli.detect.crossval import _detectors
from sanum.weights.file import load_weights

COMMANDS = ("fit", "score", "crossval", "export")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Twelve normals of noise, and twelve with a bright spot."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for place, spot in (("normal", 0), ("ill", 120)):
        (root / place).mkdir()
        for n in range(12):
            pixels = rng.integers(0, 99, (40, 36), dtype=np.uint8)
            pixels[15:21, 12:18] += np.uint8(spot)
            Image.fromarray(pixels).save(root / place / f"{n:02}.png")
    return root


@pytest.fixture(scope="module")
def model(made, tmp_path_factory):
    from typer.testing import CliRunner

    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    words = [
        "detect",
        "fit",
        str(made / "normal"),
        "-o",
        str(path),
        "--method",
        "pca",
        "--set",
        "components=4",
    ]
    assert CliRunner().invoke(entry.app, words).exit_code == 0
    return path


class Page(HTMLParser):
    """What a reader sees of a page: its text, its pictures, and the cells of its tables' bodies."""

    def __init__(self, html):
        super().__init__()
        self.images, self.rows, self.text, self.where = 0, [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        assert "src" not in told or told["src"].startswith(
            ("data:image/png;base64,", "data:image/jpeg;base64,")
        )
        assert not told.get("href", "")
        self.images += tag == "img"
        self.where.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while self.where and self.where.pop() != tag:
            pass
        if tag == "tr" and len(self.rows[-1]) < 2:  # heads, and tables of facts
            self.rows.pop()

    def handle_data(self, data):
        self.text += data
        if "td" in self.where and "style" not in self.where:
            self.rows[-1][-1] += data


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_every_option(sanum, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "220")
    ran = sanum("detect", command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"sanum detect {command} " in ran.out.split("Example:")[1]
    shown = "".join(ran.out.translate(str.maketrans("", "", "│╭╮╰╯─ \n")).split())
    group = typer.main.get_command(entry.app).commands["detect"]
    for option in group.commands[command].params:
        if not getattr(option, "hidden", False) and getattr(option, "help", None):
            assert "".join(option.help.split()) in shown


def test_fit_writes_a_model_and_says_its_threshold(sanum, made, tmp_path):
    path = tmp_path / "m.safetensors"
    words = ("detect", "fit", made / "normal", "-o", path, "--method", "pca", "--set", "components=4", "-q")
    ran = sanum(*words)
    assert (ran.code, ran.out) == (0, f"{path}\n")
    assert "by the rule quantile at 0.05, of 2 images held out" in ran.err
    header = load_weights(path)[1]
    assert (header["method"], header["config"]["components"], header["channels"]) == ("pca", 4, 1)
    assert "exists: pass --overwrite" in sanum(*words).refused()


def test_a_fit_that_comes_upon_no_number_says_where_and_goes_on(sanum, made, tmp_path, monkeypatch):
    monkeypatch.setattr("sanum.methods.common.likeness.MADE", 4)
    monkeypatch.setattr("sanum.methods.common.likeness.SIDE", 32)
    path, folder = tmp_path / "m.safetensors", tmp_path / "m.training"
    tiny = ("picture.size=16", "widths=4,8", "generator_widths=8,4", "code=6", "gan_steps=3", "loop.steps=6")
    words = ["detect", "fit", made / "normal", "-o", path, "--method", "fanogan", "-q"]
    words += [word for setting in tiny for word in ("--set", setting)]
    told = sanum(*words, "--set", "gan.learning_rate=1e30").refused()
    assert re.search(r"step \d went wrong: critic: its loss is nan; the state before it is saved in", told)
    assert "the same fit goes on from there" in told
    assert (folder / "checkpoint.pt").is_file()
    assert not path.exists()
    ran = sanum(*words, "--set", "gan.learning_rate=1e-4")
    assert (ran.code, ran.out) == (0, f"{path}\n")
    assert not folder.exists()
    assert re.search(
        r"4 generated images against the \d+ normals learned from: FID [\d.]+, KID -?[\d.]+", ran.err
    )
    assert load_weights(path)[1]["facts"]["generated"] == 4
    with Image.open(tmp_path / "m.generated.jpg") as shown:
        assert shown.size == (2 * 8 * 64 + 12, 4 * 64)


def test_private_steps_are_refused_before_a_picture_is_read(sanum, tmp_path):
    words = ("detect", "fit", tmp_path / "nowhere", "-o", tmp_path / "m.safetensors", "-q")
    told = sanum(*words, "--set", "step.kind=dp-sgd", "--set", "step.epsilon=8").refused()
    assert "step.kind=dp-sgd is of `sanum train`: fitting chooses states and thresholds by people" in told


def test_abnormals_choose_the_threshold_and_are_not_learned_from(sanum, made, tmp_path):
    path = tmp_path / "m.safetensors"
    ran = sanum(
        *("detect", "fit", made / "normal", "-o", path, "--abnormals", made / "ill", "--method", "pca", "-q")
    )
    assert ran.code == 0
    assert "by the rule f1, of 14 images held out" in ran.err
    state, header = load_weights(path)
    assert header["choice"] == "labels"
    assert len(state["components"]) == 10  # of ten normals; the others are validation


def test_scores_maps_and_overlays(sanum, made, model, tmp_path):
    out = tmp_path / "out"
    ran = sanum("detect", "score", made / "ill", "--model", model, "-o", out, "-q")
    assert ran.code == 0, ran
    assert len(ran.out.splitlines()) == 12
    table = rows(out / "scores.tsv")
    assert len(table) == 12
    for row in table:
        heat = tifffile.imread(out / row["map"])
        assert (heat.shape, heat.dtype) == ((40, 36), np.float32)
        with Image.open(out / row["overlay"]) as overlay:
            assert overlay.size == (36, 40)
        assert row["abnormal"] == str(int(float(row["score"]) >= float(row["threshold"])))
    shown = Page((out / "report.html").read_text())
    assert shown.images == 1 + 12  # the histogram, and each of so few images once
    scores = [float(cells[1]) for cells in shown.rows]
    assert scores == sorted(scores, reverse=True)
    assert {cells[0]: cells[2] for cells in shown.rows} == {
        row["path"]: "abnormal" if row["abnormal"] == "1" else "normal" for row in table
    }
    assert "quantile of held-out normals" in shown.text
    record = (out / "00_record.json").stat().st_mtime_ns
    again = sanum("detect", "score", made / "ill", "--model", model, "-o", out, "-q")
    assert again.code == 0
    assert (out / "00_record.json").stat().st_mtime_ns == record  # finished before


def test_one_bad_picture_is_listed_and_the_rest_is_done(sanum, made, model, tmp_path):
    shutil.copytree(made / "ill", tmp_path / "in")
    (tmp_path / "in" / "zz.png").write_bytes(b"\x89PNG")
    Image.fromarray(np.full((40, 36), 7, np.uint8)).save(tmp_path / "in" / "flat.png")
    ran = sanum("detect", "score", tmp_path / "in", "--model", model, "-o", tmp_path / "out", "-q")
    assert ran.code == 1
    assert "zz.png is damaged or no image: expected PNG" in ran.err
    assert [row["path"] for row in rows(tmp_path / "out" / "failed.tsv")] == ["zz.png"]
    (flat,) = (row for row in rows(tmp_path / "out" / "scores.tsv") if row["path"] == "flat.png")
    assert flat["warnings"] == "all its pixels are the same: it shows nothing"
    assert np.isfinite(float(flat["score"]))


def test_the_maps_of_a_volume_are_a_volume(sanum, model, tmp_path):
    """Of any orientation; each slice has the map that it has alone."""
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 99, (5, 36, 40)).astype(np.float32)
    voxels[3, 20:26, 10:16] += 120
    affine = np.array([[0, 0, -2.0, 40], [0, 3.0, 0, -50], [-5.0, 0, 0, 7], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "v.nii.gz")
    words = ("detect", "score", tmp_path / "v.nii.gz", "--model", model, "-o", tmp_path / "out", "-q")
    ran = sanum(*words)
    assert ran.code == 0, ran
    (row,) = rows(tmp_path / "out" / "scores.tsv")
    found = nib.load(tmp_path / "out" / row["map"])
    assert found.shape == voxels.shape
    np.testing.assert_array_equal(found.affine, affine)
    assert row["slice"] == "1"  # counted upwards, and the first axis of the voxels runs down
    upright, heat = (nib.as_closest_canonical(one) for one in (nib.load(tmp_path / "v.nii.gz"), found))
    (alone,) = api.load("pca", weights=model).anomaly_map([np.asarray(upright.dataobj)[:, :, 1].T[::-1]])
    np.testing.assert_allclose(np.asarray(heat.dataobj)[:, :, 1], alone[::-1].T, atol=1e-6)
    assert sanum(*words).code == 0


@pytest.fixture(scope="module")
def crossed(made, tmp_path_factory):
    """Words of a cross-validation, and its folder after it has run."""
    from typer.testing import CliRunner

    out = tmp_path_factory.mktemp("crossed") / "out"
    words = ["detect", "crossval", made / "normal", made / "ill", "-o", out, "--method", "pca", "-q"]
    words = [*map(str, words), "--normal-folds", "3", "--set", "components=4"]
    ran = CliRunner().invoke(entry.app, words)
    assert ran.exit_code == 0, ran.output
    return words, out


def test_crossval_writes_folds_runs_and_tables(crossed, made):
    _, out = crossed
    told = json.loads((out / "crossval.json").read_text())
    assert (told["data"]["normals"], told["data"]["abnormals"], told["data"]["runs"]) == (12, 12, 6)
    assert told["configurations"]["pca"]["components"] == 4
    methods = [row["method"] for row in told["rows"] if row["rule"] == "f1"]
    assert methods == ["pca", "intensity", "everything abnormal"]
    for number in told["rows"][0]["numbers"].values():
        assert number["low"] <= number["mean"] + 1e-9
        assert number["mean"] <= number["high"] + 1e-9
    markdown = (out / "crossval.md").read_text()
    assert "Label-free: epoch by the validation normals' score" in markdown
    table = rows(out / "crossval.csv")
    (found,) = (r for r in table if (r["method"], r["rule"], r["number"]) == ("intensity", "f1", "auc"))
    runs = [float(r["auc"]) for r in rows(out / "runs.tsv") if r["method"] == "intensity"]
    assert float(found["mean"]) == pytest.approx(np.mean(runs), abs=1e-4)
    assert float(found["sd"]) == pytest.approx(np.std(runs), abs=1e-4)
    for fold in (out / "folds").iterdir():
        sets = json.loads(fold.read_text())
        ids = [{row["id"] for row in sets[name]} for name in ("train", "validation", "test")]
        assert not ids[0] & ids[1] | ids[0] & ids[2] | ids[1] & ids[2]
        assert not any(row["label"] for row in sets["train"])
        run = json.loads((out / "pca" / f"{fold.stem}_run.json").read_text())
        assert {row["id"] for row in run["scores"] if row["set"] == "test"} == ids[2]


def test_the_page_of_a_cross_validation_shows_every_method(crossed):
    _, out = crossed
    shown = Page((out / "crossval.html").read_text())
    told = json.loads((out / "crossval.json").read_text())
    numbers = {row["method"]: row["numbers"]["auc"] for row in told["rows"] if row["rule"] == "f1"}
    for method, one in numbers.items():
        cells = next(cells for cells in shown.rows if cells[0] == method)
        assert cells[2] == f"{one['mean']:.3f} ± {one['sd']:.3f}[{one['low']:.3f}, {one['high']:.3f}]"
    assert "Label-free: epoch by the validation normals' score" in shown.text
    assert "pca: curves" in shown.text
    assert "3 folds of normals × 2 of abnormals, seed 0; groups and near-duplicates kept on one" in shown.text
    other = next(cells for cells in shown.rows if cells[0] == "pooling.kind=top")
    runs = [json.loads(path.read_text()) for path in (out / "pca").glob("*_run.json")]
    values = [row["test"] for run in runs for row in run["others"] if row["score"] == "pooling.kind=top"]
    assert other[2] == f"{np.mean(values):.3f} ± {np.std(values):.3f}"
    assert "Largest and smallest score of each class" in shown.text
    kept = {
        row["id"]
        for path in (out / "pca").glob("*_gallery.json")
        for row in json.loads(path.read_text())["rows"]
    }
    assert kept
    assert any(name in shown.text for name in kept)


def test_a_gallery_shows_what_was_called_what(crossed):
    _, out = crossed
    for path in (out / "pca").glob("*_gallery.json"):
        told, run = (json.loads(p.read_text()) for p in (path, path.with_name(f"{path.stem[:-8]}_run.json")))
        assert told["panels"] == ["input", "reconstruction", "map"]
        limit = float(run["choices"]["labels"]["rules"]["f1"]["threshold"])
        test = {row["id"]: row for row in run["scores"] if row["set"] == "test"}
        for row in told["rows"]:
            called = test[row["id"]]["labels"] >= limit
            right = called == bool(test[row["id"]]["label"])
            assert row["kind"] == f"{'true' if right else 'false'} {'positive' if called else 'negative'}"
            assert row["score"] == test[row["id"]]["labels"]
        ends = {row["kind"]: row for row in told["ends"]}
        for name, label in (("normal", 0), ("abnormal", 1)):
            scores = {row["id"]: row["labels"] for row in test.values() if row["label"] == label}
            for end, value in (("smallest", min(scores.values())), ("largest", max(scores.values()))):
                row = ends.pop(f"{end} {name}")
                assert row["score"] == scores[row["id"]] == value
        assert not ends
        positives = [r["score"] for r in told["rows"] if r["kind"] == "true positive"]
        assert (
            positives
            == sorted(r["labels"] for r in test.values() if r["label"] and r["labels"] >= limit)[::-1][
                : len(positives)
            ]
        )


def test_folders_scored_together_keep_their_names(sanum, made, model, tmp_path):
    out = tmp_path / "out"
    ran = sanum("detect", "score", made / "normal", made / "ill", "--model", model, "-o", out, "-q")
    assert ran.code == 0, ran
    assert {row["path"] for row in rows(out / "scores.tsv")} >= {"normal/00.png", "ill/00.png"}
    assert "By the folder in which the images were" in Page((out / "report.html").read_text()).text


def test_no_report_is_written_if_none_is_wanted(sanum, made, model, tmp_path):
    words = ("detect", "score", made / "ill" / "00.png", "--model", model, "-o", tmp_path / "out", "-q")
    assert sanum(*words, "--no-report").code == 0
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.full
def test_crossval_goes_on_where_it_was(sanum, crossed):
    words, out = crossed
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*_run.json")}
    gone = out / "pca" / "fold-g1b0_run.json"
    text = gone.read_text()
    gone.unlink()
    assert sanum(*words).code == 0
    assert gone.read_text() == text  # the same bytes
    assert {p for p in before if p.stat().st_mtime_ns != before[p]} == {gone}
    assert sanum(*words[:-1], "components=5").code == 0  # other settings: done again
    changed = {p.parent.name for p in before if p.stat().st_mtime_ns != before[p]}
    assert changed == {"pca"}


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (["fit", "{normal}", "-o", "m.bin"], "ends in .safetensors, got m.bin"),
        (["fit", "{normal}", "-o", "m.safetensors", "--method", "una"], '"una" is no detector of 2-D images'),
        (["fit", "{normal}", "-o", "m.safetensors", "--method", "none"], 'unknown method "none"'),
        (["fit", "{normal}", "-o", "m.safetensors", "--set", "components=4"], 'unknown key "components"'),
        (
            ["fit", "{normal}", "-o", "m.safetensors", "--window", "40"],
            "reading.window takes 2 times a number",
        ),
        (["fit", "{empty}", "-o", "m.safetensors"], "empty holds no pictures"),
        (["fit", "{normal}", "-o", "m.safetensors", "--device", "cuda:9"], "cuda:9 is not there"),
        (
            ["score", "{normal}", "--model", "{normal}/00.png", "-o", "out"],
            "00.png is not a readable safetensors",
        ),
        (["score", "{empty}", "--model", "{model}", "-o", "out"], "empty holds no pictures"),
        (["export", "{model}", "-o", "m.bin"], "ends in .onnx, got m.bin"),
        (["export", "{normal}/00.png", "-o", "m.onnx"], "00.png is not a readable safetensors"),
        (
            ["export", "{model}", "-o", "m.onnx", "--set", "components=3"],
            "components decides what is learned",
        ),
        (["crossval", "{normal}", "-o", "out"], "has no label: cross-validation needs normals and abnormals"),
        (["crossval", "{normal}", "{empty}", "-o", "out"], "empty holds no pictures"),
        (
            ["crossval", "{normal}", "{ill}", "-o", "out", "--normal-folds", "13"],
            "there are 12 groups of normal",
        ),
        (["crossval", "{normal}", "{ill}", "-o", "out", "--set", "x=1"], 'unknown key "x"'),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(
    sanum, made, model, tmp_path, monkeypatch, words, about
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    places = {"normal": made / "normal", "ill": made / "ill", "empty": tmp_path / "empty", "model": model}
    assert about in sanum("detect", *(word.format(**places) for word in words), "-q").refused()
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_other_channels_stop_a_cross_validation_before_it_begins(sanum, made, tmp_path):
    shutil.copytree(made / "ill", tmp_path / "ill")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(
        tmp_path / "ill" / "zz.png"
    )
    words = ("detect", "crossval", made / "normal", tmp_path / "ill", "-o", tmp_path / "out", "-q")
    told = sanum(*words).refused()
    assert "ill/zz.png has 3 channels and normal/00.png 1" in told
    assert not (tmp_path / "out").exists()
    detectors = _detectors(["cae"], ["picture.grey=true", "picture.size=32"], [], "cpu")
    seen = {name: (one.config.picture.grey, one.config.picture.size) for name, one in detectors.items()}
    assert seen == {
        "cae": (True, 32),
        "intensity": (True, 64),
        "pca": (True, 64),
    }  # so read_set may take both
