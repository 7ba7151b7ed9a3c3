import hashlib
import os

import pytest

from sanum.files import parse_json, read_small, sha256, sha256_of, whole_file


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


class TestReadSmall:
    def test_a_regular_file_as_it_is(self, tmp_path):
        (tmp_path / "a").write_bytes(b"12345")
        (tmp_path / "link").symlink_to("a")
        assert read_small(tmp_path / "a", 5) == read_small(tmp_path / "link", 5) == b"12345"

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: p.symlink_to("/dev/zero")])
    def test_nothing_else(self, tmp_path, make):
        make(tmp_path / "a")
        with pytest.raises(ValueError, match="no regular file"):
            read_small(tmp_path / "a", 5)

    def test_no_more_than_allowed(self, tmp_path):
        (tmp_path / "a").write_bytes(b"123456")
        with pytest.raises(ValueError, match="more than 5 bytes"):
            read_small(tmp_path / "a", 5)

    def test_no_link_where_it_may_not_be_followed(self, tmp_path):
        (tmp_path / "a").write_bytes(b"1")
        (tmp_path / "link").symlink_to("a")
        with pytest.raises(OSError, match="link"):
            read_small(tmp_path / "link", 5, follow=False)


@pytest.mark.parametrize(
    "text", ["", "[1", "[" * 100_000, '{"a":' * 100_000, "NaN", "-Infinity", "1e999", b"\xff"]
)
def test_every_fault_of_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)


def test_json_that_is_whole():
    assert parse_json(b'{"a": [1, 2.5, null, "\xc3\xa4"]}') == {"a": [1, 2.5, None, "ä"]}
