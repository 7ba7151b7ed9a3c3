"""Runs that are killed and started again, and runs at once; `disturbed.py` does it with any numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_nothing_is_lost_or_half_written(tmp_path):
    words = [sys.executable, Path(__file__).with_name("disturbed.py"), tmp_path, "13", "4", "8"]
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["code"], told["done"], told["failed"], told["reasons"]) == (1, 9, 4, 4)
    assert told["killed"] == 8
    assert told["wrong"] == []
    assert (told["killed_code"], told["killed_same"]) == (1, True)
    assert (told["two_codes"], told["two_same"]) == ([1, 1], True)
    assert sum(told["two_done"]) == 9
