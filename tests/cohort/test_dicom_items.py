"""DICOM as items of a batch: folders, files of a series, archives; and what a failure tells to whom."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sanum.cohort import Item, expand
from sanum.cohort.record import read_described
from sanum.healthy.memory import need_of
from sanum.scan import read

from ..scan.slices import VOXELS, save, slices


@pytest.fixture
def two(tmp_path):
    """Two series in one folder."""
    save(tmp_path / "export", slices(VOXELS, SeriesNumber="3", SeriesDescription="SECRET"))
    more = slices(VOXELS * 2, series="1.2.4", SeriesNumber="7", SeriesDescription="HIDDEN")
    return save(tmp_path / "export", more, prefix="other")


def zipped(path, folder):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    return path


def test_all_files_of_a_series_are_one_scan(two, tmp_path):
    """As a shell writes them out: export/*."""
    files = sorted(two.iterdir())
    items = expand(files, tmp_path / "out")
    assert [item.path for item in items] == [two / "image0", two / "other0"]
    assert [item.stem for item in items] == ["image0", "other0"]
    assert expand([files[2]], tmp_path / "out") == [Item(files[2])]


def test_a_search_finds_folders_and_archives(two, tmp_path):
    zipped(tmp_path / "in" / "a" / "sub-2_T1w.zip", two)
    with zipfile.ZipFile(tmp_path / "in" / "code.zip", "w") as archive:
        archive.writestr("main.py", "print()")
    shutil.copytree(two, tmp_path / "in" / "b" / "series")
    items = expand([tmp_path / "in"], tmp_path / "out")
    assert [item.path.name for item in items] == ["sub-2_T1w.zip", "series"]
    assert [item.place.as_posix() for item in items] == ["a", "b"]
    assert items[0].stem == "sub-2_acq-T1w"


def test_a_search_leaves_dicom_results_aside(two, tmp_path):
    shutil.copytree(two, tmp_path / "in" / "head")
    save(tmp_path / "in" / "head_dicom", slices(VOXELS), prefix="sanum-anatomy-")
    assert [item.path.name for item in expand([tmp_path / "in"], tmp_path / "out")] == ["head"]


def test_a_folder_is_one_scan_if_its_series_was_chosen(two, tmp_path):
    for name in ("p1", "p2"):
        shutil.copytree(two, tmp_path / "in" / name / "SE")
    folders = [tmp_path / "in" / "p1", tmp_path / "in" / "p2"]
    assert [i.path for i in expand(folders, tmp_path / "out", one_a_folder=True)] == folders
    assert [i.path.name for i in expand(folders, tmp_path / "out")] == ["SE", "SE"]
    np.testing.assert_array_equal(read(folders[0], series=7).voxels, VOXELS * 2)


@pytest.mark.parametrize("kind", ["file", "folder", "above"])
def test_a_slice_that_changed_is_noticed(two, kind):
    path = {"file": two / "image0", "folder": two, "above": two.parent}[kind]
    before = read_described(path, dict)[1]
    assert read_described(path, dict)[1] == before
    (two / "image2").write_bytes((two / "image2").read_bytes()[:-1] + b"\1")
    os.utime(two / "image2", (1, 1))
    assert read_described(path, dict)[1]["sha256"] != before["sha256"]


def test_memory_is_counted_alike_in_all_forms(two, tmp_path):
    archive = zipped(tmp_path / "a.zip", two)
    needs = {need_of(p) for p in (two, two.parent, two / "image0", archive)}
    stored = sum(p.stat().st_size for p in two.iterdir())
    assert max(needs) - min(needs) < stored * 40
    assert min(needs) > VOXELS.size * 2 * 40


def test_memory_of_what_is_not_there():
    assert need_of(Path("gone.dcm")) == 0
