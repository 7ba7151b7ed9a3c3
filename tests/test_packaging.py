"""What surrounds the package: licences of the dependencies, extras, the container's wrapper."""

import importlib.util
import os
import subprocess
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


# --- the container's wrapper


@pytest.fixture
def wrapper(tmp_path, monkeypatch):
    """Run `containers/sanum` with an engine that tells what it was asked, one word a line."""
    for name in ("docker", "apptainer"):
        engine = tmp_path / "bin" / name
        engine.parent.mkdir(exist_ok=True)
        engine.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        engine.chmod(0o755)
    (tmp_path / "work" / "in").mkdir(parents=True)
    (tmp_path / "work" / "in" / "a scan.nii").touch()
    monkeypatch.chdir(tmp_path / "work")

    def run(*words, engine="docker", **variables):
        env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SANUM_ENGINE": engine, **variables}
        ran = subprocess.run([ROOT / "containers" / "sanum", *words], env=env, capture_output=True, text=True)
        return ran.returncode, ran.stdout.splitlines(), ran.stderr

    return run


def values(words, option):
    return {words[k + 1] for k, word in enumerate(words) if word == option}


@pytest.mark.parametrize("output", [["-o", "out"], ["--output", "out"], ["--output=out"]])
def test_inputs_are_read_only_and_the_results_are_mine(wrapper, tmp_path, output):
    here = tmp_path / "work"
    code, words, _ = wrapper("reconstruct", "in/a scan.nii", *output, "--quiet")
    assert code == 0
    assert words[0] == "run"
    assert values(words, "--user") == {f"{os.getuid()}:{os.getgid()}"}
    assert values(words, "--volume") == {f"{here}/in:{here}/in:ro", f"{here}/out:{here}/out:rw"}
    option = output[0].split("=")[0]
    assert words[words.index("sanum") :] == [
        "sanum", "reconstruct", f"{here}/in/a scan.nii", option, f"{here}/out", "--quiet",
    ]  # fmt: skip
    assert (here / "out").is_dir()


def test_links_are_mounted_with_where_they_lead(wrapper, tmp_path):
    here = tmp_path / "work"
    (here / "link.nii").symlink_to("in/a scan.nii")
    words = wrapper("reconstruct", "link.nii", "-o", "out")[1]
    assert {f"{here}:{here}:ro", f"{here}/in:{here}/in:ro"} < values(words, "--volume")


def test_bids_writes_to_its_second_folder(wrapper, tmp_path):
    here = tmp_path / "work"
    words = wrapper("bids", "in", "in/derivatives", "participant", "-w", "w", engine="apptainer")[1]
    assert values(words, "--bind") == {
        f"{here}/in:{here}/in:ro", f"{here}/in/derivatives:{here}/in/derivatives:rw", f"{here}/w:{here}/w:rw",
    }  # fmt: skip
    assert words[-3:] == ["participant", "-w", f"{here}/w"]


def test_bids_wants_its_folders_first(wrapper):
    """Else the value of an option could be taken for a folder, and the input for the output."""
    assert "before the options" in wrapper("bids", "--nprocs", "4", "in", "out", "participant")[2]


def test_outer_folders_are_mounted_before_inner_ones(wrapper):
    words = wrapper("reconstruct", "in", "-o", "in/derived/out", engine="apptainer")[1]
    binds = [words[k + 1] for k, word in enumerate(words) if word == "--bind"]
    assert [one[-2:] for one in binds] == ["ro", "rw"]


def test_weights_and_gpu_are_passed_on(wrapper, tmp_path):
    words = wrapper("info", SANUM_WEIGHTS="in", SANUM_GPU="1", SANUM_IMAGE="mine:1")[1]
    assert values(words, "--env") == {f"SANUM_WEIGHTS={tmp_path}/work/in"}
    assert values(words, "--gpus") == {"all"}
    assert words[-2:] == ["mine:1", "info"]


def test_what_cannot_be_run(wrapper):
    assert wrapper("info", engine="rkt")[::2] == (
        2,
        "sanum: unknown engine rkt: expected docker, podman, apptainer or singularity\n",
    )
    assert "no container can mount it" in wrapper("reconstruct", "in", "-o", "a:b")[2]
