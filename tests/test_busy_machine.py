"""Threads that wait do not spin: what OpenMP itself says, for seconds on a busy machine say nothing."""

import os
import re
import subprocess
import sys

import pytest

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
FREE = {key: value for key, value in os.environ.items() if key not in WAITING}


@pytest.mark.parametrize(
    ("said", "before", "found"),
    [
        ({}, "", "passive 5000"),
        ({"OMP_WAIT_POLICY": "active"}, "", "active None"),
        ({"GOMP_SPINCOUNT": "100"}, "", "None 100"),
        ({}, "sys.modules['torch'] = sys; ", "None None"),  # it has read its variables
    ],
)
def test_threads_spin_briefly_unless_somebody_said_otherwise(said, before, found):
    names = "'OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'"
    code = f"import os, sys; {before}import sanum; print(*map(os.environ.get, [{names}]))"
    ran = subprocess.run([sys.executable, "-c", code], env={**FREE, **said}, capture_output=True, text=True)
    assert ran.stdout.strip() == found, ran.stderr


def test_openmp_says_the_same_of_the_python_call_and_of_the_command(tmp_path):
    """Threads that spun took three times the CPU. OpenMP prints what it heeds as it is loaded."""
    scan = tmp_path / "scan.nii"
    scan.write_text("no image")
    call = f"import sanum; sanum.reconstruct({str(scan)!r}, device='cpu')"
    command = ["-m", "sanum", "reconstruct", scan, "-o", tmp_path / "out", "--device", "cpu"]
    told = []
    for words in (["-c", call], command):
        environment = {**FREE, "OMP_DISPLAY_ENV": "VERBOSE"}
        ran = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment)
        assert "cannot be read as a NIfTI file" in ran.stderr
        told.append(set(re.findall(r"\w+ = '.*'", ran.stderr)))
    assert told[0] == told[1]
    if "GOMP_SPINCOUNT" not in str(told[0]):
        pytest.skip("no OpenMP of GNU")
    assert {"OMP_WAIT_POLICY = 'PASSIVE'", "GOMP_SPINCOUNT = '5000'"} <= told[0]
    assert any(line.startswith("OMP_NUM_THREADS = ") for line in told[0])
