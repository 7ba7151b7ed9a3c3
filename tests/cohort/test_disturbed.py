"""Runs that are killed and started again, and runs at once; `disturbed.py` does it with any numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("command", ["reconstruct", "bids"])
def test_nothing_is_lost_or_half_written(tmp_path, command):
    words = [sys.executable, Path(__file__).with_name("disturbed.py"), tmp_path, "13", "4", "8", command]
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["code"], told["done"], told["failed"], told["reasons"]) == (1, 9, 4, 4)
    assert told["killed"] == 8
    assert told["wrong"] == []
    assert (told["killed_code"], told["killed_same"]) == (1, True)
    assert (told["two_codes"], told["two_same"]) == ([1, 1], True)
    assert sum(told["two_done"]) == 9


def test_a_lost_worker_s_scan_is_done_by_the_other(tmp_path):
    """Two processes of Dask, one killed with SIGKILL while it computes: every scan is done, each once."""
    pytest.importorskip("distributed")
    words = [sys.executable, Path(__file__).with_name("lost_worker.py"), tmp_path, "8"]
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    names = [f"sub-{n:03d}" for n in range(8)]
    assert told.pop("states").count("failed") == 1  # "finished" is one whose worker was lost with its answer
    assert told == {
        "told": names,
        "killed": True,
        "computed": [name for name in names if name != "sub-001"],
        "records": 7,
        "locks": 0,
    }
