"""A zip archive of a series is read as its folder is; archives that mean harm are refused."""

import os
import stat
import tempfile
import zipfile

import numpy as np
import pytest

from sanum.scan import read
from sanum.scan.declared_size import declared_size
from sanum.scan.dicom_zip import unpacked_bytes, zip_holds_dicom

from .slices import VOXELS, refusal, save, slices


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "series", slices(VOXELS))


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, monkeypatch):
    """Whatever becomes of an archive, its temporary folder goes."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    assert list((tmp_path / "temporary").iterdir()) == []


def packed(path, folder, *, method=zipfile.ZIP_DEFLATED, below="PAT/SE1/", more=()):
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, below + file.name)
        for name, content in more:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_as_its_folder(tmp_path, folder, method):
    extra = [("DICOMDIR", b"index"), ("README.txt", b"hello"), ("empty/", b"")]
    path = packed(tmp_path / "sub-1_FLAIR.zip", folder, method=method, more=extra)
    scan, expected = read(path), read(folder)
    np.testing.assert_array_equal(scan.voxels, expected.voxels)
    assert scan.grid.same_as(expected.grid)
    assert (scan.path, scan.warnings) == (path, ())


def test_several_series_and_damage(tmp_path, folder):
    save(folder, slices(VOXELS[::-1].copy(), series="1.2.4", SeriesNumber="4"), prefix="other")
    cut = folder / "other1"
    cut.write_bytes(cut.read_bytes()[:-20])
    path = packed(tmp_path / "export.zip", folder)
    np.testing.assert_array_equal(read(path, series="1.2.3").voxels, VOXELS)
    assert "other1 has damaged" in refusal(path, series=4)
    assert "damaged file was left out" in read(path, series=4, skip_damaged=True).warnings[-1]


def test_memory_is_counted_by_what_it_unpacks_to(tmp_path, folder):
    path = packed(tmp_path / "series.zip", folder)
    stored = sum(file.stat().st_size for file in folder.iterdir())
    assert unpacked_bytes(path) == stored
    assert declared_size(path).voxels == stored // 2
    assert declared_size(tmp_path / "gone.zip").voxels == 0


def test_whether_it_holds_dicom(tmp_path, folder):
    assert zip_holds_dicom(packed(tmp_path / "series.zip", folder))
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("main.py", "print()" * 100)
    assert not zip_holds_dicom(tmp_path / "code.zip")
    assert "code.zip holds no DICOM images" in refusal(tmp_path / "code.zip")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "a\\..\\..\\evil"])
def test_names_that_lead_out(tmp_path, folder, name):
    (tmp_path / "in" / "it").mkdir(parents=True)
    path = packed(tmp_path / "in" / "it" / "series.zip", folder, more=[(name, b"x")])
    assert "leads out of it or is a link" in refusal(path)
    assert not list(tmp_path.rglob("evil"))


def test_links(tmp_path, folder):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "is a link" in refusal(packed(tmp_path / "series.zip", folder, more=[(link, "/etc/passwd")]))


def test_bombs(tmp_path, folder):
    """110 MB of one byte, in a file that begins as DICOM does."""
    path = packed(tmp_path / "bomb.zip", folder, more=[("bomb", bytes(128) + b"DICM" + bytes(110 << 20))])
    assert path.stat().st_size < 1 << 20
    assert "would unpack to 5 files with 115 MB" in refusal(path)


def test_a_file_that_is_longer_than_it_says(tmp_path, folder):
    path = packed(tmp_path / "lie.zip", folder)
    raw = bytearray(path.read_bytes())
    size = (folder / "image0").stat().st_size.to_bytes(4, "little")
    at = raw.rindex(size)
    raw[at : at + 4] = (400).to_bytes(4, "little")
    path.write_bytes(raw)
    assert "lie.zip cannot be read as a zip archive" in refusal(path)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_damaged_archives(tmp_path, folder, share):
    path = packed(tmp_path / "series.zip", folder)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert refusal(path)


def test_an_archive_that_needs_a_password(tmp_path, folder):
    path = packed(tmp_path / "series.zip", folder, method=zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = raw.find(mark)
        while at >= 0:
            raw[at + offset] |= 1
            at = raw.find(mark, at + 1)
    path.write_bytes(raw)
    assert "encrypted" in refusal(path)


def test_a_pipe_named_as_an_archive(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    assert "is not a scan file" in refusal(tmp_path / "pipe.zip")
