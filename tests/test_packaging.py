"""What surrounds the package: licences of the dependencies, extras, the citation, the Makefile."""

import importlib.util
import os
import shutil
import subprocess
import tomllib
from datetime import date
from importlib.metadata import Distribution
from pathlib import Path

import pytest
import yaml

import sanum

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


def test_the_licence_of_dask_jobqueue_fits(licences, tmp_path):
    """It has no classifier, and is not installed everywhere."""
    (tmp_path / "METADATA").write_text("Name: dask-jobqueue\nVersion: 0.9.0\nLicense: BSD 3-Clause\n")
    assert licences.fits(licences.licence(Distribution.at(tmp_path)))


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
    assert named == extras - {"all", "bench", "dev", "docs"}
    assert {"bids", "cluster", "train"} < extras


def test_the_core_is_light():
    heavy = ("monai", "torchio", "dask", "distributed", "lightning", "tensorboard", "pandas")
    assert not [one for one in PROJECT["dependencies"] if one.startswith(heavy)]


def test_the_cluster_has_what_its_page_imports():
    page = (ROOT / "docs" / "cohorts.md").read_text(encoding="utf-8")
    assert "from dask_jobqueue import" in page
    assert [x for x in PROJECT["optional-dependencies"]["cluster"] if x.startswith("dask-jobqueue")]


# --- citation


def test_the_citation_is_of_this_version():
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert told["version"] == PROJECT["version"] == sanum.__version__
    assert told["keywords"] == PROJECT["keywords"]
    assert isinstance(told["date-released"], date)
    assert list(PROJECT["urls"].values()) == [reference["url"] for reference in told["references"]]


# --- make


@pytest.fixture
def checkout(tmp_path):
    """Run `make` where all is installed: pip-audit tells its words and its list, and fails if told so."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    programs = {
        ".venv/bin/python": 'echo "$@" >asked; printf "numpy==2.0\\ntorch==2.9.0+cpu\\n"',
        ".venv-audit/bin/python": "",
        ".venv-audit/bin/cffconvert": "",
        ".venv-audit/bin/pip-audit": 'echo "$@"; for last; do :; done; cat "$last"; exit ${FAIL:-0}',
    }
    for name, line in programs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    (folder / ".venv" / ".ready").touch()

    def run(target, **variables):
        env = {"PATH": os.environ["PATH"], **variables}
        return subprocess.run(["make", target], cwd=folder, env=env, capture_output=True, text=True)

    return folder, run


def test_the_audit_fails_for_what_it_could_not_look_up(checkout):
    """pip-audit skips that without --strict, and has no entry for "2.9.0+cpu"."""
    folder, run = checkout
    ran = run("audit")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-2:] == ["numpy==2.0", "torch==2.9.0"]
    assert "--strict" in ran.stdout.splitlines()[-3].split()
    assert "--exclude-editable" in (folder / "asked").read_text()
    assert run("audit", FAIL="1").returncode != 0


@pytest.mark.parametrize(("target", "asked"), [("demo", "."), ("lint", ".[dev]")])
def test_the_demo_does_not_install_what_developers_need(checkout, target, asked):
    folder, run = checkout
    (folder / ".venv" / ".ready").unlink()
    run(target)  # what comes after has no programs here
    assert (folder / "asked").read_text().split() == ["-m", "pip", "install", "--quiet", "--editable", asked]
    assert (folder / ".venv" / ".core").exists()


@pytest.mark.parametrize("ready", [True, False])
def test_an_environment_of_another_checkout_is_left_alone(checkout, tmp_path, ready):
    folder, run = checkout
    (folder / ".venv").rename(tmp_path / "others")
    (folder / ".venv").symlink_to(tmp_path / "others")
    if not ready:
        (tmp_path / "others" / ".ready").unlink()
    ran = run("audit")
    assert ran.returncode != 0
    assert len(ran.stderr.splitlines()) == 1
    assert ".venv is a link: remove it" in ran.stderr
    assert (tmp_path / "others" / ".ready").exists() == ready
    assert not (folder / "asked").exists()
    assert run("clean").returncode == 0  # removes the link alone
    assert (tmp_path / "others" / "bin" / "python").exists()
