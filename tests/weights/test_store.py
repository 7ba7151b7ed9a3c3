"""The weight store against real servers on this machine, one of which is always up to something."""

import os
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256

import pytest

from sanum.weights import download, store
from sanum.weights.store import WeightsError, fetch, resolve

from .hosts import CONTENT, DEAD, DIGEST, whole

# --- the network


def test_fetched_once(table, host):
    one = host()
    path = fetch("w", table=table(one.url))
    assert whole(path)
    assert path == store.cache() / "w.safetensors"
    assert fetch("w", table=table(one.url)) == path == resolve("w", table=table())
    assert one.asked == [None]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_progress_is_told(table, host):
    told = []
    fetch("w", table=table(host().url), on_block=lambda *both: told.append(both))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


@pytest.mark.parametrize("content", [b"<html>gone</html>", CONTENT[:-1] + b"?", CONTENT + b"more", b""])
def test_the_next_host_is_asked(table, host, content):
    """After one that is dead, and one that has something else."""
    bad, good = host(content=content), host()
    assert whole(fetch("w", table=table(DEAD, bad.url, good.url)))
    assert bad.asked == [None]


def test_a_broken_download_goes_on_elsewhere(table, host):
    bad, good = host(most=1_000_000), host()
    assert whole(fetch("w", table=table(bad.url, good.url)))
    assert good.asked == ["bytes=1000000-"]


def test_a_host_that_knows_no_ranges_sends_all_again(table, host):
    bad, good = host(most=1_000_000), host(ranges=False)
    assert whole(fetch("w", table=table(bad.url, good.url)))


def test_the_beginning_of_something_else_is_thrown_away(table, host):
    good = host()
    store.cache().mkdir(parents=True)
    (store.cache() / f".w-{DIGEST[:12]}.part").write_bytes(b"x" * 1000)
    assert whole(fetch("w", table=table(good.url)))
    assert good.asked == ["bytes=1000-", None]


def test_no_host_has_it(table, host):
    bad = host(content=b"x" * len(CONTENT))
    with pytest.raises(WeightsError) as caught:
        fetch("w", table=table(DEAD, bad.url, "nonsense"))
    message = str(caught.value)
    assert "127.0.0.1:9: [Errno" in message
    assert f"{bad.url.split('/')[2]}: sent something else" in message
    assert "nonsense: unknown url type" in message
    assert "SANUM_WEIGHTS" in message
    assert not (store.cache() / "w.safetensors").exists()


def test_no_more_than_the_table_says_is_taken(table, host):
    big = host(content=bytes(20_000_000))
    with pytest.raises(WeightsError, match="sent something else"):
        fetch("w", table=table(big.url, size=1000))


FETCH = """
import pathlib, sys
from sanum.weights.store import fetch
print(fetch("w", table=pathlib.Path(sys.argv[1])))
"""


def process(table):
    return subprocess.Popen([sys.executable, "-c", FETCH, table], stdout=subprocess.PIPE, text=True)


def test_two_processes_at_once(table, host):
    slow = host(pause=0.02)
    both = [process(table(slow.url)) for _ in range(2)]
    paths = {one.communicate()[0].strip() for one in both}
    assert [one.returncode for one in both] == [0, 0]
    assert paths == {str(store.cache() / "w.safetensors")}
    assert slow.asked == [None]


def test_killed_in_the_middle(table, host):
    slow, good = host(pause=0.05), host()
    one = process(table(slow.url))
    while not any(p.stat().st_size for p in store.cache().glob(".*.part")):
        assert one.poll() is None
        time.sleep(0.01)
    one.send_signal(signal.SIGKILL)
    one.communicate()
    assert not (store.cache() / "w.safetensors").exists()
    assert whole(fetch("w", table=table(good.url)))
    assert good.asked[0].startswith("bytes=")


# --- the disk


def test_the_shipped_weights_need_no_network(table, monkeypatch):
    monkeypatch.setattr(download, "urlopen", None)
    path = resolve("una-compact", table=table())
    assert path == fetch("una-compact", table=table())
    assert path.is_relative_to(store.PACKAGE)


def test_a_copy_for_a_shared_folder(table, tmp_path, monkeypatch):
    path = fetch("una-compact", table=table(), folder=tmp_path / "shared")
    for one in (tmp_path / "shared").iterdir():
        one.chmod(0o444)
    (tmp_path / "shared").chmod(0o555)
    monkeypatch.setenv("SANUM_WEIGHTS", str(tmp_path / "shared"))
    assert resolve("una-compact", table=table()) == path
    (tmp_path / "shared").chmod(0o755)


def test_a_folder_that_has_it_already_is_only_read(table, tmp_path):
    path = fetch("una-compact", table=table(), folder=tmp_path / "shared")
    (tmp_path / "shared" / ".una-compact.lock").unlink()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "shared").iterdir()}
    assert fetch("una-compact", table=table(), folder=tmp_path / "shared") == path
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "shared").iterdir()} == before
    path.with_suffix(".sha256").unlink()
    fetch("una-compact", table=table(), folder=tmp_path / "shared")
    assert path.with_suffix(".sha256").is_file()


@pytest.fixture
def read_only(tmp_path):
    """A disk that becomes read-only when it is called; skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    yield place, lambda: subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    subprocess.run(["umount", str(place)], check=True)


def test_fetched_to_a_read_only_disk_that_has_it(table, read_only):
    place, close = read_only
    path = fetch("una-compact", table=table(), folder=place)
    path.with_suffix(".sha256").unlink()
    close()
    assert fetch("una-compact", table=table(), folder=place) == path


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: b"?" + c[1:], lambda c: b""])
def test_a_tampered_or_truncated_file_is_refused(table, tmp_path, monkeypatch, change):
    monkeypatch.setenv("SANUM_WEIGHTS", str(tmp_path))
    path = tmp_path / "w.safetensors"
    path.write_bytes(change(CONTENT))
    with pytest.raises(WeightsError, match="are damaged"):
        resolve("w", table=table())
    path.with_suffix(".sha256").write_text(DIGEST)
    with pytest.raises(WeightsError, match="are damaged"):
        resolve(path, table=table())
    path.write_bytes(CONTENT)
    assert resolve("w", table=table()) == resolve(path, table=table()) == path


def test_a_damaged_file_is_fetched_again(table, host):
    path = fetch("w", table=table(host().url))
    path.write_bytes(CONTENT[:100])
    assert whole(fetch("w", table=table(host().url)))


def test_a_file_given_by_path_is_what_its_name_says(table, tmp_path):
    shipped = resolve("una-compact", table=table())
    path = tmp_path / "una-compact.safetensors"
    shutil.copy(shipped, path)
    assert resolve(path, table=table()) == path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"are not una-compact, or damaged: .*another name, or a \.sha256"):
        resolve(path, table=table())
    store.write_digest(path, sha256(data).hexdigest())  # as sanum train does with weights of that recipe
    assert resolve(path, table=table()) == path


def test_a_known_name_is_no_file_of_the_working_directory(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "una-compact").write_text("something else")
    assert resolve("una-compact", table=table()).is_relative_to(store.PACKAGE)


@pytest.mark.parametrize("text", [DIGEST.upper(), f"{DIGEST}  w.safetensors\n", f"\n{DIGEST} *w\r\n"])
def test_digests_as_others_write_them(tmp_path, text):
    path = tmp_path / "w.safetensors"
    path.write_bytes(CONTENT)
    path.with_suffix(".sha256").write_text(text)
    assert resolve(path) == path
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="are damaged"):
        resolve(path)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"none", DIGEST[:-1].encode(), DIGEST.encode() + b"0", b"\xe9" * 64]
)
def test_a_digest_that_is_none_is_told(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(CONTENT)
    path.with_suffix(".sha256").write_bytes(content)
    with pytest.raises(
        WeightsError, match=r"w\.sha256 holds no SHA-256 of .*; write it again, or remove it$"
    ):
        resolve(path)


@pytest.fixture
def package(table, tmp_path, monkeypatch):
    """A copy of the package's weights in the place of them."""
    folder = tmp_path / "package" / "methods" / "anatomy" / "una" / "weights"
    shutil.copytree(resolve("una-compact", table=table()).parent, folder)
    monkeypatch.setattr(store, "PACKAGE", tmp_path / "package")
    return folder


@pytest.mark.parametrize("ending", [".sha256", ".safetensors"])
def test_a_package_that_lacks_a_file(table, package, ending):
    (package / f"una-compact{ending}").unlink()
    with pytest.raises(WeightsError, match=r"una-compact.* install sanum again$"):
        resolve("una-compact", table=table())


def test_a_damaged_package(table, package):
    (package / "una-compact.safetensors").write_bytes(b"short")
    with pytest.raises(WeightsError, match=r"are damaged: .*; install sanum again$"):
        resolve("una-compact", table=table())
    (package / "una-compact.sha256").write_bytes(b"\xff")
    with pytest.raises(WeightsError, match=r"una-compact\.sha256 holds no SHA-256 .*; install sanum again$"):
        resolve("una-compact", table=table())


def test_own_files_by_path_and_by_name(table, tmp_path, monkeypatch):
    (tmp_path / "mine.safetensors").write_bytes(b"anything")
    assert resolve(tmp_path / "mine.safetensors", table=table()) == tmp_path / "mine.safetensors"
    monkeypatch.setenv("SANUM_WEIGHTS", str(tmp_path))
    assert resolve("mine", table=table()) == tmp_path / "mine.safetensors"


def test_what_is_nowhere(table, tmp_path):
    with pytest.raises(WeightsError, match="run sanum weights fetch w"):
        resolve("w", table=table(DEAD))
    for name in ("x", "../w", str(tmp_path / "w.safetensors")):
        with pytest.raises(WeightsError, match=r"file or one of kt-.*, mad, una-compact, una-fine, w"):
            resolve(name, table=table())
    with pytest.raises(
        WeightsError, match=r"unknown weights x: known are kt-.*mad, una-compact, una-fine, w"
    ):
        fetch("x", table=table())
