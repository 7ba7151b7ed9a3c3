"""The file of numbers: several writers, damaged lines, and what stands in the place of its lock."""

import os
import random
import subprocess
import sys

import pytest

from sanum.evaluation import store as module
from sanum.evaluation.store import Store
from sanum.scan import ScanError

COLUMNS = ("data", "case", "method", "weights", "digest", "failed", "psnr", "curve")
SAME = {"data": "d", "weights": "w", "digest": "x", "method": "m"}


def row(case, **more):
    return {**SAME, "case": case, **more}


def cases_in(path):
    return [key[1] for key in sorted(Store(path, COLUMNS).rows)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "cases.csv"


def test_two_writers_lose_no_row(path):
    """Both have read the file before the other wrote."""
    one, other = Store(path, COLUMNS), Store(path, COLUMNS)
    one.put([row("a", psnr=20.0)])
    other.put([row("b", psnr=30.0)])
    one.put([row("c"), row("a", psnr=21.0)])
    assert cases_in(path) == ["a", "b", "c"]
    assert one.has(row("b"))
    assert Store(path, COLUMNS).rows["d", "a", "m"]["psnr"] == "21"


WRITE = f"""
import sys, types
from pathlib import Path
room = sys.modules["sanum.evaluation"] = types.ModuleType("sanum.evaluation")  # without its heavy neighbours
room.__path__ = [{os.path.dirname(module.__file__)!r}]
from sanum.evaluation.store import Store
store = Store(Path(sys.argv[1]), tuple(sys.argv[3].split()))
for n in range(10):
    store.put([{{"data": "d", "case": f"{{sys.argv[2]}}{{n}}", "method": "m"}}])
"""


@pytest.mark.full
def test_many_processes_lose_no_row(path):
    many = [subprocess.Popen([sys.executable, "-c", WRITE, path, name, " ".join(COLUMNS)]) for name in "ab"]
    assert [one.wait() for one in many] == [0, 0]
    assert cases_in(path) == [f"{name}{n}" for name in "ab" for n in range(10)]


def test_damaged_lines_are_measured_again_and_the_others_stay(path, caplog):
    store = Store(path, COLUMNS)
    store.put(row(case, psnr=20.0, curve="0.1 0.2") for case in "abcdefg")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"20", b"2x")
    lines[2] = lines[2][:9] + b"\n"
    lines[3] = lines[3].replace(b"w", b"\xff")
    lines[4] = lines[4].replace(b"w", b"\0")
    lines[5] = lines[5].replace(b"0.2", b"0.2.")
    lines[6] = lines[6].replace(b"\n", b",more\n")
    path.write_bytes(b"".join(lines))
    again = Store(path, COLUMNS)
    assert [again.has(row(case)) for case in "abcdefg"] == [False] * 6 + [True]
    assert caplog.text.count("is damaged: it is measured again") == 6
    again.put(row(case, psnr=20.0, curve="0.1 0.2") for case in "abcdef")
    assert again.rows == store.rows


@pytest.mark.parametrize("count", [150, pytest.param(2500, marks=pytest.mark.full)])
def test_any_bytes_are_read_or_refused(path, count):
    Store(path, COLUMNS).put(row(case, psnr=20.0, curve="0.1 0.2") for case in "abcdefg")
    whole, rng, kept = path.read_bytes(), random.Random(count), 0
    for _ in range(count):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.choice(b'0123456789.,"\n\r x\xff\0')
        path.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content))])])
        try:
            rows = Store(path, COLUMNS).rows.values()
        except ValueError as told:
            if "has other columns" not in str(told) and "is damaged" not in str(told):
                raise
            continue
        kept += len(rows)
        assert all(tuple(r) == COLUMNS and float(r["psnr"] or 0) > -1e300 for r in rows)
    assert kept > count  # of 7 rows each


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda p: p.symlink_to("precious")])
def test_what_stands_for_the_lock_is_not_followed(path, make):
    path.parent.mkdir()
    (path.parent / "precious").write_text("mine")
    make(path.parent / ".cases.csv.lock")
    Store(path, COLUMNS).put([row("a")])
    assert cases_in(path) == ["a"]
    assert (path.parent / "precious").read_text() == "mine"


def test_a_file_that_cannot_be_read_is_told(path):
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(ScanError, match=r"cases\.csv cannot be read: not a regular file"):
        Store(path, COLUMNS)
