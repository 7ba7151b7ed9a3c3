"""The BIDS-App: what is selected, what is written, and what the official validator says of it."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

import nibabel as nib
import numpy as np
import pytest

from sanum.cohort.bids.dataset import processes_within, select
from sanum.scan import Scan, ScanError

from ..stand_in import NOISE, SCANS, at_once, nifti, raw


def names(items):
    return [item.path.name for item in items]


def test_anatomical_scans_keep_their_folders(data):
    items = select(data)
    assert [item.path.relative_to(data).as_posix() for item in items] == [SCANS[2], *SCANS[:2]]
    assert {item.place for item in items} == {Path(path).parent for path in SCANS}


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({"participants": ["01"]}, {0, 1}),
        ({"participants": ["sub-02"]}, {2}),
        ({"sessions": ["a"]}, {0}),
        ({"participants": ["01", "02"], "sessions": ["ses-b"]}, {1}),
    ],
)
def test_labels(data, chosen, left):
    assert {*names(select(data, **chosen))} == {Path(SCANS[n]).name for n in left}


def test_what_cannot_be_selected_is_told(data, tmp_path):
    with pytest.raises(ScanError, match="no anatomical scan of sub-7"):
        select(data, participants=["01", "7"])
    with pytest.raises(ScanError, match=r"no anatomical scan of ses-b in \S*/data, sub-02: check the label"):
        select(data, participants=["02"], sessions=["b"])
    with pytest.raises(ScanError, match=r"of ses-c in \S*/data, 2 subjects: check"):
        select(data, participants=["01", "02"], sessions=["c"])
    with pytest.raises(ScanError, match=r"no scan of .* is left"):
        select(data, filters=[{"suffix": "T2w"}])
    with pytest.raises(ScanError, match=r"expected dataset_description\.json"):
        select(tmp_path)


def test_of_a_complex_image_only_the_magnitude_is_taken(data):
    for part in ("mag", "phase", "real", "imag"):
        nifti(data / f"sub-02/anat/sub-02_part-{part}_T1w.nii.gz", NOISE)
    assert names(select(data, participants=["02"])) == ["sub-02_T1w.nii.gz", "sub-02_part-mag_T1w.nii.gz"]


def test_names_that_are_not_bids_are_counted(data):
    """Of the chosen subjects; what BIDS knows and is not done is no news, nor are hidden files."""
    anat, notes = data / "sub-02/anat", []
    for name in ("sub-02_T1w (1).nii.gz", "sub-02_\udcff_T1w.nii", "sub-02_colour-red_T1w.nii", "T1.nii.gz"):
        (anat / name).write_bytes(b"")
    for name in ("sub-02_T1map.nii.gz", "._sub-02_T1w.nii.gz", ".sub-02_T1w.nii.gz"):
        (anat / name).write_bytes(b"")
    assert names(select(data, on_note=notes.append)) == [Path(SCANS[n]).name for n in (2, 0, 1)]
    [note] = notes
    assert note.startswith("note: 4 images in anat are left out, for want of a BIDS name, such as ")
    select(data, participants=["01"], on_note=notes.append)
    assert len(notes) == 1


def test_upper_case_endings_are_taken(data):
    nifti(data / "sub-02/anat/sub-02_T2w.nii.gz", NOISE)
    (data / "sub-02/anat/sub-02_T2w.nii.gz").rename(data / "sub-02/anat/sub-02_run-3_T2w.NII.GZ")
    assert "sub-02_run-3_T2w.NII.GZ" in names(select(data))


def test_what_is_left_out_is_told(data):
    notes = []
    for name in ("inv-1_MP2RAGE", "inplaneT1", "T1map", "desc-brain_mask", "dseg"):
        nifti(data / f"sub-02/anat/sub-02_{name}.nii.gz", NOISE)
    for empty in ("sub-03", "sub-04/anat", "sub-05/func"):
        (data / empty).mkdir(parents=True)
    assert len(select(data, on_note=notes.append)) == len(SCANS)
    assert notes == [
        "note: 2 images in anat are left out (MP2RAGE, inplaneT1): "
        "expected T1w, T2w, PDw, FLAIR, T2starw, UNIT1",
        "note: without an anatomical scan, and left out: sub-03, sub-04, sub-05",
    ]
    assert names(select(data, participants=["02", "04"], on_note=notes.append)) == ["sub-02_T1w.nii.gz"]
    assert notes[-1] == "note: without an anatomical scan, and left out: sub-04"
    with pytest.raises(ScanError, match="no anatomical scan of sub-04"):
        select(data, participants=["04"])


def test_one_bad_subject_does_not_end_the_others(data, tmp_path, bids, forbid):
    """Two scans of one name, a link to nowhere, a folder that cannot be listed, content not fetched."""
    nifti(data / "sub-02/anat/sub-02_T1w.nii", NOISE)
    (data / "sub-03").symlink_to("nowhere")
    (data / "sub-04/anat").mkdir(parents=True)
    (data / "sub-05/anat").mkdir(parents=True)
    annexed = "../../.git/annex/objects/x9/25/MD5E-s1--c8.nii.gz/MD5E-s1--c8.nii.gz"
    (data / "sub-05/anat/sub-05_T1w.nii.gz").symlink_to(annexed)
    (data / "sub-05/anat/sub-05_T2w.nii.gz").write_text("/annex/objects/MD5E-s152998--c8.nii.gz\n")
    forbid(data / "sub-04/anat")
    code, told, _ = bids(data, tmp_path / "out", "participant", "-q")
    assert code == 1
    assert told.count("\n") == 2  # both sessions of sub-01
    with (tmp_path / "out" / "failed.tsv").open(newline="") as stream:
        failed = {Path(row["path"]).name: row["reason"] for row in csv.DictReader(stream, delimiter="\t")}
    assert failed.keys() == {
        *("sub-02_T1w.nii.gz", "sub-02_T1w.nii", "sub-03", "anat"),
        *("sub-05_T1w.nii.gz", "sub-05_T2w.nii.gz"),
    }
    assert "would give outputs of the same name" in failed["sub-02_T1w.nii"]
    assert "sub-03 cannot be listed: No such file or directory; mend the link" in failed["sub-03"]
    assert "cannot be listed: Permission denied; check its permissions" in failed["anat"]
    assert all("content was not fetched" in failed[f"sub-05_{n}.nii.gz"] for n in ("T1w", "T2w"))


def test_memory_takes_processes_away(data, tmp_path):
    """Nearly a gigabyte for each and 0.3 of a head of ten million voxels: 1.29."""
    path = tmp_path / "data" / SCANS[0]
    image = nib.Nifti1Image(np.broadcast_to(np.uint8(0), (250, 200, 200)), np.eye(4))
    nib.save(image, path)
    nifti(path.with_name("sub-01_ses-a_T2w.nii.gz"), NOISE)
    path.with_name("sub-01_ses-a_PDw.nii.gz").write_bytes(b"damaged")
    items = select(data)
    assert processes_within(items, 4, None) == 4
    assert processes_within(items, 4, 5.2) == 4
    assert processes_within(items, 4, 5.1) == 3
    assert processes_within(items, 99, 1000) == len(items)
    assert processes_within(items, 4, 0.5) == 1  # which refuses what is too large, and does the others


def test_a_data_set_becomes_a_valid_derivative(data, tmp_path, bids, require_valid):
    out, work = tmp_path / "out", tmp_path / "work"
    code, told, said = bids(data, out, "participant", "--participant-label", "01", "sub-02", "-w", work, "-q")
    assert (code, said) == (0, "")
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(work)
    assert work.is_dir()
    assert told.count("\n") == len(SCANS)
    stem = out / "sub-01/ses-b/anat/sub-01_ses-b_acq-FLAIR_run-02"
    images = sorted(p.name.removesuffix(".nii.gz") for p in stem.parent.glob("*.nii.gz"))
    assert images == sorted(
        f"{stem.name}_desc-{what}"
        for what in ("anatomy_T1w", "anomaly_probseg", "anomaly_mask", "uncertainty_map", "brain_mask")
    )
    for image in images:
        sidecar = json.loads((stem.parent / f"{image}.json").read_text())
        (source,) = sidecar["Sources"]
        assert (data / unquote(source.removeprefix("bids:raw:"))).is_file()
        assert sidecar["WeightsSHA256"] == "0" * 64
        assert sidecar.get("SkullStripped") is (True if image.endswith("T1w") else None)
    description = json.loads((out / "dataset_description.json").read_text())
    assert (out / description["DatasetLinks"]["raw"]).resolve() == data
    assert (out / "README").read_text().startswith("# sanum")
    assert "README_FILE_MISSING" not in require_valid(out)


@pytest.fixture
def ixi(shared_data, tmp_path):
    """Three real subjects of IXI, with what the data set says of itself."""
    real, root = shared_data / "ixi", tmp_path / "ixi"
    root.mkdir()
    for subject in sorted(real.glob("sub-*"))[:3]:
        shutil.copytree(subject, root / subject.name, copy_function=shutil.copyfile)
        (root / subject.name).chmod(0o755)
    for name in ("dataset_description.json", "participants.tsv"):
        shutil.copyfile(real / name, root / name)
    return root


def test_ixi_becomes_a_valid_derivative(ixi, bids, require_valid, monkeypatch):
    """Real headers, names and tables; only the network's part is a stand-in."""

    def scaled(scan, **how):
        darker = scan.voxels.astype(np.float32) * (999 / scan.voxels.max())
        return at_once(Scan(darker, scan.affine, scan.contrast, scan.path, scan.warnings), **how)

    monkeypatch.setattr("sanum.healthy.job.reconstruct", scaled)
    out = ixi / "derivatives" / "sanum"
    code, told, said = bids(ixi, out, "participant", "-q")
    assert (code, told.count("\n"), said) == (0, 3, "")
    assert bids(ixi, out, "group")[0] == 0
    assert "README_FILE_MISSING" not in require_valid(out)
    require_valid(ixi)
    rows = (out / "group.tsv").read_text().splitlines()
    assert rows[0].split("\t")[:5] == ["participant_id", "results", "age", "sex", "site"]
    assert [row.split("\t")[0] for row in rows[1:]] == sorted(p.name for p in ixi.glob("sub-*"))


def test_what_others_wrote_into_the_derivative_stays_and_the_version_is_now_s(data, tmp_path, bids):
    out = tmp_path / "out"
    only = ("participant", "--session-label", "a", "-q")
    assert bids(data, out, *only)[0] == 0
    path = out / "dataset_description.json"
    told = json.loads(path.read_text())
    version, told["Authors"] = told["GeneratedBy"][0]["Version"], ["A. Author"]
    told["GeneratedBy"] = [{"Name": "sanum", "Version": "0.0.1"}, {"Name": "other"}]
    path.write_text(json.dumps(told))
    (out / ".bidsignore").write_text("mine/\n")
    (out / "README").rename(out / "README.md")
    (out / "README.md").write_text("Mine.")
    assert bids(data, out, *only, "--overwrite")[0] == 0
    now = json.loads(path.read_text())
    assert now["Authors"] == ["A. Author"]
    assert now["GeneratedBy"] == [{"Name": "sanum", "Version": version}, {"Name": "other"}]
    assert (out / ".bidsignore").read_text().startswith("mine/\n.sanum*\n")
    assert not (out / "README").exists()


def test_names_that_are_not_utf_8_end_as_bytes_in_uris(tmp_path, bids):
    """Of a folder and of the data set."""
    root = raw(tmp_path / "d\udcffta", "sub-01/anat/sub-01_T1w.nii.gz", "sub-02/anat/sub-02_T1w.nii.gz")
    (root / "sub-01").rename(root / "sub-\udcfe")
    out = tmp_path / "o\udcfdt"
    code, told, said = bids(root, out, "participant", "-q")
    assert (code, told.count("\n"), said) == (0, 2, "")
    link = json.loads((out / "dataset_description.json").read_text())["DatasetLinks"]["raw"]
    assert (out / os.fsdecode(unquote_to_bytes(link))).resolve() == root
    sources = [json.loads(p.read_text())["Sources"][0] for p in sorted(out.rglob("*brain_mask.json"))]
    for source in sources:
        assert (root / os.fsdecode(unquote_to_bytes(source.removeprefix("bids:raw:")))).is_file()
    assert "%FE" in sources[0]
    assert bids(root, out, "group")[0] == 0


def test_sidecars_that_cannot_be_written_fail_their_scan_alone(data, tmp_path, bids):
    out = tmp_path / "out"
    assert bids(data, out, "participant", "-q")[0] == 0
    sidecar = next(out.rglob("*ses-a*brain_mask.json"))
    before = sidecar.read_text()
    sidecar.unlink()
    sidecar.mkdir()
    for more in ((), ("--overwrite",)):
        code, told, said = bids(data, out, "participant", "-q", *more)
        assert (code, told.count("\n")) == (1, 2)
        assert "is a folder where a file should go" in said
    sidecar.rmdir()
    assert bids(data, out, "participant", "-q")[0] == 0
    assert sidecar.read_text() == before


def test_started_again_it_mends_what_is_missing(data, tmp_path, bids):
    out = tmp_path / "out"
    only = ("--session-label", "a", "-q")
    assert bids(data, out, "participant", *only)[0] == 0
    sidecar = next(out.rglob("*brain_mask.json"))
    before, page = sidecar.read_text(), (out / "sub-01.html").stat().st_mtime_ns
    sidecar.write_text("{}")
    assert bids(data, out, "participant", *only)[0] == 0
    assert sidecar.read_text() == before
    assert (out / "sub-01.html").stat().st_mtime_ns == page
    (out / "sub-01.html").unlink()
    assert bids(data, out, "participant", *only)[0] == 0
    assert (out / "sub-01.html").is_file()


def test_parts_make_the_whole(data, tmp_path, bids, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert bids(data, whole, "participant", "-q")[0] == 0
    assert bids(data, parts, "participant", "-q", "--shard", "1/2")[1].count("\n") == 2
    for name, value in (("ID", 2), ("MIN", 1), ("MAX", 2), ("COUNT", 2)):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    assert bids(data, parts, "participant", "-q", "--shard", "auto")[1].count("\n") == 1
    assert {p.name for p in parts.glob("run*.json")} == {"run-1of2.json", "run-2of2.json"}

    def files(out):
        found = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        return {path: content for path, content in found.items() if not path.name.startswith("run")}

    assert files(parts) == files(whole)
    code, told, said = bids(data, parts, "participant", "--shard", "9/9", "--nprocs", "2")
    assert (code, told) == (0, "")
    assert "note: this part has no scans" in said
    assert "--shard is i/n" in bids(data, parts, "participant", "--shard", "3/2")[2]


@pytest.mark.parametrize("words", [("--participant-label=01", "02"), ("--participant-label", "01", "sub-02")])
def test_labels_as_bids_apps_take_them(data, tmp_path, bids, words):
    assert bids(data, tmp_path / "out", "participant", *words, "-q")[1].count("\n") == len(SCANS)


def test_an_option_is_no_label(data, tmp_path, bids):
    code, _, said = bids(data, tmp_path / "out", "participant", "--participant-label", "-q")
    assert (code, said.count("\n")) == (2, 1)
    assert "--participant-label needs a label before -q" in said
    assert not (tmp_path / "out").exists()


class TestNoRoom:
    """What was done is told, in a sentence, and the exit code is 1: the words were right."""

    def test_for_the_description(self, data, small_disk, bids):
        (small_disk / "ballast").write_bytes(bytes(196_000))
        code, _, said = bids(data, small_disk / "out", "participant", "-q")
        assert (code, said.count("the disk is full; free some space")) == (1, 1)

    def test_for_pages(self, data, small_disk, bids):
        out = small_disk / "out"
        levels = (("participant", "--participant-label", "02", "-q"), ("group",))
        subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
        assert bids(data, out, *levels[0])[0] == 0
        (out / "sub-02.html").unlink()
        with pytest.raises(OSError, match="No space"):
            (small_disk / "ballast").write_bytes(bytes(3_000_000))
        for words in levels:
            code, _, said = bids(data, out, *words)
            assert code == 1
            assert "the disk is full; free some space" in said
        assert not [p for p in out.rglob(".sanum-*")]
        (small_disk / "ballast").unlink()
        assert [bids(data, out, *words)[0] for words in levels] == [0, 0]


def test_wrong_use_is_one_sentence(data, tmp_path, bids):
    out = tmp_path / "out"
    for words, told in (
        ((data, data, "participant"), "OUT is BIDS_DIR"),
        ((data, out, "group"), "holds no results"),
        ((data, out, "group", "--participant-label", "01"), "leave labels, filters and shards out"),
    ):
        code, _, said = bids(*words)
        assert (code, said.count("\n")) == (2, 1)
        assert told in said
    assert not out.exists()
    raw(out)
    assert "that sanum did not make" in bids(data, out, "participant")[2]


def test_a_scan_that_fails_does_not_end_the_others(data, tmp_path, bids):
    (data / SCANS[0]).write_bytes(b"")
    out = tmp_path / "out"
    code, told, said = bids(data, out, "participant", "-q")
    assert (code, told.count("\n")) == (1, 2)
    assert "is empty" in said
    assert bids(data, out, "group")[0] == 0
    assert "Scans that failed, and are not shown: 1" in (out / "group.html").read_text()


@pytest.mark.full
def test_processes_share_the_scans(data, tmp_path):
    """Two workers of Dask with the shipped weights, and scans that fail before these are used."""
    pytest.importorskip("distributed")
    for path in SCANS:
        (data / path).write_bytes(b"")
    words = [sys.executable, "-m", "sanum", "bids", data, tmp_path / "out", "participant", "--nprocs", "2"]
    ran = subprocess.run([*words, "-w", tmp_path / "work"], capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.count("is empty") == len(SCANS)
    assert list((tmp_path / "work").iterdir())  # of Dask
