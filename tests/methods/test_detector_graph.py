"""ONNX graphs of detectors: what ONNX Runtime computes is what PyTorch computes, or nothing is written."""

import json
import sys

import numpy as np
import pytest
import torch

import sanum
from sanum.extras import MissingExtra
from sanum.methods import registry
from sanum.methods.common.detector_graph import WrongGraph
from sanum.methods.common.squares import stack_of

pytestmark = pytest.mark.timeout(900)  # PyTorch's exporter reads all of its operators first: seconds of a CPU

LINES = [line for line in registry.METHODS if line.task == "anomaly2d"]
MORE_IN_IT = {"features": "features-mirror"}
"""Recipes whose graph has all that is in the graph of the method's own, and more."""

TINY = {
    "picture.size": "32",
    "widths": "4,4,4,8,8",
    "generator_widths": "8,8,4",
    "gan_steps": "3",
    "autoencoder_widths": "4,4,4",
    "unet_widths": "16,16",
    "autoencoder_steps": "3",
    "sampler_steps": "2",
    "starts": "500",
    "loop.steps": "6",
    "batch_size": "8",
    "components": "4",
    "bank": "40",
}


def fitted(name, *settings):
    from sanum.learn.overrides import flat

    one = sanum.load(name)
    known = flat(one.config)
    rng = np.random.default_rng(0)
    normals = rng.integers(20, 90, (12, 40, 36), dtype=np.uint8)
    tiny = (f"{key}={value}" for key, value in TINY.items() if key in known)
    return one.with_settings(*tiny, *settings).fit(normals)


def sick():
    """Wide and high ones, so that borders of the square show no picture."""
    rng = np.random.default_rng(1)
    found = [rng.integers(20, 90, shape, dtype=np.uint8) for shape in ((40, 20), (18, 44), (31, 31))]
    for one in found:
        one[8:12, 8:12] = 255
    return found


def agrees(detector, path):
    onnxruntime = pytest.importorskip("onnxruntime")
    made = detector.export(path)
    told = json.loads(made.description.read_text())
    stack = stack_of(sick(), detector.config)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    maps, scores = session.run(None, {"image": stack.pixels.numpy(), "valid": stack.valid.numpy()})
    expected = list(detector.findings(sick()))
    np.testing.assert_allclose(scores, [one.score for one in expected], rtol=2e-4, atol=1e-5)
    for found, one in zip(maps, expected, strict=True):
        np.testing.assert_allclose(found, one.map, rtol=2e-4, atol=1e-4 * np.abs(one.map).max())
        assert (found[~one.square.valid] == 0).all()
    limit = float(told["threshold"]["value"])
    assert ((scores >= limit) == detector.predict(sick())).all()
    assert max(told["check"]["difference"].values()) <= 1e-4
    return told, session


@pytest.mark.full
@pytest.mark.parametrize("name", [MORE_IN_IT.get(line.name, line.name) for line in LINES])
def test_every_detector_has_a_graph(tmp_path, name):
    """The energies of dagmm are the hardest: float64, a mixture, a triangular system."""
    pytest.importorskip("onnxscript")
    detector = fitted(name)
    told, session = agrees(detector, tmp_path / "m.onnx")
    size = detector.config.picture.size
    assert [one.shape for one in session.get_inputs()] == [["batch", 1, size, size], ["batch", size, size]]
    assert told["config"]["picture.size"] == told["size"] == size
    assert told["threshold"]["rule"] == "quantile"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "m.onnx"]


def test_a_graph_that_computes_otherwise_is_not_left(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    detector = fitted("pca", "pooling.kind=top")
    right = detector.respond

    def wrong(pixels, valid):
        maps, score = right(pixels, valid)
        return maps + 0.01 * torch.compiler.is_exporting(), score

    monkeypatch.setattr(detector, "respond", wrong)
    with pytest.raises(WrongGraph, match=r"another map than PyTorch, by .* nothing was written"):
        detector.export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_gradient_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(WrongGraph, match=r"map=kl is a gradient, .* map=residual"):
        fitted("vae", "map=kl").export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_named_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sanum\[export\]'"):
        fitted("intensity").export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
