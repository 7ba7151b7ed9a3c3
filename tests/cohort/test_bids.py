"""The BIDS-App: what is selected, what is written, and what the official validator says of it."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

import nibabel as nib
import numpy as np
import pytest

from sanum.cli.main import main
from sanum.cohort.bids import processes_within, read_queries, select
from sanum.methods import registry
from sanum.scan import ScanError, write

from .stand_in import NOISE, at_once, nifti, small_scan

SCANS = (
    "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
    "sub-01/ses-b/anat/sub-01_ses-b_run-02_FLAIR.nii.gz",
    "sub-02/anat/sub-02_T1w.nii.gz",
)
DESCRIPTION = {"Name": "Made by a test", "BIDSVersion": "1.10.0", "DatasetType": "raw"}


def raw(root, *scans):
    root.mkdir()
    for n, path in enumerate(scans):
        write(small_scan(n), root / path)
    (root / "dataset_description.json").write_text(json.dumps(DESCRIPTION))
    return root


@pytest.fixture
def data(tmp_path):
    """Two subjects, one with two sessions, and what is no anatomical scan."""
    root = raw(tmp_path / "data", *SCANS)
    for other in ("sub-02/func/sub-02_task-rest_bold.nii.gz", "sub-02/anat/sub-02_T1w.json"):
        (root / other).parent.mkdir(exist_ok=True)
        (root / other).write_text("{}")
    (root / "participants.tsv").write_text("participant_id\tage\nsub-02\t41\nsub-09\t7\n")
    return root


@pytest.fixture
def bids(monkeypatch, capfd, phantom_predictor):
    """Run `sanum bids` with the stand-in and without reports; its exit code and its words."""
    monkeypatch.setattr("sanum.reconstruction.Reconstruction.report", lambda _: "<p>Tested elsewhere.</p>")
    monkeypatch.setattr("sanum.cohort.work.reconstruct", at_once)
    monkeypatch.setattr(registry, "load", lambda **_: phantom_predictor)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())  # -w changes both
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())

    def ran(*words):
        monkeypatch.setattr("sys.argv", ["sanum", "bids", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capfd.readouterr()

    return ran


def names(items):
    return [item.path.name for item in items]


def queries(tmp_path, told):
    (tmp_path / "filter.json").write_text(json.dumps(told))
    return read_queries(tmp_path / "filter.json")


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


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({"t1w": {}}, {0, 2}),
        ({"t1w": {"session": None}}, {2}),
        ({"any": {"session": "*"}}, {0, 1}),
        ({"flair": {"run": 2}, "t1w": {"subject": ["02"]}}, {1, 2}),
        ({"any": {"run": [1, "2"], "datatype": "anat"}}, {1}),
        ({"any": {"suffix": ["T1w"], "session": ["a", "b"]}}, {0}),
    ],
)
def test_filter_files(data, tmp_path, told, left):
    assert {*names(select(data, queries=queries(tmp_path, told)))} == {Path(SCANS[n]).name for n in left}


def test_what_cannot_be_selected_is_told(data, tmp_path):
    with pytest.raises(ScanError, match="no anatomical scan of sub-7"):
        select(data, participants=["01", "7"])
    with pytest.raises(ScanError, match=r"no scan of .* is left"):
        select(data, queries=queries(tmp_path, {"t2w": {}}))
    with pytest.raises(ScanError, match=r"expected dataset_description\.json"):
        select(tmp_path)
    with pytest.raises(ScanError, match="asks for sesion: expected one of subject"):
        queries(tmp_path, {"t1w": {"sesion": "a"}})
    with pytest.raises(ScanError, match="is no filter file"):
        queries(tmp_path, ["t1w"])


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


VALIDATOR = shutil.which(
    "bids-validator-deno", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)


def require_valid(folder):
    if VALIDATOR is None:
        pytest.skip("bids-validator-deno is not installed")
    checked = subprocess.run([VALIDATOR, folder], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_data_set_becomes_a_valid_derivative(data, tmp_path, bids):
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
    require_valid(out)


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


@pytest.fixture
def grouped(tmp_path, bids):
    """Seven subjects in the shape of IXI: the first healthy, the last with an anomaly far larger than any."""
    paths = [f"sub-{n:03d}/anat/sub-{n:03d}_T1w.nii.gz" for n in range(1, 8)]
    root = raw(tmp_path / "data", *paths)
    nifti(root / paths[0], NOISE // 2)
    nifti(root / paths[-1], np.full_like(NOISE, 900) - NOISE % 50)
    (root / "participants.tsv").write_text("participant_id\tage\tsex\nsub-002\t41.5\tF\nsub-099\t7\tM\n")
    out = root / "derivatives" / "sanum"
    assert bids(root, out, "participant", "-q")[0] == 0
    code, told, said = bids(root, out, "group")
    assert (code, said) == (0, "")
    assert told.split() == [str(out / "group.tsv"), str(out / "group.html")]
    return out


def test_the_cohort_s_page_and_table(grouped):
    with (grouped / "group.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [row["participant_id"] for row in rows] == [f"sub-{n:03d}" for n in range(1, 8)]
    assert [row["age"] for row in rows] == ["n/a", "41.5", *["n/a"] * 5]
    assert float(rows[0]["anomaly_ml"]) == 0
    assert "anomaly_ml" in rows[-1]["outlier"]
    page = (grouped / "group.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"<script|https?://|<link|@import", page)
    assert page.count("data:image/jpeg") == 7
    assert re.search("stands apart: [^<]*anomaly", page)
    for link in re.findall(r'href="([^"]+)"', page):
        assert (grouped / unquote(link)).is_file(), link
    subject = (grouped / "sub-003.html").read_text()
    assert subject.count("data:image/jpeg") == 1
    assert all((grouped / unquote(x)).is_file() for x in re.findall(r'href="([^"]+)"', subject))
    require_valid(grouped)


def test_wrong_use_is_one_sentence(data, tmp_path, bids):
    out = tmp_path / "out"
    for words, told in (
        ((data, data, "participant"), "OUT is BIDS_DIR"),
        ((data, out, "group"), "holds no results"),
        ((data, out, "group", "--participant-label", "01"), "leave labels and filters out"),
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
