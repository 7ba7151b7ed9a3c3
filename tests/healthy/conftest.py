"""A result made by hand, and a disk that is soon full."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import sanum
from sanum.healthy.result import Reconstruction
from sanum.scan import Scan
from sanum.space.box import Box

from .heads import points


@pytest.fixture(scope="session")
def small():
    """A result of 20³ voxels, made by hand."""
    grid = Box((20, 20, 20), 8.0).grid()
    brain = np.linalg.norm(points(grid), axis=-1) < 60
    noise = np.random.default_rng(0).random(grid.shape, np.float32)  # does not compress

    def scan(x, **more):
        return Scan(x, grid.affine, **more)

    return Reconstruction(
        scan(noise, path=Path("in/sub-1_T2w.nii.gz"), warnings=("a warning of the reader",)),
        scan(noise * brain),
        scan(noise * brain),
        scan((noise * brain > 0.5).astype(np.uint8)),
        scan(noise * brain),
        scan(brain.astype(np.uint8)),
        "T2w",
        ("a warning <of> the run",),
        {"version": "0.1.0", "weights": "none"},
    )


@pytest.fixture(scope="session")
def shipped_on_icbm152(icbm152_2mm):
    """What the network that ships says of the template, with all of its passes."""
    return sanum.reconstruct(icbm152_2mm, device="cpu")


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 kB; skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    except (OSError, AttributeError):
        mounted = False
    if not mounted:
        pytest.skip("cannot mount a tmpfs here")
    yield place
    subprocess.run(["umount", str(place)], check=True)
