"""Doing many scans: what is done, kept, done again, refused, and told."""

import json
import os
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from sanum.cohort import RunSettings, expand, lock, run, write_tables
from sanum.cohort.failures import STATE
from sanum.cohort.steps import key_of
from sanum.healthy.job import TABLES
from sanum.healthy.outputs import file_names, left_out, record_name
from sanum.scan import read, write

from .stand_in import NO_REPORT, at_once, small_scan


def states(outcomes):
    return [outcome.state for outcome in outcomes]


def do(folder, out, job, *, space="input", **settings):
    items = expand([folder], out)
    settings = RunSettings(without=left_out(maps="usual", report=False), **settings)
    return sorted(run(items, out, replace(job, space=space), settings), key=lambda o: items.index(o.item))


def files(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_results_are_those_of_one_scan_alone(cohort, fast, tmp_path):
    out = tmp_path / "out"
    outcomes = do(cohort(5), out, fast)
    assert states(outcomes) == ["done"] * 5
    for n in range(1, 6):
        stem, place = f"sub-{n:02d}_acq-T1w", f"sub-{n:02d}/anat"
        path = tmp_path / "in" / place / f"sub-{n:02d}_T1w.nii.gz"
        at_once(read(path), predictor=fast.predictor).save(tmp_path / "alone", report=False)
        for name in [*file_names(stem).values()][:-1]:
            assert (out / place / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
        record = json.loads((out / place / record_name(stem)).read_text())
        assert record["input"]["path"] == f"{place}/{path.name}"
        assert record["outputs"] == {k: v for k, v in file_names(stem).items() if k != "report"}
    assert not (out / STATE).exists()


def test_finished_scans_are_kept_and_overwrite_does_them_again(cohort, fast, tmp_path):
    folder, out = cohort(3), tmp_path / "out"
    do(folder, out, fast)
    before = files(out)
    marks = {p: p.stat().st_mtime_ns for p in out.rglob("*.nii.gz")}
    again = do(folder, out, fast)
    assert states(again) == ["finished"] * 3
    assert again[0].record["brain_ml"] > 0
    assert {p: p.stat().st_mtime_ns for p in marks} == marks
    assert states(do(folder, out, fast, overwrite=True)) == ["done"] * 3
    assert files(out) == before
    assert all(p.stat().st_mtime_ns > marks[p] for p in marks)


def test_an_input_that_changed_is_done_again_and_one_that_was_only_copied_is_not(cohort, fast, tmp_path):
    folder, out = cohort(3), tmp_path / "out"
    do(folder, out, fast)
    one, two, _ = sorted(folder.rglob("*.nii.gz"))
    write(small_scan(99), one, overwrite=True)
    os.utime(two, ns=(1, 1))
    assert states(do(folder, out, fast)) == ["done", "finished", "finished"]
    np.testing.assert_allclose(
        read(out / "sub-01/anat/sub-01_acq-T1w_desc-anatomy_T1w.nii.gz").voxels,
        small_scan(99).voxels / 1000,
        rtol=1e-6,
    )


def test_a_scan_is_done_again_when_the_json_file_beside_it_says_something_new(cohort, fast, tmp_path):
    folder, out = cohort(2), tmp_path / "out"
    do(folder, out, fast)
    one, _ = sorted(folder.rglob("*.nii.gz"))
    beside = one.with_name(one.name.replace(".nii.gz", ".json"))
    beside.write_text('{"ContrastBolusIngredient": "GADOLINIUM", "SeriesDescription": "T1"}')
    assert states(do(folder, out, fast)) == ["done", "finished"]
    assert states(do(folder, out, fast)) == ["finished", "finished"]


def test_a_result_that_lacks_a_file_is_done_again(cohort, fast, tmp_path):
    folder, out = cohort(2), tmp_path / "out"
    do(folder, out, fast)
    before = files(out)
    next(out.rglob("sub-02*_mask.nii.gz")).unlink()
    assert sorted(states(do(folder, out, fast))) == ["done", "finished"]
    assert files(out) == before


def test_results_of_other_settings_or_weights_are_made_again(cohort, fast, tmp_path):
    folder, out = cohort(2), tmp_path / "out"
    do(folder, out, fast)
    again = do(folder, out, fast, space="1mm")
    assert [(o.state, o.otherwise) for o in again] == [("done", "space input, not 1mm")] * 2
    fast.predictor.weights_sha256 = "f" * 64
    [first, _] = do(folder, out, fast, space="1mm")
    assert (first.state, first.otherwise) == ("done", "weights 000000000000…, not ffffffffffff…")
    record = json.loads((out / "sub-01/anat" / record_name("sub-01_acq-T1w")).read_text())
    assert (record["weights_sha256"], record["space"]) == ("f" * 64, "1mm")
    assert states(do(folder, out, fast, space="1mm")) == ["finished"] * 2


class TestAnotherScan:
    """Two scans of one name that are given one after the other."""

    @pytest.fixture
    def two(self, tmp_path):
        return [write(small_scan(n), tmp_path / str(n) / "T1w.nii.gz") for n in range(2)]

    def test_its_results_are_not_replaced_unasked(self, two, fast, tmp_path):
        out = tmp_path / "out"
        do(two[0], out, fast)
        before = files(out)
        os.utime(two[1], ns=(1, two[0].stat().st_mtime_ns))  # time and size may be the same by chance
        [refused] = do(two[1], out, fast, keep_failures=False)
        assert refused.state == "failed"
        assert "tells of results of another scan, T1w.nii.gz: pass --overwrite" in refused.reason
        assert files(out) == before
        assert states(do(two[1], out, fast, overwrite=True)) == ["done"]
        assert files(out) != before

    def test_the_failure_of_one_stays_when_the_other_is_done_again(self, two, fast, tmp_path):
        out = tmp_path / "out"
        for one in (*two, two[0]):
            do(one, out, fast)
        [(path, reason, _)] = write_tables(out, TABLES)
        assert path == "T1w.nii.gz"
        assert "by those of T1w.nii.gz, or choose" in reason
        assert [item.path for item in expand([out / "failed.tsv"], out)] == [two[1]]

    def test_a_scan_that_has_moved_is_no_other(self, two, fast, tmp_path):
        out = tmp_path / "out"
        do(two[0], out, fast)
        moved = tmp_path / "moved" / "T1w.nii.gz"
        moved.parent.mkdir()
        two[0].rename(moved)
        assert states(do(moved, out, fast)) == ["finished"]
        assert states(do(moved, out, fast, space="1mm")) == ["done"]


def test_results_do_not_leave_the_output_folder_by_a_link(cohort, fast, tmp_path):
    folder, out = cohort(2), tmp_path / "out"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "real").mkdir()
    out.symlink_to("real")  # itself it may be one
    (out / "sub-01").symlink_to(elsewhere)
    assert states(do(folder, out, fast, overwrite=True)) == ["failed", "done"]
    [(_, reason, _)] = write_tables(out, TABLES)
    assert "out/sub-01/anat is elsewhere/anat, outside the output folder" in reason
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "which", [file_names("sub-01_acq-T1w")["anomaly_mask"], record_name("sub-01_acq-T1w")]
)
def test_files_of_somebody_else_are_not_replaced(cohort, fast, tmp_path, which):
    folder, out = cohort(1), tmp_path / "out"
    name = out / "sub-01/anat" / which
    name.parent.mkdir(parents=True)
    name.write_text("precious")
    [refused] = do(folder, out, fast, keep_failures=False)
    assert re.search(r" exists.*: pass --overwrite", refused.reason)
    assert files(out) == {name.relative_to(out).as_posix(): b"precious"}


def test_failures_are_told_and_remembered_until_they_are_mended(cohort, fast, tmp_path):
    folder, out = cohort(4), tmp_path / "out"
    broken = sorted(folder.rglob("*.nii.gz"))[1]
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-40])
    outcomes = do(folder, out, fast)
    assert sorted(states(outcomes)) == ["done"] * 3 + ["failed"]
    [(path, reason, place)] = write_tables(out, TABLES)
    assert (path, place) == ("sub-02/anat/sub-02_T1w.nii.gz", "sub-02/anat")
    assert "damaged, cut short" in reason
    header = "path\treason\tresults_folder"
    assert (out / "failed.tsv").read_text() == f"{header}\n{path}\t{reason}\t{place}\n"
    broken.write_bytes(whole)
    assert sorted(states(do(folder, out, fast))) == ["done"] + ["finished"] * 3
    assert write_tables(out, TABLES) == []


def test_a_failed_list_can_be_given_as_it_is(cohort, fast, tmp_path):
    """Its scans, once mended, are where they would be, and it is empty."""
    folder, out = cohort(3), tmp_path / "out"
    broken = [*sorted(folder.rglob("*.nii.gz"))[1:], folder / '"two\nlines\t\udcff".nii.gz']
    for path in broken:
        path.write_bytes(b"no image")
    assert states(do(folder, out, fast)).count("failed") == 3
    write_tables(out, TABLES)
    for n, path in enumerate(broken):
        write(small_scan(n), path, overwrite=True)
    assert states(do(out / "failed.tsv", out, fast)) == ["done"] * 3
    assert write_tables(out, TABLES) == []
    whole = tmp_path / "whole"
    do(folder, whole, fast)
    write_tables(whole, TABLES)
    assert files(out) == files(whole)


def test_what_is_known_before_reading_is_told_with_the_rest(cohort, fast, tmp_path, forbid):
    folder, out = cohort(3), tmp_path / "out"
    twin = folder / "sub-03" / "anat" / "sub-03_T1w.mgz"
    twin.touch()
    forbid(folder / "sub-02")
    (folder / "none").mkdir()
    items = expand([folder, folder / "none"], out)
    outcomes = run(items, out, fast, NO_REPORT)
    assert sorted(states(outcomes)) == ["done", *["failed"] * 4]
    told = {path: (reason, place) for path, reason, place in write_tables(out, TABLES)}
    assert set(told) == {
        "sub-02/sub-02",
        "sub-03/anat/sub-03_T1w.mgz",
        "sub-03/anat/sub-03_T1w.nii.gz",
        "none",
    }
    assert "cannot be listed" in told["sub-02/sub-02"][0]
    assert told["sub-02/sub-02"][1] == "sub-02"
    assert len(write_tables(out, TABLES)) == 4

    forbid.allow(folder / "sub-02")
    twin.unlink()
    write(small_scan(9), folder / "none" / "late.nii.gz")
    assert sorted(states(do(out / "failed.tsv", out, fast))) == [*["done"] * 3, "failed"]  # the twin is gone
    assert write_tables(out, TABLES) == []
    assert sorted(states(do(folder, out, fast))) == ["done", *["finished"] * 3]


def test_a_failed_scan_that_moved_and_was_done_is_forgotten(cohort, fast, tmp_path):
    out = tmp_path / "out"
    bad = tmp_path / "old" / "scan.nii.gz"
    bad.parent.mkdir()
    bad.write_bytes(b"no image")
    assert states(do(bad, out, fast)) == ["failed"]
    bad.unlink()
    assert len(write_tables(out, TABLES)) == 1
    do(write(small_scan(1), tmp_path / "new" / "scan.nii.gz"), out, fast)
    assert write_tables(out, TABLES) == []


def test_tables_hold_every_scan_of_every_shard(cohort, fast, tmp_path):
    folder, out = cohort(5), tmp_path / "out"
    items = expand([folder], out)
    for part in (items[::2], items[1::2]):
        list(run(part, out, fast, NO_REPORT))
    write_tables(out, TABLES)
    volumes, qc = ((out / name).read_text().splitlines() for name in ("volumes.tsv", "qc.tsv"))
    assert volumes[0].split("\t") == ["path", "results", "brain_ml", "anomaly_ml", "lesions"]
    assert [row.split("\t")[0] for row in volumes[1:]] == [item.shown for item in items]
    voxels = small_scan(3).voxels
    assert volumes[3].split("\t")[1:4] == [
        "sub-03/anat/sub-03_acq-T1w",
        f"{(voxels > 100).sum():.1f}",
        f"{(voxels > 700).sum():.2f}",
    ]
    assert qc[0].split("\t")[:4] == ["path", "results", "contrast", "contrast_by"]
    assert qc[0].split("\t")[4:] == ["mean_uncertainty", "quality", "warnings", "report"]
    assert qc[3].split("\t")[2:] == [
        "T1w",
        "nobody",
        f"{voxels[voxels > 100].mean() / 1e4:.4f}",
        "n/a",
        "n/a",
        "n/a",
    ]


def test_what_another_run_has_is_left_to_it(cohort, fast, tmp_path):
    folder, out = cohort(3), tmp_path / "out"
    items = expand([folder], out)
    held = out / STATE / f"{key_of(items[0])}.lock"
    assert lock.acquire(held, "mine")
    outcomes = list(run(items, out, fast, NO_REPORT, name="mine"))
    assert states(outcomes) == ["done", "done", "busy"]
    assert outcomes[2].item == items[0]
    lock.release(held)
    assert sorted(states(do(folder, out, fast))) == ["done", "finished", "finished"]


def test_a_lock_of_who_was_killed_while_making_it_is_waited_for(cohort, fast, tmp_path, monkeypatch):
    """It is empty, and so may be one that is being made: nobody waits for it before the others are done."""
    monkeypatch.setattr(lock, "_EMPTY_S", 0.3)
    folder, out = cohort(2), tmp_path / "out"
    items = expand([folder], out)
    held = out / STATE / f"{key_of(items[0])}.lock"
    held.parent.mkdir(parents=True)
    held.touch()
    outcomes = list(run(items, out, fast, NO_REPORT))
    assert [(outcome.item, outcome.state) for outcome in outcomes] == [(items[1], "done"), (items[0], "done")]
    assert not held.parent.exists()


def test_a_lock_is_kept_fresh_while_a_scan_is_computed(cohort, fast, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    out, refreshed = tmp_path / "out", []

    def slowly(scan, **how):
        [path] = (out / STATE).glob("*.lock")
        os.utime(path, (1, 1))
        until = time.monotonic() + 30
        while path.stat().st_mtime == 1 and time.monotonic() < until:
            time.sleep(0.01)
        refreshed.append(path.stat().st_mtime > 1)
        return at_once(scan, **how)

    monkeypatch.setattr("sanum.healthy.job.reconstruct", slowly)
    do(cohort(1), out, fast)
    assert refreshed == [True]


def test_who_has_lost_a_lock_writes_nothing(cohort, fast, tmp_path, monkeypatch):
    """A machine that slept: another one has taken the scan over, and still has it."""
    out = tmp_path / "out"

    def sleeping(scan, **how):
        [path] = (out / STATE).glob("*.lock")
        path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": "1", "run": "other"}))
        return at_once(scan, **how)

    monkeypatch.setattr("sanum.healthy.job.reconstruct", sleeping)
    assert states(do(cohort(1), out, fast)) == ["busy"]
    [left] = files(out)
    assert left.endswith(".lock")


def test_reading_and_writing_go_on_while_a_scan_is_computed(cohort, fast, tmp_path, monkeypatch):
    """In the middle of the second scan the others of those under way are written, and no more are begun."""
    items = expand([cohort(8)], tmp_path / "out")
    seen = []

    def written():
        return sorted(p.name[:6] for p in (tmp_path / "out").rglob("*_record.json"))

    def in_the_middle(scan, **how):
        if scan.path.name.startswith("sub-02"):
            until = time.monotonic() + 30
            while len(written()) < 4 and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.2)
            seen.extend(written())
        return at_once(scan, **how)

    monkeypatch.setattr("sanum.healthy.job.reconstruct", in_the_middle)
    outcomes = run(items, tmp_path / "out", fast, NO_REPORT)
    assert states(outcomes) == ["done"] * 8
    assert seen == ["sub-01", "sub-03", "sub-04", "sub-05"]


def test_two_are_computed_at_a_time_and_no_more(cohort, fast, tmp_path, monkeypatch):
    computing, most = [], []

    def slowly(scan, **how):
        computing.append(scan)
        most.append(len(computing))
        time.sleep(0.05)
        computing.remove(scan)
        return at_once(scan, **how)

    monkeypatch.setattr("sanum.healthy.job.reconstruct", slowly)
    out = tmp_path / "out"
    assert states(run(expand([cohort(6)], out), out, fast, NO_REPORT)) == ["done"] * 6
    assert max(most) == 2


def test_a_caller_who_stops_leaves_whole_results_and_no_locks(cohort, fast, tmp_path):
    out = tmp_path / "out"
    work = run(expand([cohort(5)], out), out, fast, NO_REPORT)
    assert next(work).state == "done"
    work.close()
    left = {p.name[:6] for p in out.rglob("*.*") if p.is_file()}
    assert {p.name[:6] for p in out.rglob("*_record.json")} == left
    assert not (out / STATE).exists()
    assert sorted(states(do(tmp_path / "in", out, fast))) == ["done"] * (5 - len(left)) + ["finished"] * len(
        left
    )


def test_an_error_of_ours_does_not_end_the_others(cohort, fast, tmp_path, monkeypatch):
    def broken(scan, **how):
        if scan.path.name.startswith("sub-02"):
            raise np.linalg.LinAlgError("Singular matrix")
        return at_once(scan, **how)

    monkeypatch.setattr("sanum.healthy.job.reconstruct", broken)
    outcomes = do(cohort(3), tmp_path / "out", fast)
    assert sorted(states(outcomes)) == ["done", "done", "failed"]
    [reason] = [outcome.reason for outcome in outcomes if outcome.reason]
    assert reason == (
        "sub-02_T1w.nii.gz could not be reconstructed: LinAlgError, Singular matrix; please report this"
    )
