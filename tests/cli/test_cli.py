"""The command line as a user meets it."""

import io
import json
import os
import re
import signal
import time

import numpy as np
import pytest

from sanum.cli import main as entry
from sanum.healthy.outputs import file_names, record_name
from sanum.scan import read, write


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


def files_of(stem):
    return sorted([*file_names(stem).values(), record_name(stem), "run.json"])


def test_interruption_is_told_and_has_its_code(sanum, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sanum.cli.info.shipped_weights", interrupted)
    ran = sanum("info")
    assert ran.code == 130
    assert ran.err == "sanum: interrupted; files that were finished are whole\n"


@pytest.mark.usefixtures("quick")
class TestReconstruct:
    def test_one_scan(self, sanum, phantom_file, tmp_path):
        ran = sanum("reconstruct", phantom_file, "-o", tmp_path / "out", "--device", "cpu")
        assert ran.code == 0
        assert left_in(tmp_path / "out") == files_of("scan")
        report, anomaly, brain = ran.out.rstrip("\n").split("\t")
        assert report == str(tmp_path / "out" / "scan_report.html")
        assert re.fullmatch(r"anomaly \d+\.\d mL", anomaly)
        assert re.fullmatch(r"brain 1\d\d\d mL", brain)
        assert re.fullmatch(r"scan\.nii\.gz: done in \d+\.\d s\n", ran.err)
        for name in (n for n in file_names("scan").values() if n.endswith(".nii.gz")):
            assert read(tmp_path / "out" / name).grid.same_as(read(phantom_file).grid)

    def test_quiet_prints_results_only(self, sanum, phantom_file, tmp_path):
        ran = sanum("reconstruct", phantom_file, "-o", tmp_path, "--quiet")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.count("\n") == 1

    def test_a_contrast_in_any_spelling_is_in_the_record(self, sanum, phantom_file, tmp_path):
        ran = sanum("reconstruct", phantom_file, "-o", tmp_path, "--contrast", "t1-gd", "--no-report", "-q")
        assert ran.code == 0
        record = json.loads((tmp_path / record_name("scan")).read_text())
        assert (record["contrast"], record["contrast_by"]) == ("T1wCE", "user")

    def test_a_word_that_is_no_contrast(self, sanum, phantom_file, tmp_path):
        ran = sanum("reconstruct", phantom_file, "-o", tmp_path, "--contrast", "T3w")
        assert ran.code == 2
        assert "T1w, T1wCE, T2w, FLAIR, PD, DWI, ADC, CT, unknown, got" in " ".join(ran.err.split())

    def test_many_with_broken_ones(self, sanum, phantom, tmp_path):
        good = write(phantom, tmp_path / "in" / "sub-1_T1w.nii.gz")
        flat = write(phantom.with_voxels(0 * phantom.voxels), tmp_path / "in" / "sub-2_T1w.nii.gz")
        other = write(phantom.with_voxels(phantom.voxels * 2), tmp_path / "in" / "sub-3_T1w.nii.gz")
        out = tmp_path / "out"
        ran = sanum("reconstruct", good, flat, tmp_path / "gone.nii", other, "-o", out, "--quiet")
        assert ran.code == 1
        assert [line.split("\t")[0] for line in ran.out.splitlines()] == [
            str(out / "sub-1_acq-T1w_report.html"),
            str(out / "sub-3_acq-T1w_report.html"),
        ]
        errors = ran.err.splitlines()
        assert len(errors) == 3
        assert "sub-2_T1w.nii.gz is constant" in errors[0]
        assert "gone.nii does not exist" in errors[1]
        assert errors[2] == f"sanum: 2 of 4 scans failed: see {out / 'failed.tsv'}"
        tables = {"volumes.tsv", "qc.tsv", "failed.tsv", ".sanum"}
        assert set(left_in(out)) == {*files_of("sub-1_acq-T1w"), *files_of("sub-3_acq-T1w"), *tables}

        run = json.loads((out / "run.json").read_text())
        assert set(run) >= {"version", "weights_sha256", "device", "seconds", "peak_memory_mb", "scans"}
        assert run["peak_memory_mb"] > 100
        assert [entry["input"] for entry in run["scans"]] == [
            path.name for path in (good, flat, tmp_path / "gone.nii", other)
        ]
        assert [bool(entry["error"]) for entry in run["scans"]] == [False, True, True, False]
        assert "is constant" in run["scans"][1]["error"]
        assert run["scans"][1]["outputs"] == {}
        assert run["scans"][0]["outputs"] == file_names("sub-1_acq-T1w")
        assert run["scans"][0]["brain_ml"] == pytest.approx(1256, rel=0.1)
        assert all(entry["seconds"] >= 0 for entry in run["scans"])

    def test_all_of_many_broken(self, sanum, tmp_path):
        ran = sanum("reconstruct", tmp_path / "a.nii", tmp_path / "b.nii", "-o", tmp_path / "out")
        assert ran.code == 1
        assert ran.out == ""
        assert [line.count("does not exist") for line in ran.err.splitlines()].count(1) == 2
        assert ran.err.count(": failed") == 2
        assert (tmp_path / "out" / "failed.tsv").read_text().count("does not exist") == 2

    def test_overwrite(self, sanum, phantom_file, tmp_path):
        (tmp_path / "scan_report.html").write_text("old")
        ran = sanum("reconstruct", phantom_file, "-o", tmp_path, "--overwrite", "--quiet")
        assert ran.code == 0
        assert (tmp_path / "scan_report.html").read_text() != "old"

    def test_one_millimetre(self, sanum, phantom, tmp_path):
        path = write(phantom, tmp_path / "scan.nii.gz")
        ran = sanum("reconstruct", path, "-o", tmp_path / "out", "--space", "1mm", "-q", "--no-report")
        assert ran.code == 0
        made = read(tmp_path / "out" / "scan_desc-anatomy_T1w.nii.gz")
        np.testing.assert_allclose(made.grid.spacing_mm, 1)

    def test_a_volume_of_a_series(self, sanum, phantom, tmp_path):
        import nibabel as nib

        series = np.stack([0 * phantom.voxels, phantom.voxels], -1)
        nib.save(nib.Nifti1Image(series, phantom.affine), tmp_path / "series.nii.gz")
        words = ("reconstruct", tmp_path / "series.nii.gz", "-o", tmp_path / "out", "--volume", 1)
        ran = sanum(*words, "--no-report", "-q")
        assert (ran.code, ran.err) == (0, "")
        assert read(tmp_path / "out" / "series_desc-brain_mask.nii.gz").voxels.ndim == 3

    @pytest.mark.parametrize("problem", [MemoryError(), RuntimeError("not enough memory: 9 GB\nat line 1")])
    def test_too_little_memory_is_one_sentence(self, sanum, phantom_file, tmp_path, monkeypatch, problem):
        def fail(*_, **__):
            raise problem

        monkeypatch.setattr("sanum.healthy.reconstruction.find_brain", fail)
        sentence = sanum("reconstruct", phantom_file, "-o", tmp_path / "out").refused()
        assert "scan.nii.gz could not be reconstructed: not enough memory" in sentence
        assert not (tmp_path / "out").exists()


@pytest.fixture
def four(monkeypatch, quick, tmp_path):
    """A folder of four scans, the second of them broken; the network's part takes no time."""
    from ..cohort.stand_in import at_once, make_cohort

    monkeypatch.setattr("sanum.healthy.job.reconstruct", at_once)
    make_cohort(tmp_path / "in", 4, 1)
    return tmp_path / "in"


class TestCohort:
    def test_a_folder_again_and_again(self, sanum, four, tmp_path):
        words = ("reconstruct", four, "-o", tmp_path / "out", "--no-report")
        first, second = sanum(*words), sanum(*words)
        assert first.code == second.code == 1
        assert first.out == second.out
        assert first.out.count("\n") == 3
        lines = first.err.splitlines()
        assert (
            sum(
                bool(re.fullmatch(r"\[\d/4\] sub-00\d_T1w.nii.gz: done in .* s(, \d+ s left)?", x))
                for x in lines
            )
            == 3
        )
        assert "sanum: sub-001_T1w.nii.gz is empty" in first.err
        assert lines[-1] == f"sanum: 1 of 4 scans failed: see {tmp_path / 'out' / 'failed.tsv'}"
        assert "[2/4] sub-001_T1w.nii.gz: failed" in lines
        assert second.err.count(": finished before\n") == 3
        run = json.loads((tmp_path / "out" / "run.json").read_text())
        assert [scan["state"] for scan in run["scans"]] == ["finished", "failed", "finished", "finished"]

    def test_all_finished_is_a_success(self, sanum, four, tmp_path):
        (four / "sub-001/anat/sub-001_T1w.nii.gz").unlink()
        words = ("reconstruct", four, "-o", tmp_path / "out", "--no-report", "--quiet")
        assert [sanum(*words).code for _ in range(2)] == [0, 0]

    def test_one_scan_that_is_mended_joins_the_tables(self, sanum, four, tmp_path):
        sanum("reconstruct", four, "-o", tmp_path / "out", "--no-report")
        mended = four / "sub-001/anat/sub-001_T1w.nii.gz"
        mended.write_bytes((four / "sub-000/anat/sub-000_T1w.nii.gz").read_bytes())
        sanum("reconstruct", mended, "-o", tmp_path / "out", "--no-report")
        assert "\nsub-001_T1w.nii.gz\tsub-001_acq-T1w\t" in (tmp_path / "out" / "volumes.tsv").read_text()

    def test_one_scan_again(self, sanum, four, tmp_path):
        words = ("reconstruct", four / "sub-000/anat/sub-000_T1w.nii.gz", "-o", tmp_path / "out")
        first, second = sanum(*words), sanum(*words)
        assert (second.code, second.out) == (0, first.out)
        assert second.err == "sub-000_T1w.nii.gz: finished before\n"
        assert left_in(tmp_path / "out") == files_of("sub-000_acq-T1w")
        third = sanum(*words, "--space", "1mm")
        assert (third.code, third.out.count("\n")) == (0, 1)
        note = "sanum: note: results made otherwise (space input, not 1mm): done again"
        assert third.err.splitlines()[1] == note

    def test_what_was_made_otherwise_is_told_once(self, sanum, four, tmp_path):
        words = ("reconstruct", four, "-o", tmp_path / "out", "--no-report")
        sanum(*words)
        assert sanum(*words, "--space", "1mm").err.count("made otherwise") == 1

    def test_a_folder_of_one_scan_is_a_cohort(self, sanum, four, tmp_path):
        out = tmp_path / "out"
        ran = sanum("reconstruct", four / "sub-001", "-o", out)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.splitlines()[-1] == f"sanum: 1 of 1 scans failed: see {out / 'failed.tsv'}"
        assert (out / "failed.tsv").read_text().count("sub-001_T1w.nii.gz is empty") == 1
        (tmp_path / "list.tsv").write_text("in/sub-000/anat/sub-000_T1w.nii.gz\n")
        assert sanum("reconstruct", tmp_path / "list.tsv", "-o", out, "--no-report").code == 0
        assert (out / "volumes.tsv").read_text().count("\n") == 2

    def test_a_bad_entry_does_not_stop_the_others(self, sanum, four, tmp_path, monkeypatch):
        (tmp_path / "empty").mkdir()
        text = f"{tmp_path / 'empty'}\n{four}\n".encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        ran = sanum("reconstruct", "-", "-o", tmp_path / "out", "--no-report", "-q")
        assert (ran.code, ran.out.count("\n")) == (1, 3)
        assert f"sanum: {tmp_path / 'empty'} holds no scans: expected" in ran.err
        assert "holds no scans" in (tmp_path / "out" / "failed.tsv").read_text()

    def test_scans_left_to_another_run(self, sanum, four, tmp_path, monkeypatch):
        from sanum.cohort import Item, lock
        from sanum.cohort.failures import STATE
        from sanum.cohort.steps import key_of

        out = tmp_path / "out"
        paths = [four / f"sub-00{n}/anat/sub-00{n}_T1w.nii.gz" for n in (0, 2, 3)]
        with monkeypatch.context() as patch:
            patch.setattr("os.getpid", os.getppid)  # another process, which lives
            for path in paths[:2]:
                assert lock.acquire(out / STATE / f"{key_of(Item(path))}.lock", "other")
        ran = sanum("reconstruct", *paths, "-o", out, "--no-report", "-q")
        assert ran.code == 1
        assert ran.err.splitlines()[-1] == "sanum: 2 scans left to another run: run it again to check"
        assert len(list(out.glob("*_record.json"))) == 1

    def test_standard_input_that_is_closed(self, sanum, tmp_path, monkeypatch):
        monkeypatch.setattr("sys.stdin", None)
        sentence = sanum("reconstruct", "-", "-o", tmp_path / "out").refused()
        assert sentence.startswith("- stands for paths on standard input, which is closed")

    def test_scans_of_one_name_are_told_by_their_place(self, sanum, four, tmp_path):
        for n in range(3):
            path = four / f"sub-00{n}/anat/sub-00{n}_T1w.nii.gz"
            path.rename(path.with_name("orig.nii.gz"))
        ran = sanum("reconstruct", four, "-o", tmp_path / "out", "--no-report")
        for name in ("sub-000/anat/orig.nii.gz", "sub-002/anat/orig.nii.gz", "sub-003_T1w.nii.gz"):
            assert f"] {name}: done in " in ran.err
        assert "sanum: sub-001/anat/orig.nii.gz: orig.nii.gz is empty" in ran.err

    def test_the_dicom_folder_that_one_is_in_has_a_name(self, sanum, tmp_path, monkeypatch):
        series = tmp_path / "series 3"
        series.mkdir()
        (series / "IM0").write_bytes(b"\0" * 128 + b"DICM")
        monkeypatch.chdir(series)
        assert "series 3" in sanum("reconstruct", ".", "-o", tmp_path / "out").refused()

    @pytest.mark.parametrize("text", [b"", b"\n \r\n"])
    def test_a_night_without_new_scans_is_a_success(self, sanum, tmp_path, monkeypatch, text):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        (tmp_path / "list.tsv").write_text("path\treason\n")
        for given in ("-", tmp_path / "list.tsv"):
            ran = sanum("reconstruct", given, "-o", tmp_path / "out")
            assert (ran.code, ran.out) == (0, "")
            assert ran.err == "sanum: nothing to do: the list of scans, or standard input, holds no paths\n"
            assert not (tmp_path / "out").exists()

    def test_paths_on_standard_input(self, sanum, four, tmp_path, monkeypatch):
        paths = sorted(four.rglob("*.nii.gz"))[2:]
        text = "".join(f"{path}\n" for path in paths).encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        ran = sanum("reconstruct", "-", "-o", tmp_path / "out", "--no-report")
        assert (ran.code, ran.out.count("\n")) == (0, 2)

    def test_shards_and_slurm(self, sanum, four, tmp_path, monkeypatch):
        words = ("reconstruct", four, "-o", tmp_path / "out", "--no-report", "--shard")
        assert sanum(*words, "1/2").out.count("\n") == 2
        for name, value in {"ID": 8, "MIN": 7, "MAX": 8, "COUNT": 2}.items():
            monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
        ran = sanum(*words, "auto")
        assert (ran.code, ran.out.count("\n")) == (1, 1)
        assert {"run-1of2.json", "run-2of2.json"} < set(left_in(tmp_path / "out"))
        assert (tmp_path / "out" / "volumes.tsv").read_text().count("\n") == 4
        ran = sanum(*words[:-1])
        assert ran.err.startswith("sanum: note: this task of a SLURM array takes all scans")
        for name, value in {"ID": 7, "MIN": 7, "MAX": 7, "COUNT": 1}.items():
            monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
        ran = sanum(*words, "auto")
        assert ran.out.count("\n") == 3
        assert ran.err.startswith("sanum: note: this SLURM array is of one task, which takes all scans")

    def test_where_nothing_can_be_written_no_table_is_told_of(self, sanum, four, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out/.sanum").write_text("a file where the run keeps its state")
        ran = sanum("reconstruct", four, "-o", tmp_path / "out", "-q")
        assert ran.code == 1
        assert "failed.tsv" not in ran.err
        assert "make room" not in ran.err
        assert ran.err.splitlines()[-1] == "sanum: 4 of 4 scans failed"

    @pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b", "auto"])
    def test_a_shard_that_is_none(self, sanum, four, tmp_path, shard):
        assert "--shard" in sanum("reconstruct", four, "-o", tmp_path / "out", "--shard", shard).refused()

    def test_sigterm_ends_after_whole_files(self, sanum, four, tmp_path, monkeypatch):
        from ..cohort.stand_in import at_once

        def terminated(scan, **how):
            if "sub-002" in scan.path.name:
                os.kill(os.getpid(), signal.SIGTERM)
                while True:  # its next step is its last
                    how["on_step"]("mirror")
                    time.sleep(0.01)
            return at_once(scan, **how)

        monkeypatch.setattr("sanum.healthy.job.reconstruct", terminated)
        ran = sanum("reconstruct", four, "-o", tmp_path / "out", "--no-report")
        assert ran.code == 130
        assert ran.err.endswith("sanum: interrupted; files that were finished are whole\n")
        done = [p.name[:7] for p in (tmp_path / "out").rglob("*_record.json")]
        assert "sub-000" in done
        assert "sub-002" not in done
        assert not list((tmp_path / "out").rglob("*.lock"))
        assert (tmp_path / "out" / "volumes.tsv").read_text().count("\n") == 1 + len(done)


def test_threads_are_set(sanum, monkeypatch, tmp_path, phantom_file):
    asked = []
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    sanum("reconstruct", tmp_path / "no.nii", "-o", tmp_path / "out", "--threads", "3")
    assert asked == [3]


def test_the_entry_point_is_what_the_package_declares():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["sanum"] == f"{entry.__name__}:main"
