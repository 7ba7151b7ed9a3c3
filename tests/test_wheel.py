"""The wheel, which a user installs, does the main job with what is in it alone; the sdist has the rest."""

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from sanum.files import sha256
from sanum.healthy.outputs import file_names, record_name
from sanum.scan import write

ROOT = Path(__file__).parents[1]
NO_NETWORK = """
import socket, sys

def refuse(*_, **__):
    raise AssertionError("something asked for the network")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import sanum
from sanum.cli.main import main

print(sanum.__file__, file=sys.stderr)
main()
"""


def build(kind, out):
    words = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(words, check=True, capture_output=True)
    (path,) = out.glob("sanum-*")
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("dist"))


def test_the_source_has_what_is_needed_to_test_and_to_cite_it(tmp_path):
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {n.split("/", 1)[1] for n in archive.getnames()}
    wanted = [
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "README.md",
        "Makefile",
        ".dockerignore",
        "mkdocs.yml",
    ]
    wanted += [
        p.relative_to(ROOT).as_posix()
        for folder in ("tests", "bench", "containers", "docs", ".ci", "src/sanum/cli")
        for p in (ROOT / folder).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    ]
    assert set(wanted) <= names
    assert not [n for n in names if n.startswith(("runs", "site", "dist", ".venv"))]


def test_the_weights_are_inside(wheel):
    folder = "sanum/methods/anatomy/una/weights/"
    with zipfile.ZipFile(wheel) as z:
        assert {folder + "una-compact.safetensors", folder + "una-compact.sha256"} <= set(z.namelist())
        assert {
            "sanum/methods/anatomy/una/MODEL_CARD.md",
            "sanum/methods/recovery/kt/MODEL_CARD.md",
            "sanum/weights/table.json",
            "sanum/py.typed",
        } <= set(z.namelist())
        assert not [n for n in z.namelist() if n.startswith(("tests", "bench", "runs"))]
    assert wheel.stat().st_size < 30e6


def test_the_page_of_the_package_has_no_link_that_only_works_in_a_checkout(wheel):
    with zipfile.ZipFile(wheel) as z:
        (name,) = [n for n in z.namelist() if n.endswith(".dist-info/METADATA")]
        told = message_from_bytes(z.read(name))
    assert told["Description-Content-Type"] == "text/markdown"
    page = told.get_payload(decode=True).decode()
    assert not re.findall(r"\]\((?!https?:)[^)]*\)|^\[[^\]]+\]:.*|(?:src|href)=", page, re.MULTILINE)
    assert "![" not in page
    assert page.startswith("# sanum\n")
    assert "the model card (src/sanum/methods/anatomy/una/MODEL_CARD.md in the source);" in page
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.compile(r"^```(?:.|\n)*?^```$|^[|#].*$", re.MULTILINE)
    assert blocks.findall(page) == blocks.findall(readme)  # code, tables and headings are as they were


@pytest.mark.full
def test_it_reconstructs_without_a_network(wheel, icbm152_2mm, tmp_path):
    """File to files, with all passes, in a process of its own, where a warning is an error."""
    with zipfile.ZipFile(wheel) as z:
        z.extractall(tmp_path / "site")
    path, out = write(icbm152_2mm, tmp_path / "sub-1_T1w.nii.gz"), tmp_path / "out"
    words = [sys.executable, "-c", NO_NETWORK, "reconstruct", path, "-o", out, "--threads", "1"]
    places = {"PYTHONPATH": str(tmp_path / "site"), "PATH": ""}
    ran = subprocess.run(
        list(map(str, words)),
        cwd=tmp_path,
        env={**places, "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(out / "sub-1_acq-T1w_report.html"))
    package, done = ran.stderr.splitlines()
    assert package.startswith(str(tmp_path / "site" / "sanum"))  # not the checkout
    assert done.startswith("sub-1_T1w.nii.gz: done in ")
    stem = "sub-1_acq-T1w"
    assert {p.name for p in out.iterdir()} == {*file_names(stem).values(), record_name(stem), "run.json"}
    text = (out / "run.json").read_text()
    run = json.loads(text)
    assert run["scans"][0]["contrast"] == "T1w"
    assert run["weights"] == "una-compact.safetensors"
    assert run["peak_memory_mb"] < 4096
    assert sha256(tmp_path / "site" / "sanum/methods/anatomy/una/weights/una-compact.safetensors") in text
