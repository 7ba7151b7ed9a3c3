"""The command in a process of its own: streams, exit codes, signals; `test_wheel.py` reconstructs in one."""

import os
import shutil
import signal
import subprocess
import sys

import pytest


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture(scope="module")
def clean():
    """Environment without what a developer may have set."""
    return {**os.environ, "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"}


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
