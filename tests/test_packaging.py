"""What surrounds the package: licences of the dependencies, extras."""

import importlib.util
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# --- licences


@pytest.fixture(scope="module")
def licences():
    spec = importlib.util.spec_from_file_location("licences", ROOT / ".ci" / "licences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_licences_of_all_dependencies_are_looked_at(licences):
    found = licences.needed("sanum", ())
    assert {"torch", "numpy", "simpleitk", "sympy", "markdown-it-py"} <= set(found)  # also those of those
    assert "pytest" not in found
    assert licences.licence(found["pydicom"]) == "MIT"


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("MIT", True),
        ("GPL-3.0-or-later", False),
        ("MIT AND GPL-2.0", False),
        ("GPL-2.0 OR BSD-3-Clause", True),
        ("(MIT AND BSD-2-Clause) AND Apache-2.0 WITH LLVM-exception", True),
        ("none given", False),
        ("BSD-4-Clause", False),
    ],
)
def test_which_licences_fit(licences, expression, fits):
    assert licences.fits(expression) == fits


# --- extras


def test_all_is_every_extra():
    extras = set(PROJECT["optional-dependencies"])
    (everything,) = PROJECT["optional-dependencies"]["all"]
    named = set(everything.removeprefix("sanum[").removesuffix("]").split(","))
    assert named == extras - {"all", "dev", "docs"}
    assert {"bids", "cluster", "train"} < extras


def test_the_core_is_light():
    heavy = ("monai", "torchio", "dask", "distributed", "lightning", "tensorboard", "pandas")
    assert not [one for one in PROJECT["dependencies"] if one.startswith(heavy)]
