"""The weight store against real servers on this machine, one of which is always up to something."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from sanum.weights import download, store
from sanum.weights.store import WeightsError, fetch, resolve

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = sha256(CONTENT).hexdigest()


class Host(ThreadingHTTPServer):
    """Serves `content`, at most `most` bytes an answer, a block each `pause` seconds."""

    daemon_threads = True

    def __init__(self, content=CONTENT, most=10**9, pause=0.0, ranges=True, slow_headers=False):
        super().__init__(("127.0.0.1", 0), Answer)
        self.slow_headers = slow_headers
        self.content, self.most, self.pause, self.ranges, self.asked = content, most, pause, ranges, []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/w"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        host, asked = self.server, self.headers.get("Range")
        host.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and host.ranges else 0
        body = host.content[start:]
        for _ in range(40 * host.slow_headers):
            self.wfile.write(b"H")
            time.sleep(0.05)
        self.send_response(206 if asked and host.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for at in range(0, min(len(body), host.most), 1 << 16):
                self.wfile.write(body[at : min(at + (1 << 16), host.most)])
                time.sleep(host.pause)
        except OSError:  # the other side was killed
            pass

    def log_message(self, *_):
        pass


@pytest.fixture
def host():
    started = []

    def start(**how):
        started.append(Host(**how))
        return started[-1]

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Write a table of one entry, "w"; the user's cache is a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SANUM_WEIGHTS", raising=False)

    def write(*urls, **other):
        entry = {"name": "w", "sha256": DIGEST, "size": len(CONTENT), "urls": urls, **other}
        (tmp_path / "table.json").write_text(json.dumps([entry]))
        return tmp_path / "table.json"

    return write


DEAD = "http://127.0.0.1:9/w"  # nobody listens at the port of discard


def whole(path):
    return path.read_bytes() == CONTENT and not list(path.parent.glob(".*.part"))


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
        with pytest.raises(WeightsError, match="expected a file or one of una-compact, w"):
            resolve(name, table=table())
    with pytest.raises(WeightsError, match="unknown weights x: known are una-compact, w"):
        fetch("x", table=table())


@pytest.mark.parametrize(
    "text", ["[", "[1]", "{}", "[" * 100_000, "\xff", '[{"name": "w"}]', '[{"name": "w", "more": 1}]']
)
def test_a_table_that_is_none(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(WeightsError, match="is no table of weights"):
        store.known(tmp_path / "t.json")


@pytest.mark.parametrize(
    "other",
    [
        {"name": "../w"},
        {"name": ".w"},
        {"name": 5},
        {"name": "w\0"},
        {"size": "much"},
        {"size": -1},
        {"size": 1e300},
        {"size": 10**30},
        {"size": True},
        {"sha256": 5},
        {"sha256": "f" * 63},
        {"urls": [5]},
        {"urls": [None]},
        {"urls": "http://a"},
        {"urls": {}},
    ],
)
def test_entries_that_are_none(table, other):
    with pytest.raises(WeightsError, match="is no table of weights"):
        store.known(table(**other))


@pytest.mark.parametrize("count", [300, pytest.param(30_000, marks=pytest.mark.full)])
def test_any_table_is_read_or_refused(table, count):
    path, rng, read = table(DEAD), random.Random(count), 0
    whole = path.read_bytes()
    for _ in range(count):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] = rng.choice(b'0123456789abcdef"[]{},:. -\xff\0')
        path.write_bytes(content)
        with contextlib.suppress(WeightsError):
            for entry in store.known(path).values():
                assert len(entry.sha256) == 64
                assert entry.size > 0
                assert isinstance(entry.urls, tuple)
            read += 1
    assert 0.1 * count < read < 0.9 * count


# --- what somebody else has put there


@pytest.mark.parametrize("url", ["http://[::1", "http://", "", "http://a:b/", "\0", "http://\ud800/"])
def test_an_address_that_is_none_is_told_and_the_next_is_asked(table, host, url):
    with pytest.raises(WeightsError, match="could not be fetched"):
        fetch("w", table=table(url))
    assert whole(fetch("w", table=table(url, host().url)))


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (place, kind)
        for place in (f".w-{DIGEST[:12]}.part", ".w.lock", "w.sha256")
        for kind in ("symlink", "link to nothing", "second name", "folder", "pipe")
        if (place, kind) != ("w.sha256", "folder")
    ],
)
def test_what_is_planted_is_not_written_to(table, host, tmp_path, kind, place):
    """The target of a link was overwritten by the download."""
    precious, folder = tmp_path / "precious", tmp_path / "cache" / "sanum" / "weights"
    precious.write_text("mine")
    folder.mkdir(parents=True)
    where = folder / place
    {
        "symlink": lambda: where.symlink_to(precious),
        "link to nothing": lambda: where.symlink_to(tmp_path / "new"),
        "second name": lambda: os.link(precious, where),
        "folder": where.mkdir,
        "pipe": lambda: os.mkfifo(where),
    }[kind]()
    assert whole(fetch("w", table=table(host().url)))
    assert precious.read_text() == "mine"
    assert not (tmp_path / "new").exists()
    assert (folder / "w.sha256").read_text().strip() == DIGEST


def test_a_link_with_the_final_name_is_replaced(table, host, tmp_path):
    precious, folder = tmp_path / "precious", tmp_path / "cache" / "sanum" / "weights"
    precious.write_text("mine")
    folder.mkdir(parents=True)
    (folder / "w.safetensors").symlink_to(precious)
    path = fetch("w", table=table(host().url))
    assert whole(path)
    assert not path.is_symlink()
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_host_that_is_too_slow_is_left_for_the_next(table, host, monkeypatch, where):
    """It sends something now and then, so that no single wait is long."""
    monkeypatch.setattr(download, "_FIRST_S", 0.3)
    monkeypatch.setattr(download, "SLOWEST", 1e9)
    slow = host(pause=0.05) if where == "body" else host(slow_headers=True)
    with pytest.raises(WeightsError, match="too slow: "):
        fetch("w", table=table(slow.url))
    monkeypatch.setattr(download, "_FIRST_S", 60.0)
    monkeypatch.setattr(download, "SLOWEST", 20_000.0)
    assert whole(fetch("w", table=table(host().url)))


def test_the_table_that_ships_can_be_read():
    assert "una-compact" in store.known()
