import logging
import threading

import pytest

from sanum.clinic.node import ways as module
from sanum.clinic.node.errors import NodeError, PeerUnreachable
from sanum.clinic.node.peers import WebPeer
from sanum.clinic.node.ways import WaysIn, bring


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
    assert "watched folder 1: OSError: [Errno 28] No space left on device" in caplog.text
    assert "Doe" not in caplog.text


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(NodeError, match="no such folder to watch"):
        bring(WaysIn((tmp_path / "missing",)), print, tmp_path, threading.Event())
    bring(WaysIn(), print, tmp_path, threading.Event())  # nothing to do
