"""`sanum detect score`: other scores of what was learned, odd pictures, and where nothing can be written."""

import csv
import json

import numpy as np
import pytest
import tifffile
from PIL import Image

import sanum as api
from sanum.methods.common.squares import stack_of


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """PCA of noise, with six of its normals beside it."""
    root, rng = tmp_path_factory.mktemp("score"), np.random.default_rng(0)
    (root / "normal").mkdir()
    for n in range(6):
        Image.fromarray(rng.integers(0, 99, (20, 30), dtype=np.uint8)).save(root / "normal" / f"{n}.png")
    detector = api.load("pca").with_settings("components=2", "picture.size=16", "picture.fit=pad")
    detector.fit(sorted((root / "normal").iterdir())).save(root / "m.safetensors")
    return root / "m.safetensors"


def rows(out):
    with (out / "scores.tsv").open(newline="") as stream:
        return {row["path"]: row for row in csv.DictReader(stream, delimiter="\t")}


def test_other_scores_have_no_threshold_until_one_is_given(sanum, model, tmp_path):
    words = ("detect", "score", model.parent / "normal", "--model", model, "-q")
    assert sanum(*words, "-o", tmp_path / "own", "--no-report").code == 0
    assert sanum(*words, "-o", tmp_path / "top", "--set", "pooling.kind=top").code == 0
    own, top = rows(tmp_path / "own"), rows(tmp_path / "top")
    assert {row["threshold"] for row in top.values()} == {"n/a"}
    assert all(row["threshold"] != "n/a" for row in own.values())
    assert all(float(top[name]["score"]) > float(own[name]["score"]) for name in own)
    page = (tmp_path / "top" / "report.html").read_text()
    assert "pooling.kind=top" in page
    assert "that of the model is one of other scores" in page
    again = sanum(
        *words, "-o", tmp_path / "top", "--set", "pooling.kind=max", "--threshold", "0.2", "--no-report"
    )
    assert again.code == 0
    changed = rows(tmp_path / "top")
    assert {row["threshold"] for row in changed.values()} == {"0.20000000"}
    assert changed["0.png"]["score"] != top["0.png"]["score"]  # done again, for it was asked for otherwise
    told = sanum(*words, "-o", tmp_path / "no", "--set", "components=3").refused()
    assert "components decides what is learned: fit with it; afterwards there are pooling.kind" in told
    assert not (tmp_path / "no").exists()


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_graph_gives_the_score_that_is_chosen(sanum, model, tmp_path):
    """PyTorch's exporter reads all of its operators first: seconds of a CPU."""
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    graph = tmp_path / "m.onnx"
    chosen = ("--set", "pooling.kind=top", "--threshold", "3")
    assert sanum("detect", "export", model, "-o", graph, *chosen, "-q").code == 0
    told = json.loads(graph.with_suffix(".json").read_text())
    assert (told["config"]["pooling.kind"], told["threshold"]["value"]) == ("top", "3.0")
    detector = api.load("pca", weights=model).rescored("pooling.kind=top")
    stack = stack_of([model.parent / "normal" / "0.png"], detector.config)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (score,) = session.run(["score"], {"image": stack.pixels.numpy(), "valid": stack.valid.numpy()})[0]
    np.testing.assert_allclose(score, detector.score([model.parent / "normal" / "0.png"])[0], rtol=1e-4)


def test_the_record_says_how_a_picture_was_seen(sanum, model, tmp_path):
    """15 times as wide as high; what is no number; a stack, whose pages have a score each."""
    rng = np.random.default_rng(1)
    (tmp_path / "odd").mkdir()
    Image.fromarray(rng.integers(0, 99, (20, 300), dtype=np.uint8)).save(tmp_path / "odd" / "wide.png")
    gap = rng.random((20, 30), np.float32)
    gap[3:5, 4:9] = np.nan
    tifffile.imwrite(tmp_path / "odd" / "gap.tif", gap)
    np.save(tmp_path / "odd" / "stack.npy", rng.random((6, 20, 30)))
    out = tmp_path / "out"
    assert (
        sanum("detect", "score", tmp_path / "odd", "--model", model, "-o", out, "-q", "--no-report").code == 0
    )
    found = rows(out)
    assert "10 pixels are no finite numbers" in found["gap.tif"]["warnings"]
    assert found["stack.npy"]["slice"] in set("012345")
    shapes = {name: tifffile.imread(out / f"{name}_map.tif").shape for name in ("wide", "gap", "stack")}
    assert shapes == {"wide": (20, 300), "gap": (20, 30), "stack": (6, 20, 30)}
    seen = json.loads((out / "wide_record.json").read_text())["picture"]
    assert (seen["shape"], seen["square"], seen["box"]) == ([20, 300], 16, [7, 0, 1, 16])
    assert 0 <= seen["black"] < seen["white"] <= 98
    assert seen["orientation"] == 1


def test_a_photograph_on_its_side_has_the_score_and_the_map_of_an_upright_one(sanum, model, tmp_path):
    """As a camera stores it, turned by what EXIF says: the map is that of what a viewer shows."""
    pixels = np.random.default_rng(1).integers(0, 99, (20, 300), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels).save(tmp_path / "in" / "upright.png")
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn clockwise shows it as it was seen
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "in" / "side.png", exif=exif)
    out = tmp_path / "out"
    words = ("detect", "score", tmp_path / "in", "--model", model, "-o", out, "-q", "--no-report")
    assert sanum(*words).code == 0
    found = rows(out)
    assert found["side.png"]["score"] == found["upright.png"]["score"]
    np.testing.assert_array_equal(*(tifffile.imread(out / f"{n}_map.tif") for n in ("side", "upright")))
    assert json.loads((out / "side_record.json").read_text())["picture"]["orientation"] == 6


def test_where_nothing_can_be_written_is_one_sentence(sanum, model):
    told = sanum("detect", "score", model.parent / "normal", "--model", model, "-o", model, "-q").refused()
    assert "m.safetensors is not a folder; choose another folder" in told
    deeper = sanum("detect", "score", model.parent / "normal", "--model", model, "-o", model / "in", "-q")
    assert "m.safetensors is not a folder" in deeper.refused()


def test_a_picture_of_other_channels_is_one_sentence(sanum, model, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(
        tmp_path / "c.png"
    )
    ran = sanum("detect", "score", tmp_path / "c.png", "--model", model, "-o", tmp_path / "out", "-q")
    assert ran.code == 2
    assert "the pictures have 3 channels, and pca has learned from 1" in ran.err
