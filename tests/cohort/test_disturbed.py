"""Runs that are killed and started again, and runs at once; `disturbed.py` does it with any numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (pytest.mark.full, pytest.mark.timeout(1200))


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("reconstruct", ("12", "3", "2")),
        pytest.param("reconstruct", ("50", "10", "6"), marks=HEAVY),
        pytest.param("bids", ("9", "3", "4"), marks=HEAVY),
    ],
    ids=str,
)
def test_nothing_is_lost_or_half_written(tmp_path, command, how):
    words = [sys.executable, Path(__file__).with_name("disturbed.py"), tmp_path, *how, command]
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    count, broken, kills = map(int, how)
    done = count - broken
    assert (told["code"], told["done"], told["failed"], told["reasons"]) == (1, done, broken, broken)
    assert told["killed"] == kills
    assert told["wrong"] == []
    assert (told["killed_code"], told["killed_same"]) == (1, True)
    assert (told["two_codes"], told["two_same"]) == ([1, 1], True)
    assert sum(told["two_done"]) == done
