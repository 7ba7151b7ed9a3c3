"""A disk that is full, or may only be read, ends the run; what is done is whole."""

import subprocess

from sanum.cohort import write_tables
from sanum.healthy.job import TABLES

from .test_work import do, states


def test_a_full_disk_ends_the_run_and_it_goes_on_when_there_is_space(cohort, fast, small_disk):
    """100 kB take a few of the scans; then nothing half-written is left, and no other scan is begun."""
    folder = cohort(12)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(40_000))
    first = do(folder, small_disk / "out", fast)
    [full] = [outcome for outcome in first if outcome.last]
    assert "the disk is full; free some space" in full.reason
    assert 0 < states(first).count("done") < 11
    assert not [p for p in (small_disk / "out").rglob(".sanum-*")]
    for outcome in first:
        if outcome.state == "done":
            folder_of = small_disk / "out" / outcome.item.place
            assert {*outcome.record["outputs"].values()} < {p.name for p in folder_of.iterdir()}
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    second = do(folder, small_disk / "out", fast)
    assert states(second).count("finished") == states(first).count("done")
    assert states(second).count("failed") == 0
    assert write_tables(small_disk / "out", TABLES) == []


def test_a_disk_that_may_only_be_read(cohort, fast, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    [outcome] = do(cohort(3), small_disk / "out", fast)
    assert outcome.last
    assert "cannot write to" in outcome.reason
