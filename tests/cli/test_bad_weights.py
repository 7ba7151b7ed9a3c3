"""Weights that cannot be used: one sentence, exit code 2, nothing left behind."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from sanum.weights.file import FORMAT, save_weights
from sanum.weights.store import resolve


def cut_weights(path: Path) -> None:
    path.write_bytes(resolve("una-compact").read_bytes()[:100_000])


def of_the_future(path: Path) -> None:
    from safetensors.torch import save_file

    header = {"sanum": json.dumps({"format": FORMAT + 1, "method": "una"})}
    save_file({"a": torch.zeros(2)}, path, header)


WEIGHTS = {
    "missing": (lambda path: None, "weights not found"),
    "a folder": (Path.mkdir, "weights not found"),
    "empty": (Path.touch, "is not a readable safetensors file"),
    "text": (lambda path: path.write_text("weights"), "is not a readable safetensors file"),
    "cut": (cut_weights, "is not a readable safetensors file"),
    "of the future": (
        of_the_future,
        f"has weights format {FORMAT + 1}, this version of sanum reads {FORMAT}",
    ),
    "of another method": (
        lambda path: save_weights(path, {"a": torch.zeros(2)}, method="unet"),
        "holds weights of unet, expected una",
    ),
    "of another shape": (
        lambda path: save_weights(path, {"a": torch.zeros(2)}, method="una", widths=[8, 8]),
        "does not fit the network una",
    ),
    "without a description": (
        lambda path: save_weights(path, {"a": torch.zeros(2)}, method="una"),
        "does not fit the network una",
    ),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_bad_weights(sanum, phantom_file, tmp_path, kind):
    make, about = WEIGHTS[kind]
    path = tmp_path / "una.safetensors"
    make(path)
    sentence = sanum("reconstruct", phantom_file, "-o", tmp_path / "out", "--weights", path).refused()
    assert about in sentence
    assert "una.safetensors" in sentence
    assert not (tmp_path / "out").exists()


def test_shipped_weights_that_were_damaged(sanum, phantom_file, tmp_path, monkeypatch):
    from sanum.weights import store

    folder = tmp_path / "package" / "methods" / "anatomy" / "una" / "weights"
    shutil.copytree(store.PACKAGE / "methods" / "anatomy" / "una" / "weights", folder)
    damaged = bytearray((folder / "una-compact.safetensors").read_bytes())
    damaged[-1] ^= 1
    (folder / "una-compact.safetensors").write_bytes(damaged)
    monkeypatch.setattr(store, "PACKAGE", tmp_path / "package")
    sentence = sanum("reconstruct", phantom_file, "-o", tmp_path / "out").refused()
    assert "una-compact.safetensors are damaged: expected SHA-256 " in sentence
    assert sentence.endswith("; install sanum again")


@pytest.mark.parametrize("place", ["given by path", "in the folder of weights"])
def test_tampered_weights(sanum, phantom_file, tmp_path, monkeypatch, place):
    tampered = bytearray(resolve("una-compact").read_bytes())
    tampered[-1] ^= 1
    path = tmp_path / "una-compact.safetensors"
    path.write_bytes(tampered)
    options = ["--weights", path]
    if place == "in the folder of weights":
        monkeypatch.setenv("SANUM_WEIGHTS", str(tmp_path))
        options = []
    sentence = sanum("reconstruct", phantom_file, "-o", tmp_path / "out", *options).refused()
    assert "damaged: expected SHA-256 " in sentence
    assert not (tmp_path / "out").exists()


def test_trained_weights_that_were_tampered_with(sanum, phantom_file, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_weights(path, {"a": torch.zeros(2)}, method="una", widths=[8, 8])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    sentence = sanum("reconstruct", phantom_file, "-o", tmp_path / "out", "--weights", path).refused()
    assert sentence.startswith("the weights mine.safetensors are damaged: what is in the file ")


def test_a_pickle_as_weights(sanum, phantom_file, tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save({"a": torch.zeros(2)}, path)
    path.write_bytes(path.read_bytes()[:-50])
    sentence = sanum("reconstruct", phantom_file, "-o", tmp_path / "out", "--weights", path).refused()
    assert sentence.startswith("checkpoint.pt is not a readable safetensors file ")
    assert sentence.endswith("; expected one that sanum wrote")
