import shutil
from pathlib import Path

import numpy as np
import pytest

from sanum.files import sha256
from sanum.methods import registry
from sanum.methods.anatomy.una import predict
from sanum.methods.registry import METHODS, recipes
from sanum.weights.file import WeightsError, load_weights, save_weights
from sanum.weights.store import resolve, write_digest

RIVALS = [m.name for m in METHODS if m.task == "anatomy" and m.trained and m.weights is None]


@pytest.fixture(scope="module")
def trained(tiny, overfit):
    """Weights of every rival after two steps, with its network."""
    made = {}
    for name in RIVALS:
        _, model, path = overfit(tiny(recipes()[name]), steps=2)
        made[name] = model, path
    return made


@pytest.mark.parametrize("name", RIVALS)
def test_saved_weights_predict_as_the_network(name, trained, tiny, sample):
    model, path = trained[name]
    predictor = registry.load(name, weights=path)
    recipe = tiny(recipes()[name])
    assert predictor.box == recipe.box
    assert (predictor.weights_name, predictor.device) == (path.name, "cpu")
    item = sample(recipe)
    pair = item["image"].numpy()
    maps = predictor(pair, quick=True)
    for x in (maps.t1w, maps.anomaly, maps.brain, maps.uncertainty):
        assert (x.shape, x.dtype) == (recipe.box.shape, np.float32)
    title = "T1w" if name == "pepsi" else "predicted"
    own = recipe.show(model, {k: x[None] for k, x in item.items()})[title].detach()[0, 0].numpy()
    np.testing.assert_allclose(maps.t1w, own, atol=0.02)  # weights are kept in half precision
    assert np.isnan(maps.uncertainty).all()
    assert maps.anomaly.min() >= 0
    assert maps.anomaly.max() <= 1


@pytest.mark.parametrize("name", RIVALS)
def test_a_flipped_scan_gives_flipped_maps(name, trained, tiny, sample):
    predictor = registry.load(name, weights=trained[name][1])
    pair = sample(tiny(recipes()[name]))["image"].numpy()
    here, there = predictor(pair), predictor(pair[:, ::-1])
    np.testing.assert_allclose(there.t1w[::-1], here.t1w, atol=1e-5)


@pytest.mark.parametrize("name", RIVALS)
def test_weights_of_another_method_are_refused(name, trained):
    other = RIVALS[RIVALS.index(name) - 1]
    with pytest.raises(WeightsError, match=f"{other}.safetensors holds weights of {other}, expected {name}"):
        registry.load(name, weights=trained[other][1])
    with pytest.raises(WeightsError, match=f"holds weights of {name}, expected una"):
        registry.load("una", weights=trained[name][1])


def test_weights_of_another_network_are_refused(trained, tmp_path):
    model, _ = trained["synthsr"]
    description = {"method": "synthsr", "shape": (24, 28, 24), "spacing_mm": 7.0}
    path = tmp_path / "other.safetensors"
    for widths in ({"widths": (8, 8)}, {"widths": 3}, {}):
        save_weights(path, model.state_dict(), **description, **widths)
        with pytest.raises(WeightsError, match=r"other\.safetensors does not fit the network synthsr"):
            registry.load("synthsr", weights=path)


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_ship_no_weights(name):
    with pytest.raises(ValueError, match=f"{name} ships no weights: make them with sanum train {name} "):
        registry.load(name)


def test_what_is_not_there_is_told():
    with pytest.raises(ValueError, match=r'unknown method "none": known are una, synthsr, .*, mean, '):
        registry.load("none")
    with pytest.raises(ValueError, match='"mean" takes no weights'):
        registry.load("mean", weights=Path("some.safetensors"))


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_has_the_budget_of_una(name):
    known = recipes()
    for rival, una in ((name, "una-compact"), (f"{name}-small", "una-small")):
        assert known[rival].name == rival
        assert known[rival].method == name
        for what in ("widths", "box", "batch_size", "loop", "seed"):
            assert getattr(known[rival], what) == getattr(known[una], what)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that SANUM_WEIGHTS names."""
    monkeypatch.setenv("SANUM_WEIGHTS", str(tmp_path))
    return tmp_path


def test_the_default_is_looked_for_in_the_folder_of_weights_first(folder, monkeypatch):
    loaded = []
    monkeypatch.setattr(predict, "load_weights", lambda p, **how: loaded.append(p) or load_weights(p, **how))
    predictor = registry.load()
    shipped = resolve("una-compact")
    shutil.copy(shipped, folder / "una-compact.safetensors")
    again = registry.load()
    assert loaded == [shipped, folder / "una-compact.safetensors"]
    assert again.weights_name == predictor.weights_name == "una-compact.safetensors"
    assert again.weights_sha256 == predictor.weights_sha256 == sha256(shipped)


@pytest.mark.parametrize("noted", [False, True])
def test_a_tampered_default_is_refused(folder, noted):
    data = bytearray(resolve("una-compact").read_bytes())
    data[-1] ^= 1
    known = resolve("una-compact").with_suffix(".sha256").read_text()[:12]
    path = folder / "una-compact.safetensors"
    path.write_bytes(data)
    if noted:  # the known SHA-256 decides, whatever lies beside the file
        write_digest(path, sha256(path))
    for weights in (None, "una-compact"):
        with pytest.raises(
            WeightsError, match=f"una-compact.safetensors are damaged: expected SHA-256 {known}"
        ):
            registry.load(weights=weights)


def test_weights_by_name():
    assert registry.load(weights="una-compact").weights_sha256 == registry.load().weights_sha256
    with pytest.raises(WeightsError, match="weights not found: una-large; expected a file or one of"):
        registry.load(weights="una-large")
