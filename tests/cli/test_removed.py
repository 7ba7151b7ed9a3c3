"""Results that somebody removes while the run goes on."""

import itertools
import json
import shutil
import time

from ..cohort.stand_in import at_once, make_cohort


def test_results_that_somebody_removes_during_the_run_are_no_success(sanum, quick, tmp_path, monkeypatch):
    four = tmp_path / "in"
    make_cohort(four, 4, 1)
    out, count = tmp_path / "out", itertools.count()

    def removes(scan, **how):
        if next(count) == 2:
            until = time.monotonic() + 30
            while len(list(out.rglob("*.lock"))) > 1 and time.monotonic() < until:  # its own
                time.sleep(0.01)
            shutil.rmtree(out)
        return at_once(scan, **how)

    monkeypatch.setattr("sanum.healthy.job.reconstruct", removes)
    ran = sanum("reconstruct", four, "-o", out, "-q", "--no-report")
    assert ran.code == 1
    assert ran.err.count("were removed from") == 2
    assert "3 of 4 scans failed" in ran.err
    states = [scan["state"] for scan in json.loads((out / "run.json").read_text())["scans"]]
    assert sorted(states) == ["done", "failed", "failed", "failed"]
    assert (out / "failed.tsv").read_text().count("run it again") == 2
    assert (out / "failed.tsv").read_text().count("\n") == 4
    monkeypatch.setattr("sanum.healthy.job.reconstruct", at_once)
    sanum("reconstruct", four, "-o", out, "-q", "--no-report")
    assert (out / "volumes.tsv").read_text().count("\n") == 4
    assert (out / "failed.tsv").read_text().count("\n") == 2
