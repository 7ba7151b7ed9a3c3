import logging
import threading

import pytest

from sanum.clinic.node import ways as module
from sanum.clinic.node.errors import NodeError, PeerUnreachable
from sanum.clinic.node.peers import WebPeer
from sanum.clinic.node.ways import WaysIn, bring, require_watchable


def test_both_ways_go_on_after_an_error(tmp_path, monkeypatch, caplog):
    """A server that is away, and a disk that is full, are tried again; the folder is looked at meanwhile."""
    folder, stopping, got, asked = tmp_path / "in", threading.Event(), [], []
    folder.mkdir()
    (folder / "Doe^John").write_bytes(bytes(128) + b"DICM")

    def take(content):
        got.append(content)
        if len(got) == 1:
            raise OSError(28, "No space left on device")
        stopping.set()

    def pulled(server, *_, since, **__):
        asked.append(server)
        raise PeerUnreachable(f"no answer from {server}")

    monkeypatch.setattr(module, "pull", pulled)
    monkeypatch.setattr(module, "WATCH_EVERY_S", 0.01)
    ways = WaysIn((folder,), (WebPeer("https://pacs.example"),), quiet_s=0)
    with caplog.at_level(logging.INFO):
        bring(ways, take, tmp_path / "state", stopping)
    assert len(got) == 2
    assert asked == [WebPeer("https://pacs.example")]  # a minute has not passed
    assert "https://pacs.example: no answer from https://pacs.example" in caplog.text
    assert "watched folder 1: OSError: No space left on device" in caplog.text
    assert "Doe" not in caplog.text


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(NodeError, match="no such folder to watch"):
        bring(WaysIn((tmp_path / "missing",)), print, tmp_path, threading.Event())
    bring(WaysIn(), print, tmp_path, threading.Event())  # nothing to do


def test_a_server_without_an_end_and_an_error_of_ours_keep_no_folder_waiting(tmp_path, monkeypatch, caplog):
    folder, stopping, asked = tmp_path / "in", threading.Event(), []
    folder.mkdir()
    (folder / "a").write_bytes(bytes(128) + b"DICM")
    never, again = threading.Event(), threading.Event()

    def pulled(server, *_, **__):
        if server.url == "https://a":
            never.wait()
        asked.append(server.url)
        if len(asked) == 1:
            raise AssertionError("Doe^John")
        again.set()

    def take(content):
        again.wait()
        stopping.set()

    monkeypatch.setattr(module, "pull", pulled)
    monkeypatch.setattr(module, "WATCH_EVERY_S", 0.01)
    monkeypatch.setattr(module, "PULL_EVERY_S", 0.01)
    monkeypatch.setattr(module, "ENDING_S", 0.05)
    ways = WaysIn((folder,), (WebPeer("https://a"), WebPeer("https://b")), quiet_s=0)
    bring(ways, take, tmp_path / "state", stopping)
    assert "https://b: AssertionError: not expected" in caplog.text
    assert "Doe" not in caplog.text
    never.set()


def test_a_folder_that_the_node_writes_into_is_not_watched(tmp_path):
    (tmp_path / "node" / "in").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "node")
    require_watchable([tmp_path / "node" / "in"], tmp_path / "other")
    for watched, root in (("", "node"), ("node/in", "node"), ("node", "link"), ("link/in", "node")):
        with pytest.raises(NodeError, match="cannot be watched: one of it and the node's folder"):
            require_watchable([tmp_path / watched], tmp_path / root)
    with pytest.raises(NodeError, match="no such folder to watch"):
        require_watchable([tmp_path / "missing"], tmp_path / "node")
