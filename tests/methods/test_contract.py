"""What every line of the registry promises, tried on each, and on a toy that is added as the docs say."""

import re
import sys
import tomllib
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sanum.extras import MissingExtra
from sanum.learn.devices import open_devices
from sanum.learn.loop import Callbacks, Run, TrainingStopped, fit
from sanum.learn.schedule import LoopConfig
from sanum.methods import anatomy as anatomy_methods
from sanum.methods import registry
from sanum.methods.api import Method
from sanum.methods.catalog import HEADINGS, entry_of, sections_of
from sanum.weights.file import WeightsError, load_weights, save_weights

ROOT = Path(__file__).parents[2]
INF = float("inf")
OUTPUTS = {
    "anatomy": {"t1w": (-INF, INF), "anomaly": (0, 1), "brain": (0, 1), "uncertainty": (0, INF)},
    "anomaly2d": {"score": (-INF, INF), "map": (-INF, INF)},
    "classification": {"score": (0, 1), "map": (0, INF)},
    "segmentation": {"labels": (0, INF), "probabilities": (0, 1)},
    "registration": {"distance": (0, INF), "map": (-INF, INF)},
    "graphs": {"probability": (0, 1), "importance": (0, 1)},
    "detection": {"boxes": (0, INF), "scores": (0, 1)},
    "recovery": {"movie": (0, INF)},
    "translation": {"image": (-INF, INF), "uncertainty": (0, INF)},
    "atlas": {"template": (0, INF), "spread": (0, INF), "region": (0, 1)},
}
"""Names of what a method of each task gives, and the range of the values; a new task has a line here.

What detectors of 2-D images promise beside is tried in `test_detector_contract.py`.
"""

TOY_LINE = Method("toy", task="anatomy", module="anatomy.toy", paper="none", summary="A toy.")
TOY = {
    "__init__.py": '"""Toy: one that exists in this test only."""\n',
    "README.md": "# Toy\n\n"
    + "\n\n".join(f"## {name}\n\n`t1w`, `anomaly`, `brain`, `uncertainty`" for name in HEADINGS),
    "model.py": """
from torch import nn
from ....nets.features import FeatureNet

class Toy(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.net = FeatureNet(1, widths)

    def forward(self, scan):
        return self.net(scan)
""",
    "loss.py": """
from ...common.loss import l1

def objective(t1w, batch):
    return l1(t1w, batch["t1w"], batch["brain"]).mean()
""",
    "recipe.py": """
from dataclasses import dataclass
from typing import ClassVar
from ...common.anatomy_recipe import AnatomyRecipe
from .loss import objective
from .model import Toy

@dataclass(frozen=True)
class ToyRecipe(AnatomyRecipe):
    method: ClassVar[str] = "toy"

    def build(self, anatomies):
        return Toy(self.widths)

    def loss(self, model, batch):
        error = objective(model(batch["image"][:, :1]), batch)
        return error, {"l1": error.detach()}

    def show(self, model, batch):
        return {"predicted": model(batch["image"][:, :1])}

RECIPES = {"toy": ToyRecipe("toy")}
""",
    "predict.py": """
from ...common.regression import RegressionPredictor
from .model import Toy

def load(*, weights, device="cpu", room=None):
    return RegressionPredictor("toy", Toy, read, weights=weights, device=device, room=room)

def read(net, scan):
    return net(scan), None
""",
}


def steps_of_the_docs() -> list[str]:
    """Lines of "How to add a method"."""
    section = sections_of((ROOT / "docs" / "architecture.md").read_text())["How to add a method"]
    return re.findall(r"^\d+\. (.*)$", section, flags=re.MULTILINE)


def add_the_toy(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Follow the steps: the files that they name, and the line."""
    steps = steps_of_the_docs()
    assert len(steps) == 10
    named = [found[1] for step in steps if (found := re.match(r"`(\w+\.\w+)`: ", step))]
    assert sorted(named) == sorted(TOY)
    for name in named:
        (folder / "toy").mkdir(exist_ok=True)
        (folder / "toy" / name).write_text(TOY[name])
    assert "`METHODS` in `methods/table.py`" in " ".join(steps)
    patch.setattr(registry, "METHODS", (*registry.METHODS, TOY_LINE))
    patch.setattr(anatomy_methods, "__path__", [*anatomy_methods.__path__, str(folder)])


@pytest.fixture(scope="module", params=[*registry.METHODS, TOY_LINE], ids=lambda line: line.name)
def method(request, tmp_path_factory):
    """Each line of the registry, and the toy's."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param is TOY_LINE:
            add_the_toy(tmp_path_factory.mktemp("added"), patch)
        yield request.param
    for name in [name for name in sys.modules if name.startswith("sanum.methods.anatomy.toy")]:
        del sys.modules[name]


@dataclass
class Trained:
    """A tiny recipe after two steps on one batch."""

    losses: list[float]
    weights: dict[str, torch.Tensor]
    resumed: dict[str, torch.Tensor]
    path: Path
    pair: np.ndarray


@pytest.fixture(scope="module")
def trained(method, tiny, sample, anatomy, tmp_path_factory):
    """The method's first recipe, trained at once and in two parts; skips a method that is not trained."""
    if not method.trained:
        pytest.skip("it is not trained")
    if method.task != "anatomy":
        pytest.skip("it sees no heads")
    loop = LoopConfig(steps=2, warmup=0, learning_rate=2e-3, ema=0.0, sheet_every=0)
    first = next(iter(registry.recipes_of(method).values()))
    recipe = replace(tiny(first), name="tiny", loop=loop)
    item = sample(recipe)
    batch = {name: x[None] for name, x in item.items()}
    folder = tmp_path_factory.mktemp(method.name)
    fabric = open_devices("cpu", precision="32")
    fabric.launch()

    torch.manual_seed(0)
    initial = recipe.build([anatomy])

    def run(name, **how):
        model, losses = deepcopy(initial), []
        calls = Callbacks(on_step=lambda now: losses.append(now.values["loss"]))
        weights = fit(fabric, model, recipe.turns(), forever, loop, Run(folder / name, **how), calls)
        return losses, weights

    def forever(_):
        while True:
            yield dict(batch)

    losses, weights = run("whole")
    with pytest.raises(TrainingStopped):
        run("broken", stop_after=1)
    _, resumed = run("broken", resume=True)
    path = folder / f"{recipe.name}.safetensors"
    save_weights(path, weights, **recipe.describe(), steps=2)
    return Trained(losses, weights, resumed, path, item["image"].numpy())


@pytest.fixture(scope="module")
def loaded(method, request):
    """A predictor and a pair that it can see."""
    if method.task != "anatomy":
        pytest.skip("it sees no heads")
    if not method.trained:
        return registry.load(method.name), np.random.default_rng(0).random((2, 24, 28, 24), np.float32)
    done = request.getfixturevalue("trained")
    return registry.load(method.name, weights=done.path), done.pair


def test_readme_has_the_headings(method):
    entry = entry_of(method)
    sections = sections_of(entry.readme.read_text(encoding="utf-8"))
    assert [name for name in sections if name in HEADINGS] == list(HEADINGS)
    assert all(text.strip() for text in sections.values())
    for name in OUTPUTS[method.task]:
        assert f"`{name}`" in sections["Outputs"]


def test_its_line_is_well_formed(method):
    assert method.module.partition(".")[0] == method.task
    assert method.paper
    assert method.summary.endswith(".")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert method.extra is None or method.extra in extras
    assert bool(registry.recipes_of(method)) == method.trained
    for name, recipe in registry.recipes_of(method).items():
        assert recipe.name == name
        assert recipe.method in (method.name, method.second)
        assert registry.recipe(name) is recipe


def test_two_steps_lower_the_loss(trained):
    assert trained.losses[-1] < trained.losses[0]


def test_a_resumed_run_gives_the_same_bits(trained):
    assert trained.weights.keys() == trained.resumed.keys()
    assert all(torch.equal(x, trained.resumed[name]) for name, x in trained.weights.items())


def test_what_is_saved_is_loaded(method, trained, loaded):
    state, header = load_weights(trained.path)
    assert header["method"] == method.name
    assert all(torch.equal(x, trained.weights[name].half().float()) for name, x in state.items())
    predictor, pair = loaded
    assert predictor.weights_name == trained.path.name
    again = registry.load(method.name, weights=trained.path)
    for name in OUTPUTS[method.task]:
        one, other = (getattr(p(pair, quick=True), name) for p in (predictor, again))
        np.testing.assert_array_equal(one, other)


def test_wrong_weights_are_refused(method, tmp_path):
    path = tmp_path / "other.safetensors"
    save_weights(path, {"a": torch.zeros(2)}, method="another")
    if not method.trained and not method.fitted:
        with pytest.raises(ValueError, match=f'"{method.name}" takes no weights, got .*: leave them out'):
            registry.load(method.name, weights=path)
        return
    with pytest.raises(
        WeightsError, match=f"holds weights of another, expected {method.name}: choose another"
    ):
        registry.load(method.name, weights=path)
    save_weights(path, {"a": torch.zeros(2)}, method=method.name)
    with pytest.raises(WeightsError, match=f"does not fit the network {method.name}"):
        registry.load(method.name, weights=path)
    if method.weights is None and not method.fitted:
        with pytest.raises(ValueError, match=f"{method.name} ships no weights: make them with sanum train"):
            registry.load(method.name)


def test_a_missing_extra_is_named(method, monkeypatch):
    def lacking(name, package):
        raise ModuleNotFoundError("No module named 'toylib'", name="toylib")

    monkeypatch.setattr(registry, "import_module", lacking)
    for part in ("predict", "recipe"):
        with pytest.raises(
            MissingExtra, match=rf"^{method.name} needs toylib, .*: pip install 'sanum\[toys\]'$"
        ):
            registry.part_of(replace(method, extra="toys"), part)


def test_outputs_by_name_with_shapes_and_units(method, loaded):
    predictor, pair = loaded
    maps = predictor(pair, quick=True)
    assert predictor.device == "cpu"
    assert predictor.weights_name.endswith(".safetensors")
    for name, (least, most) in OUTPUTS[method.task].items():
        values = getattr(maps, name)
        assert (values.shape, values.dtype) == (pair.shape[1:], np.float32), name
        if name == "uncertainty" and np.isnan(values).all():
            continue  # the method does not estimate it
        assert np.isfinite(values).all(), name
        assert values.min() >= least, name
        assert values.max() <= most, name
