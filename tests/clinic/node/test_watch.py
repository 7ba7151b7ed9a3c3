import os

import pytest

from sanum.clinic.node import watch as watch_module
from sanum.clinic.node.errors import NodeError
from sanum.clinic.node.watch import FolderWatch


@pytest.fixture
def watched(tmp_path):
    """A folder, what was handed over from it, and a new watch of it, as after a restart."""
    folder, got = tmp_path / "from the scanner", []
    folder.mkdir()

    def start(into=got.append, **more):
        return FolderWatch(folder, into, tmp_path / "state" / "watched.txt", **more)

    return folder, got, start


def dicom(content=b""):
    return bytes(128) + b"DICM" + content


def test_files_are_taken_once_they_are_quiet(watched):
    folder, got, start = watched
    watch = start()
    (folder / "deep").mkdir()
    (folder / "deep" / "Doe^John 1").write_bytes(dicom(b"half"))
    assert watch.look(0) == 0
    assert watch.look(9) == 0
    (folder / "deep" / "Doe^John 1").write_bytes(dicom(b"the whole"))
    assert watch.look(11) == 0  # it grew: quiet begins anew
    assert watch.look(20) == 0
    assert watch.look(21) == 1
    assert watch.look(99) == 0
    assert got == [dicom(b"the whole")]
    assert (folder / "deep" / "Doe^John 1").exists()


def test_files_of_old_archives_and_those_that_change_while_they_are_read(watched, monkeypatch):
    folder, got, start = watched
    old = b"\x08\0\x05\0CS\x0a\0ISO_IR 100" + bytes(200)  # neither preamble nor mark
    (folder / "a").write_bytes(old)
    watch = start(quiet_s=0)
    watch.look(0)
    opened = watch_module.open_regular

    def opening(*words, **more):
        stream = opened(*words, **more)
        with (folder / "a").open("ab") as other:
            other.write(b"more")
        return stream

    monkeypatch.setattr(watch_module, "open_regular", opening)
    assert watch.look(1) == 0
    monkeypatch.setattr(watch_module, "open_regular", opened)
    assert [watch.look(2), watch.look(3)] == [0, 1]
    assert got == [old + b"more"]


def test_a_restart_hands_nothing_over_again(watched, tmp_path):
    folder, got, start = watched
    (folder / "Doe^John").write_bytes(dicom(b"1"))
    watch = start(quiet_s=0)
    assert [watch.look(0), watch.look(1)] == [0, 1]
    memory = tmp_path / "state" / "watched.txt"
    assert "Doe" not in memory.read_text()
    with memory.open("a") as stream:
        stream.write("torn")  # killed while it wrote
    again = start(quiet_s=0)
    assert [again.look(0), again.look(1)] == [0, 0]
    (folder / "b").write_bytes(dicom(b"2"))
    assert [again.look(2), again.look(3)] == [0, 1]
    last = start(quiet_s=0)
    assert [last.look(0), last.look(1)] == [0, 0]
    assert got == [dicom(b"1"), dicom(b"2")]
    (folder / "b").write_bytes(dicom(b"3 of the same name"))
    assert [last.look(2), last.look(3)] == [0, 1]


def test_what_is_no_whole_file_is_left(watched, tmp_path):
    folder, got, start = watched
    for name in ("a.dcm.part", "b.TMP", ".hidden", "c~", "DICOMDIR"):
        (folder / name).write_bytes(dicom())
    (folder / "notes.txt").write_text("no image")
    (folder / "empty").touch()
    (folder / ".cache").mkdir()
    (folder / ".cache" / "d").write_bytes(dicom())
    (tmp_path / "elsewhere").write_bytes(dicom())
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "pipe")
    watch = start(quiet_s=0, remove=True)
    assert [watch.look(0), watch.look(1), watch.look(2)] == [0, 0, 0]
    assert not got
    assert len([*folder.iterdir()]) == 10
    (folder / "a.dcm.part").rename(folder / "a.dcm")
    assert [watch.look(3), watch.look(4)] == [0, 1]


def test_a_file_that_is_too_large_is_told_once_and_left(watched, caplog):
    folder, got, start = watched
    (folder / "Doe^John").write_bytes(dicom(bytes(100)))
    (folder / "b").write_bytes(dicom())
    watch = start(quiet_s=0, remove=True, largest=200)
    assert [watch.look(0), watch.look(1), watch.look(2)] == [0, 1, 0]
    assert got == [dicom()]
    assert (folder / "Doe^John").exists()
    assert [one.getMessage() for one in caplog.records] == [
        "files of a watched folder that are larger than --largest-mb allows: 1"
    ]


def test_sources_are_removed_only_if_told(watched):
    folder, got, start = watched
    path = folder / "a"
    path.write_bytes(dicom())

    def killed(content):
        got.append(content)
        raise KeyboardInterrupt

    watch = start(quiet_s=0, remove=True, into=killed)
    watch.look(0)
    with pytest.raises(KeyboardInterrupt):
        watch.look(1)
    assert path.exists()  # not handed over: not removed
    keeping = start(quiet_s=0)
    assert [keeping.look(0), keeping.look(1)] == [0, 1]
    assert path.exists()
    removing = start(quiet_s=0, remove=True)
    assert removing.look(0) == 0
    assert not path.exists()
    assert len(got) == 2


def test_into_a_folder_whose_names_tell_nothing(watched, tmp_path):
    folder, _, start = watched
    for name in ("Doe^John", "Doe^John copy"):
        (folder / name).write_bytes(dicom(b"x"))
    watch = start(into=tmp_path / "inbox", quiet_s=0)
    assert [watch.look(0), watch.look(1)] == [0, 2]
    (path,) = (tmp_path / "inbox").iterdir()
    assert path.read_bytes() == dicom(b"x")
    assert "Doe" not in path.name


def test_a_folder_that_is_not_there(watched, tmp_path):
    folder, _, start = watched
    watch = start()
    folder.rmdir()
    with pytest.raises(NodeError, match="the watched folder is gone"):
        watch.look(0)
    with pytest.raises(NodeError, match="no such folder to watch"):
        start()
