import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest

from sanum.clinic.objects import DicomOptions, write_dicom
from sanum.healthy.result import Reconstruction

from .series import as_frames, head, read_result, saved


@dataclass(frozen=True)
class Made:
    """A series and what was written for it."""

    source: Path
    result: Reconstruction
    paths: dict[str, Path]

    def one(self, name):
        """An object by the middle of its file's name."""
        return pydicom.dcmread(self.paths[f"sanum-{name}.dcm"])


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """All objects of a head, by what is special about it; each made once."""
    pytest.importorskip("highdicom")
    known = {}
    patch = pytest.MonkeyPatch()
    patch.setattr("sanum.clinic.page.page_pixels", lambda *_: np.zeros((4, 5, 3), np.uint8))  # for speed

    def make(what="oblique", *, anomaly=True, ct=False, frames=False, omit=False):
        key = (what, anomaly, ct, frames, omit)
        if key not in known:
            folder = tmp_path_factory.mktemp("series")
            datasets = head(what, ct=ct)
            if frames:
                (folder / "in").mkdir()
                as_frames(datasets).save_as(folder / "in" / "volume", enforce_file_format=True)
            else:
                saved(folder / "in", datasets)
            _, result = read_result(folder / "in", anomaly=anomaly)
            paths = write_dicom(result, folder / "in", folder / "out", options=DicomOptions(omit))
            known[key] = Made(folder / "in", result, {path.name: path for path in paths})
        return known[key]

    yield make
    patch.undo()


@pytest.fixture(scope="session")
def tool():
    """Run a program of a package of Debian; skips where it is not installed."""

    def run(package, name, *words):
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"{name} is not installed: apt install {package}")
        return subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=60)

    return run
