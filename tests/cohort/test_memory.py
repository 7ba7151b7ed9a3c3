"""Scans share the memory: who does not fit waits, or is refused before it is read."""

import json
import threading
import time

import numpy as np
import pytest

from sanum.cohort import RunSettings, expand, run
from sanum.cohort.memory import MemoryBudget
from sanum.healthy.memory import BASE, need_of
from sanum.scan import Scan, ScanError, write


def scan_of(path, shape, spacing, dtype=np.int16):
    voxels = np.zeros(shape, dtype)
    voxels[0] = 1
    return write(Scan(voxels, np.diag([spacing, spacing, spacing, 1])), path)


def test_a_brain_is_no_larger_in_a_larger_picture(tmp_path):
    """At 0.5 mm the box of a brain has 60 million voxels at most, however large the picture is."""
    small, large = (scan_of(tmp_path / f"{n}.nii.gz", (400, n, n), 0.5) for n in (400, 500))
    a, b = need_of(small), need_of(large)
    assert a == 400**3 * (2 + 9) + 190 * 220 * 180 * 8 * 27
    assert b - a == 400 * (500**2 - 400**2) * 11
    whole = scan_of(tmp_path / "1mm.nii.gz", (100, 100, 100), 1.0)
    assert need_of(whole) == 10**6 * (2 + 9 + 27)


def test_what_is_larger_than_the_limit_is_refused_by_name(tmp_path):
    path = scan_of(tmp_path / "scan.nii.gz", (100, 100, 100), 1.0)
    with pytest.raises(
        ScanError, match=r"^scan\.nii\.gz needs about 0\.8 GB of memory, and 0\.76 may be used"
    ):
        MemoryBudget(BASE + 10**7, base=BASE, strict=True).take("a", path.name, need_of(path))
    assert MemoryBudget(BASE + 10**7, base=BASE).take("a", path.name, need_of(path)) == ()  # a goal only


def test_the_next_waits_until_there_is_room(tmp_path):
    path = scan_of(tmp_path / "scan.nii.gz", (100, 100, 100), 1.0)
    budget = MemoryBudget(BASE + int(1.5 * need_of(path)), base=BASE)
    assert budget.take("a", path.name, need_of(path)) == ()
    told = []
    thread = threading.Thread(target=lambda: told.append(budget.take("b", path.name, need_of(path))))
    thread.start()
    time.sleep(0.1)
    assert told == []
    budget.give("a")
    thread.join(10)
    assert told[0][0].startswith("not read ahead")
    assert budget.room_beside("b") == budget.total - BASE - need_of(path)


def test_whoever_waits_is_let_go_in_the_end(tmp_path):
    path = scan_of(tmp_path / "scan.nii.gz", (50, 50, 50), 1.0)
    budget = MemoryBudget(BASE, base=BASE)
    budget.take("a", path.name, need_of(path))
    thread = threading.Thread(target=budget.take, args=("b", path.name, need_of(path)))
    thread.start()
    budget.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_cohort_in_little_memory_is_done_one_by_one_and_says_so(cohort, fast, tmp_path):
    folder, out = cohort(5), tmp_path / "out"
    items = expand([folder], out)
    most = need_of(items[0].path)
    held = []
    steps = {}
    for outcome in run(items, out, fast, RunSettings(without=("report",), memory=BASE + most)):
        assert outcome.state == "done"
        steps[outcome.item] = outcome.memory
        held.append(outcome)
    assert any(told and told[0].startswith("not read ahead") for told in steps.values())
    free = run(items, tmp_path / "free", fast, RunSettings(without=("report",), memory=10**10))
    assert all(outcome.memory == () for outcome in free)
    same = [
        (out / i.place / f"{i.stem}_desc-anatomy_T1w.nii.gz").read_bytes()
        == (tmp_path / "free" / i.place / f"{i.stem}_desc-anatomy_T1w.nii.gz").read_bytes()
        for i in items
    ]
    assert all(same)


def test_an_interrupt_while_the_next_waits_ends_the_run(cohort, fast, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        time.sleep(0.2)  # the reader waits for room by now
        raise KeyboardInterrupt

    items = expand([cohort(3)], tmp_path / "out")
    monkeypatch.setattr("sanum.healthy.job.reconstruct", interrupted)
    work = run(items, tmp_path / "out", fast, RunSettings(memory=BASE + need_of(items[0].path)))
    with pytest.raises(KeyboardInterrupt):
        next(work)


def test_one_that_is_too_large_fails_and_the_others_are_done(cohort, fast, tmp_path):
    folder = cohort(2)
    large = np.zeros((60, 60, 60), np.int16)
    large[0] = 7
    write(Scan(large, np.eye(4)), folder / "sub-09" / "anat" / "sub-09_T1w.nii.gz")
    items = expand([folder], tmp_path / "out")
    done = run(
        items, tmp_path / "out", fast, RunSettings(without=("report",), memory=BASE + need_of(items[0].path))
    )
    assert {o.item.stem: o.state for o in done} == {
        "sub-01_acq-T1w": "done",
        "sub-02_acq-T1w": "done",
        "sub-09_acq-T1w": "failed",
    }
    note = next((tmp_path / "out" / ".sanum").glob("*.failed.json"))
    assert "give more with --mem-gb" in json.loads(note.read_text())["reason"]
