"""Cohorts of small scans."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sanum.cli.main import main
from sanum.healthy.job import ReconstructJob
from sanum.methods import registry
from sanum.scan import write

from .stand_in import SCANS, at_once, raw, small_scan

VALIDATOR = shutil.which(
    "bids-validator-deno", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)


@pytest.fixture
def cohort(tmp_path):
    """Write `count` scans sub-XX/anat/sub-XX_T1w.nii.gz into `tmp_path`/in; returns that folder."""

    def make(count):
        for n in range(1, count + 1):
            write(small_scan(n), tmp_path / "in" / f"sub-{n:02d}" / "anat" / f"sub-{n:02d}_T1w.nii.gz")
        return tmp_path / "in"

    return make


@pytest.fixture
def fast(monkeypatch, phantom_predictor):
    """The main job without the network's part."""
    monkeypatch.setattr("sanum.healthy.job.reconstruct", at_once)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    return ReconstructJob(phantom_predictor)


@pytest.fixture
def forbid(monkeypatch):
    """Keep a folder from being listed; root, who may list all, is told so by Python."""
    real = os.scandir

    def forbid(folder):
        def scandir(path="."):
            if not isinstance(path, int) and Path(path) == folder:
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        if os.geteuid() != 0:
            folder.chmod(0)
        monkeypatch.setattr(os, "scandir", scandir)

    def allow(folder):
        folder.chmod(0o755)
        monkeypatch.setattr(os, "scandir", real)

    forbid.allow = allow
    return forbid


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
    monkeypatch.setattr("sanum.healthy.result.Reconstruction.report", lambda _: "<p>Tested elsewhere.</p>")
    monkeypatch.setattr("sanum.healthy.job.reconstruct", at_once)
    monkeypatch.setattr(registry, "load", lambda **_: phantom_predictor)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())  # -w changes both
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())

    def ran(*words):
        monkeypatch.setattr("sys.argv", ["sanum", "bids", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capfd.readouterr()

    return ran


@pytest.fixture
def require_valid():
    """Hold a data set against the official validator; returns what it warns of."""

    def check(folder):
        if VALIDATOR is None:
            pytest.skip("bids-validator-deno is not installed")
        checked = subprocess.run([VALIDATOR, folder, "--format", "json"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        return {issue["code"] for issue in json.loads(checked.stdout)["issues"]["issues"]}

    return check


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 kB; skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    yield place
    subprocess.run(["umount", str(place)], check=True)
