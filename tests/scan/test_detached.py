"""Voxels beside their header: in its own folder and in regular files, or refused."""

import os
import signal
import socket

import numpy as np
import pytest

from sanum.cohort.record import read_described
from sanum.files import open_beside, open_regular, sha256
from sanum.scan import read
from sanum.scan.declared_size import DeclaredSize, declared_size

HEADERS = {
    "scan.nhdr": "NRRD0004\n{comment}type: short\ndimension: 3\nspace: RAS\nsizes: 6 7 8\nendian: little\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\ndata file: {name}\n",
    "scan.mhd": "{comment}NDims = 3\nDimSize = 6 7 8\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"
    "ElementSpacing = 1 1 1\nElementType = MET_SHORT\nElementDataFile = {name}\n",
}
COMMENTS = {
    "scan.nhdr": ("# data file: scan.raw\n", "comment:=data file: scan.raw\n", "# " + "x" * 900_000 + "\n"),
    "scan.mhd": ("Comment = ElementDataFile = scan.raw\n", "Comment = " + "x" * 900_000 + "\n"),
}


@pytest.fixture(autouse=True)
def no_waiting():
    """A read that waits for a pipe fails instead."""

    def stop(*_):
        raise TimeoutError("waited")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


@pytest.fixture(params=HEADERS)
def scan(request, tmp_path, voxels):
    """A folder `own` with a header that names `name`, and voxels beside it and outside."""
    own = tmp_path / "own"
    (own / "below").mkdir(parents=True)
    for folder in (tmp_path, own, own / "below"):
        (folder / "scan.raw").write_bytes(voxels.tobytes("F"))

    def write(name, comment=""):
        path = own / request.param
        path.write_text(HEADERS[request.param].format(name=name, comment=comment))
        return path

    return write


@pytest.mark.parametrize("name", ["scan.raw", "./scan.raw", ".//./scan.raw"])
def test_voxels_beside_the_header_are_read(scan, voxels, name):
    np.testing.assert_array_equal(read(scan(name)).voxels, voxels)


def test_a_link_within_the_folder_is_followed(scan, voxels):
    path = scan("link.raw")
    (path.parent / "link.raw").symlink_to("scan.raw")
    np.testing.assert_array_equal(read(path).voxels, voxels)


OUTSIDE = [
    "../scan.raw",
    "{tmp}/scan.raw",
    "{tmp}/own/scan.raw",
    "below/scan.raw",
    "./../scan.raw",
    "..",
    ".",
]
OUTSIDE += ["below/../../scan.raw", "/dev/zero", "//scan.raw"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_out_of_the_folder(scan, refusal, tmp_path, name):
    path = scan(name.format(tmp=tmp_path))
    assert "is not in the header's own folder" in refusal(path)
    for comment in COMMENTS[path.name]:
        assert "is not in the header's own folder" in refusal(scan(name.format(tmp=tmp_path), comment))


@pytest.mark.parametrize("target", ["../scan.raw", "{tmp}/own/scan.raw", "below/scan.raw", "/dev/zero", ".."])
def test_links_that_lead_out_of_the_folder(scan, refusal, tmp_path, target):
    path = scan("link.raw")
    (path.parent / "link.raw").symlink_to(target.format(tmp=tmp_path))
    assert "is not in the header's own folder" in refusal(path)


def test_links_to_links_and_to_themselves(scan, refusal):
    path = scan("link.raw")
    (path.parent / "link.raw").symlink_to("link.raw")
    assert "cannot be opened" in refusal(path)
    (path.parent / "other.raw").symlink_to("../scan.raw")
    (path.parent / "link.raw").unlink()
    (path.parent / "link.raw").symlink_to("other.raw")
    assert "cannot be opened" in refusal(path)


@pytest.mark.parametrize("name", ["LIST", "LIST 2", "scan%02d.raw 1 8 1"])
def test_voxels_in_several_files(scan, refusal, name):
    assert "spreads its voxels over several files" in refusal(scan(name))


def test_pipes_sockets_and_folders_hold_no_voxels(scan, refusal, monkeypatch):
    path = scan("other")
    monkeypatch.chdir(path.parent)  # the path of a socket is short
    os.mkfifo("other")
    assert "is no regular file" in refusal(path)
    os.unlink("other")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("other")
        assert "which cannot be opened" in refusal(path)
    os.unlink("other")
    os.mkdir("other")
    assert "is no regular file" in refusal(path)


# --- the scan itself


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.mgz", "scan.nrrd", "scan.mha", "scan.mhd"])
def test_a_pipe_is_no_scan(tmp_path, refusal, name):
    os.mkfifo(tmp_path / name)
    assert "is not a scan file" in refusal(tmp_path / name)
    assert declared_size(tmp_path / name) == DeclaredSize()
    with pytest.raises(OSError, match="not a regular file"):
        sha256(tmp_path / name)


def test_pipes_in_a_dicom_folder_are_left_aside(tmp_path, refusal):
    os.mkfifo(tmp_path / "slice")
    assert "holds no DICOM images" in refusal(tmp_path)
    assert declared_size(tmp_path) == DeclaredSize()


def test_what_counts_is_the_open_file(tmp_path, monkeypatch, refusal, saved, voxels):
    """A pipe that takes the file's place after it was looked at."""
    names = ("scan.nii", "scan.nii.gz", "scan.mha")
    stats = (saved(tmp_path / "other.nii", voxels)).stat()
    for name in names:
        os.mkfifo(tmp_path / name)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.stat", lambda *_, **__: stats)
        for name in names:
            message = refusal(tmp_path / name)
            assert "cannot be read as" in message


def test_the_record_of_a_scan_tells_of_both_files(scan, voxels):
    path = scan("scan.raw")
    before = read_described(path, lambda: None)[1]
    assert before["size"] == path.stat().st_size + voxels.nbytes
    data = path.parent / "scan.raw"
    data.write_bytes(bytes(voxels.nbytes))
    assert read_described(path, lambda: None)[1]["sha256"] != before["sha256"]
    data.unlink()
    data.symlink_to("../scan.raw")  # which is not read
    assert read_described(path, lambda: None)[1]["size"] == path.stat().st_size
    data.unlink()
    os.mkfifo(data)
    assert read_described(path, lambda: None)[1]["size"] == path.stat().st_size


def test_open_regular_reads_a_file_and_leaves_nothing_open(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    with open_regular(tmp_path / "file") as stream, open_beside(tmp_path / "pipe", "file") as other:
        assert stream.read() == other.read() == b"content"
    for _ in range(3):
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(tmp_path / "pipe")
        with pytest.raises(OSError, match="leads out of the folder"):
            open_beside(tmp_path / "file", "../file")
    assert len(os.listdir("/proc/self/fd")) == before
