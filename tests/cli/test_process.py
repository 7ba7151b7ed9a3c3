"""The command in a process of its own: streams, exit codes, signals."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from sanum.healthy.outputs import file_names, record_name
from sanum.scan import write


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


def files_of(stem):
    return sorted([*file_names(stem).values(), record_name(stem), "run.json"])


@pytest.fixture(scope="module")
def clean():
    """Environment without what a developer may have set."""
    return {**os.environ, "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"}


@pytest.mark.full
def test_the_real_thing_in_a_process_of_its_own(icbm152_2mm, tmp_path, clean):
    """File to files, with the shipped network at 2 mm; stdout, stderr, exit code."""
    path = write(icbm152_2mm, tmp_path / "sub-1_T1w.nii.gz")
    words = [sys.executable, "-m", "sanum", "reconstruct", path, "-o", tmp_path / "out", "--threads", "1"]
    ran = subprocess.run([*words, "--fast"], capture_output=True, text=True, env=clean)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout.startswith(str(tmp_path / "out" / "sub-1_acq-T1w_report.html"))
    assert ran.stderr.startswith("sub-1_T1w.nii.gz: done in ")
    assert left_in(tmp_path / "out") == files_of("sub-1_acq-T1w")
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["scans"][0]["contrast"] == "T1w"
    assert run["weights"] == "una-compact.safetensors"
    assert run["peak_memory_mb"] < 4096


def test_a_failure_in_a_process_of_its_own(tmp_path, clean):
    words = [sys.executable, "-m", "sanum", "reconstruct", "no-such.nii", "-o", str(tmp_path / "out")]
    ran = subprocess.run(words, capture_output=True, text=True, env=clean, cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == "sanum: no-such.nii does not exist: expected a scan file or a DICOM folder\n"
    assert left_in(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_in_a_process_of_its_own(phantom_file, tmp_path, clean):
    """Interrupted in the middle of its work: an answer at once, another at the end, nothing half done."""
    shutil.copy(phantom_file, tmp_path / "scan.nii.gz")
    code = (
        "import os, signal, sys, sanum.healthy.reconstruction as r\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job inherits none
        "r.find_brain = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "from sanum.cli.main import main\n"
        "sys.argv = ['sanum', 'reconstruct', 'scan.nii.gz', '-o', 'out']\n"
        "main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean, cwd=tmp_path
    )
    assert ran.returncode in (130, -signal.SIGINT), ran
    assert ran.stderr.splitlines() == [
        "sanum: stopping: the step that is computed now ends first, and what is written is finished",
        "sanum: interrupted; files that were finished are whole",
    ]
    assert left_in(tmp_path) == ["scan.nii.gz"]
