"""Every command and every Python block of the README does what it says."""

import pickle
import re
import runpy
import shlex
import subprocess
import sys
from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import pytest
import typer

from sanum.cli.main import app, main
from sanum.healthy import demo
from sanum.healthy.grids import on_grid
from sanum.healthy.outputs import file_names, record_name
from sanum.methods.anatomy.una.fine_predict import FinePredictor
from sanum.methods.anatomy.una.predict import UnaPredictor
from sanum.scan import read, write
from sanum.space.grid import covering

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|console|sh|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
NOT_RUN = ("pip install ", "git clone ", "cd ")  # they need the network, or set up what tests run in


def commands():
    """Command lines of the shell blocks; in `console` blocks those after the prompt."""
    found = []
    for kind, text in BLOCKS:
        if kind != "python":
            lines = text.replace("\\\n", " ").splitlines()
            if kind == "console":
                lines = [line[2:] for line in lines if line.startswith("$ ")]
            found += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return found


@pytest.fixture(scope="module")
def sick_2mm():
    """ICBM152 with the demo's lesion, at 2 mm."""
    truth, _ = demo.icbm152()
    coarse = on_grid(truth, covering(truth.grid, 2.0))
    return coarse.with_voxels(demo.grow_lesion(coarse, coarse.voxels > 0.3, seed=7)[0])


@pytest.fixture
def here(sick_2mm, rough_mirror, no_pictures, tmp_path, monkeypatch):
    """The folder that a reader of the README is in: it holds scan.nii.gz, and a BIDS data set in data/."""
    write(sick_2mm, tmp_path / "scan.nii.gz")
    write(sick_2mm, tmp_path / "data" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    description = '{"Name": "One scan", "BIDSVersion": "1.10.0"}'
    (tmp_path / "data" / "dataset_description.json").write_text(description)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def answers():
    """What the networks said, by what they were asked."""
    return {}


@pytest.fixture
def asked_once(answers, monkeypatch):
    """The networks that ship say at once what they said before to the very same question."""
    for kind in (UnaPredictor, FinePredictor):

        def answer(self, *question, real=kind.__call__, **more):
            key = sha256(pickle.dumps((type(self), question, more))).digest()
            if key not in answers:
                answers[key] = real(self, *question, **more)
            return deepcopy(answers[key])

        monkeypatch.setattr(kind, "__call__", answer)


def run(line, monkeypatch, capfd):
    monkeypatch.setattr("sys.argv", shlex.split(line))
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capfd.readouterr()
    assert left.value.code == 0, (line, err)
    return out


def test_there_is_something_to_run():
    assert "sanum reconstruct scan.nii.gz -o out" in commands()
    assert {"make demo", "make test"} <= set(commands())
    assert [kind for kind, _ in BLOCKS].count("python") >= 1


@pytest.mark.parametrize("line", [c for c in commands() if not c.startswith(("sanum ", *NOT_RUN))])
def test_other_commands_are_targets_of_make(line):
    tool, *targets = shlex.split(line)
    assert tool == "make", f"the README has a command that no test knows how to run: {line}"
    for target in targets:
        subprocess.run(
            ["make", "--no-print-directory", "-n", target], cwd=ROOT, check=True, capture_output=True
        )


@pytest.mark.full
@pytest.mark.usefixtures("asked_once")
def test_the_commands(here, answers, monkeypatch, capfd):
    """All in their order, in one folder; training is parsed only, for it needs the data and hours."""
    for line in commands():
        if line.startswith("sanum train "):
            typer.main.get_command(app).commands["train"].make_context("train", shlex.split(line)[2:])
        elif line.startswith("sanum "):
            assert run(line, monkeypatch, capfd), f"{line} printed nothing"
    assert {p.name for p in (here / "out").iterdir()} == {
        *file_names("scan").values(),
        record_name("scan"),
        "run.json",
    }
    assert len(answers) >= 2  # of both stages


@pytest.mark.full
@pytest.mark.usefixtures("here", "asked_once")
@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_the_python_examples(code):
    exec(compile(code, "README.md", "exec"), {})


def test_the_table_names_the_outputs():
    for name in file_names("<stem>").values():
        assert name.replace("-stem-", "<stem>") in README


@pytest.mark.full
def test_make_demo(tmp_path, monkeypatch, capfd):
    """What `make demo` runs, for real: the errors, the Dice, and the path of a report."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "-n", "demo"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    line = shown.splitlines()[-1].strip()
    assert re.fullmatch(r"\S+/sanum demo -o demo", line)
    monkeypatch.chdir(tmp_path)
    out = run(line, monkeypatch, capfd)
    for row in ("whole", "healthy", "diseased"):
        assert re.search(rf"^{row} +0\.\d+ +\d+\.\d+ +0\.\d+$", out, re.MULTILINE)
    assert re.search(r"^Dice of the anomaly mask: (\d\.\d+|nan)$", out, re.MULTILINE)
    assert (tmp_path / out.splitlines()[-1].removeprefix("report: ")).is_file()
    assert read(tmp_path / "demo" / "icbm152_T1w_desc-anatomy_T1w.nii.gz").voxels.any()


def test_make_bench_has_its_help(monkeypatch, capsys):
    program = str(ROOT / "bench" / "inference.py")
    monkeypatch.setattr("sys.argv", [program, "--help"])
    monkeypatch.setattr("sys.path", [str(ROOT / "bench"), *sys.path])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(program, run_name="__main__")
    assert left.value.code == 0
    assert "--data" in capsys.readouterr().out


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:|#)([^)#]+)", README))))
def test_links_lead_to_files(link):
    assert (ROOT / link).exists()
