"""Cohorts of small scans."""

import os
from pathlib import Path

import pytest

from sanum.scan import write

from .stand_in import at_once, small_scan


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
    """`run` without the network's part."""
    monkeypatch.setattr("sanum.cohort.work.reconstruct", at_once)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    return phantom_predictor


@pytest.fixture
def forbid(monkeypatch):
    """Keep a folder from being listed; root, who may list all, is told so by Python."""
    real = os.scandir

    def forbid(folder):
        def scandir(path="."):
            if Path(path) == folder:
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
