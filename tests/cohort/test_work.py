"""Doing many scans: what is done, kept, done again, refused, and told."""

import json
import os
import re
import subprocess
import time

import numpy as np
import pytest

from sanum.cohort import Settings, expand, lock, run, write_tables
from sanum.cohort.work import STATE, _key
from sanum.reconstruction import output_names, record_name
from sanum.scan import read, write

from .stand_in import at_once, small_scan


def states(outcomes):
    return [outcome.state for outcome in outcomes]


def do(folder, out, predictor, **settings):
    items = expand([folder], out)
    return sorted(
        run(items, out, predictor, Settings(report=False, **settings)), key=lambda o: items.index(o.item)
    )


def files(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_results_are_those_of_one_scan_alone(cohort, fast, tmp_path):
    out = tmp_path / "out"
    outcomes = do(cohort(5), out, fast)
    assert states(outcomes) == ["done"] * 5
    for n in range(1, 6):
        stem, place = f"sub-{n:02d}_acq-T1w", f"sub-{n:02d}/anat"
        path = tmp_path / "in" / place / f"sub-{n:02d}_T1w.nii.gz"
        at_once(read(path), predictor=fast).save(tmp_path / "alone", report=False)
        for name in output_names(stem)[:-1]:
            assert (out / place / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
        record = json.loads((out / place / record_name(stem)).read_text())
        assert record["input"]["path"] == str(path)
        assert record["outputs"] == output_names(stem)[:-1]
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
        small_scan(99).voxels / 1000, rtol=1e-6,
    )  # fmt: skip


def test_a_result_that_lacks_a_file_is_done_again(cohort, fast, tmp_path):
    folder, out = cohort(2), tmp_path / "out"
    do(folder, out, fast)
    before = files(out)
    next(out.rglob("sub-02*_mask.nii.gz")).unlink()
    assert sorted(states(do(folder, out, fast))) == ["done", "finished"]
    assert files(out) == before


def test_results_of_other_settings_or_weights_are_not_replaced_unasked(cohort, fast, tmp_path):
    folder, out = cohort(1), tmp_path / "out"
    do(folder, out, fast)
    before = files(out)
    [refused] = do(folder, out, fast, space="1mm", keep_failures=False)
    assert "made otherwise (space input, not 1mm): pass --overwrite to replace" in refused.reason
    fast.weights_sha256 = "f" * 64
    [refused] = do(folder, out, fast, keep_failures=False)
    assert "weights_sha256 000000000000…, not ffffffffffff…" in refused.reason
    assert files(out) == before
    assert states(do(folder, out, fast, overwrite=True)) == ["done"]


@pytest.mark.parametrize("which", [output_names("sub-01_acq-T1w")[2], record_name("sub-01_acq-T1w")])
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
    [(path, reason)] = write_tables(out)
    assert path == str(broken)
    assert "damaged, cut short" in reason
    assert (out / "failed.tsv").read_text() == f"path\treason\n{path}\t{reason}\n"
    broken.write_bytes(whole)
    assert sorted(states(do(folder, out, fast))) == ["done"] + ["finished"] * 3
    assert write_tables(out) == []


def test_a_failed_list_can_be_given_as_it_is(cohort, fast, tmp_path):
    odd = tmp_path / "in" / "two\nlines\t\udcff.nii.gz"
    cohort(1)
    odd.write_bytes(b"no image")
    do(tmp_path / "in", tmp_path / "out", fast)
    write_tables(tmp_path / "out")
    [item] = expand([tmp_path / "out" / "failed.tsv"], tmp_path / "out")
    assert item.path == odd


def test_tables_hold_every_scan_of_every_shard(cohort, fast, tmp_path):
    folder, out = cohort(5), tmp_path / "out"
    items = expand([folder], out)
    for part in (items[::2], items[1::2]):
        list(run(part, out, fast, Settings(report=False)))
    write_tables(out)
    volumes, qc = ((out / name).read_text().splitlines() for name in ("volumes.tsv", "qc.tsv"))
    assert volumes[0].split("\t") == ["path", "results", "brain_ml", "anomaly_ml"]
    assert [row.split("\t")[0] for row in volumes[1:]] == [str(item.path) for item in items]
    voxels = small_scan(3).voxels
    assert volumes[3].split("\t")[1:] == [
        "sub-03/anat/sub-03_acq-T1w", f"{(voxels > 100).sum():.1f}", f"{(voxels > 700).sum():.2f}",
    ]  # fmt: skip
    assert qc[0].split("\t") == ["path", "results", "contrast", "mean_uncertainty", "warnings", "report"]
    assert qc[3].split("\t")[2:] == ["T1w", f"{voxels[voxels > 100].mean() / 1e4:.4f}", "n/a", "n/a"]


def test_what_another_run_has_is_left_to_it(cohort, fast, tmp_path):
    folder, out = cohort(3), tmp_path / "out"
    items = expand([folder], out)
    held = out / STATE / f"{_key(items[0])}.lock"
    assert lock.acquire(held, "mine")
    outcomes = list(run(items, out, fast, Settings(report=False), name="mine"))
    assert states(outcomes) == ["done", "done", "busy"]
    assert outcomes[2].item == items[0]
    lock.release(held)
    assert sorted(states(do(folder, out, fast))) == ["done", "finished", "finished"]


def test_reading_and_writing_go_on_while_a_scan_is_computed(cohort, fast, tmp_path, monkeypatch):
    """In the middle of the second scan the first is written and the third taken, and no more than that."""
    items = expand([cohort(5)], tmp_path / "out")
    seen = []

    def taken():
        return sorted(p.name[:6] for p in (tmp_path / "out" / STATE).glob("*.lock"))

    def in_the_middle(scan, **how):
        if scan.path.name.startswith("sub-02"):
            until = time.monotonic() + 30
            while taken() != ["sub-02", "sub-03"] and time.monotonic() < until:
                time.sleep(0.01)
            seen.extend(taken())
        return at_once(scan, **how)

    monkeypatch.setattr("sanum.cohort.work.reconstruct", in_the_middle)
    outcomes = run(items, tmp_path / "out", fast, Settings(report=False))
    assert states(outcomes) == ["done"] * 5
    assert seen == ["sub-02", "sub-03"]


def test_a_caller_who_stops_leaves_whole_results_and_no_locks(cohort, fast, tmp_path):
    out = tmp_path / "out"
    work = run(expand([cohort(5)], out), out, fast, Settings(report=False))
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

    monkeypatch.setattr("sanum.cohort.work.reconstruct", broken)
    outcomes = do(cohort(3), tmp_path / "out", fast)
    assert sorted(states(outcomes)) == ["done", "done", "failed"]
    [reason] = [outcome.reason for outcome in outcomes if outcome.reason]
    assert reason == (
        "sub-02_T1w.nii.gz could not be reconstructed: LinAlgError, Singular matrix; please report this"
    )


class TestNoRoom:
    def test_a_full_disk_ends_the_run_and_it_goes_on_when_there_is_space(self, cohort, fast, small_disk):
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
                assert {*outcome.record["outputs"]} < {p.name for p in folder_of.iterdir()}
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
        second = do(folder, small_disk / "out", fast)
        assert states(second).count("finished") == states(first).count("done")
        assert states(second).count("failed") == 0
        assert write_tables(small_disk / "out") == []

    def test_a_disk_that_may_only_be_read(self, cohort, fast, small_disk):
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        [outcome] = do(cohort(3), small_disk / "out", fast)
        assert outcome.last
        assert "cannot write to" in outcome.reason
