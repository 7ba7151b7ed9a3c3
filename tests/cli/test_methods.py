import json
from types import SimpleNamespace

import pytest

from sanum.methods import registry
from sanum.methods.api import Method
from sanum.methods.catalog import catalog


def test_every_method_is_listed(sanum):
    ran = sanum("methods")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{catalog()!r}\n"


def test_as_json(sanum):
    ran = sanum("methods", "--json")
    assert ran.code == 0
    found = {row["name"]: row for row in json.loads(ran.out)}
    assert list(found) == [entry.name for entry in catalog()]
    assert found["una"]["weights"] == "una-compact"
    assert found["una"]["results"][0]["PSNR F (dB)"] == "31.95"


def test_one_in_full(sanum):
    ran = sanum("methods", "synthsr")
    assert ran.code == 0
    assert "recipes   synthsr, synthsr-small\n" in ran.out
    assert "sections  Paper, Licence, Equations, Departures, Outputs, Results\n" in ran.out
    assert ran.out.rstrip().endswith("Dice anomaly 0.13")
    assert json.loads(sanum("methods", "mean", "--json").out)["recipes"] == []


def test_an_unknown_method(sanum):
    known = ", ".join(line.name for line in registry.METHODS)
    assert known.startswith("una, synthsr, brain-id, pepsi, mean, intensity, pca, cae, ssae")
    assert sanum("methods", "none").refused() == f'unknown method "none": known are {known}'


@pytest.fixture
def lacking(monkeypatch):
    """A method whose library is not installed."""
    line = Method("toy", task="anatomy", module="anatomy.una", paper="none", summary="Lacks.", extra="toys")

    def gone(name, package):
        if name == ".anatomy.una.predict" or name == ".anatomy.una.recipe":
            raise ModuleNotFoundError("No module named 'toylib'", name="toylib")
        return SimpleNamespace(RECIPES={})

    monkeypatch.setattr(registry, "METHODS", (line,))
    monkeypatch.setattr(registry, "import_module", gone)
    return line


@pytest.mark.parametrize(
    "words",
    [
        ("train", "toy-small", "--data", "x", "-o", "y"),
        ("evaluate", "x", "-o", "y", "--method", "toy=una-compact"),
    ],
)
def test_a_missing_extra_is_one_sentence(sanum, lacking, words):
    sentence = sanum(*words).refused()
    assert sentence == "toy needs toylib, which is not installed: pip install 'sanum[toys]'"


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_what_is_known_without_the_extra_is_printed_and_the_exit_code_says_so(sanum, lacking, words):
    ran = sanum("methods", "toy", *words)
    assert ran.code == 1
    assert "toy" in ran.out
    assert ran.err == "sanum: toy needs toylib, which is not installed: pip install 'sanum[toys]'\n"
