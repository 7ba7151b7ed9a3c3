import os

import pytest

from sanum.files import replace_whole


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    for text in ("first", "second"):
        replace_whole(path, lambda p, t=text: p.write_text(t))
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(partial):
        partial.write_text("half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_process_id_do_not_meet(tmp_path):
    """As in two containers, where both have number 1: one ends while the other writes, another fails."""
    path = tmp_path / "file"

    def fail(partial):
        partial.write_text("third")
        raise OSError("disk full")

    def write(partial):
        partial.write_text("first")
        replace_whole(path, lambda p: p.write_text("second"))
        assert path.read_text() == "second"
        with pytest.raises(OSError, match="disk full"):
            replace_whole(path, fail)

    replace_whole(path, write)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_whole(tmp_path / "file", lambda p: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path, umask, mode):
    def private(partial):
        partial.touch(mode=0o600)

    before = os.umask(umask)
    try:
        replace_whole(tmp_path / "file", private)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
