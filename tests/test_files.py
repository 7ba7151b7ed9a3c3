import hashlib
import os

import pytest

from sanum.files import sha256, sha256_of, whole_file


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    for text in ("first", "second"):
        with whole_file(path) as partial:
            partial.write_text(text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        _fail(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_process_id_do_not_meet(tmp_path):
    """As in two containers, where both have number 1: one ends while the other writes, another fails."""
    path = tmp_path / "file"
    with whole_file(path) as first:
        first.write_text("first")
        with whole_file(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
        with pytest.raises(OSError, match="disk full"):
            _fail(path)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "file"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with whole_file(tmp_path / "file") as partial:
            partial.touch(mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_what_is_there_is_kept_if_it_may_not_be_replaced(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(FileExistsError, match="file"):
        _come_late(path)
    assert path.read_text() == "another's"
    with pytest.raises(FileExistsError, match="file"), whole_file(path, overwrite=False):
        raise AssertionError("should not be asked to write")
    with pytest.raises(IsADirectoryError), whole_file(tmp_path):
        raise AssertionError("should not be asked to write")
    assert list(tmp_path.iterdir()) == [path]


def test_hashes_are_those_of_the_content(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"a" * 3_000_000)
    two.write_bytes(b"b")
    assert sha256(one) == hashlib.sha256(one.read_bytes()).hexdigest()
    whole = hashlib.sha256(b"x" + one.read_bytes() + b"b").hexdigest()
    assert sha256_of([one, None, two], b"x") == whole


def _fail(path):
    with whole_file(path) as partial:
        partial.write_text("half of the n")
        raise OSError("disk full")


def _come_late(path):
    with whole_file(path, overwrite=False) as partial:
        partial.write_text("late")
        path.write_text("another's")
