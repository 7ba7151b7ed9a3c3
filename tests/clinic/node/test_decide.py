"""When a quiet series is looked at, and what an archive that does not answer does to it."""

from dataclasses import replace

import pytest

pytest.importorskip("pynetdicom")

from sanum.clinic.node import decide
from sanum.clinic.node.choose import Judgement
from sanum.clinic.node.errors import PeerUnreachable
from sanum.clinic.node.folder import NodeFolder
from sanum.clinic.node.peers import Peer
from sanum.clinic.node.queue import Entry, Queue

from .light import settings_of

ARCHIVE = Peer("ARCHIVE", "127.0.0.1", 1)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Series 1.2.1 and 1.2.2 of ten objects, heard at 0 s; `at` looks so many seconds later."""
    folder, asked, clock = NodeFolder(tmp_path), [], [0.0]
    queue = Queue(folder.states)
    for uid in ("1.2.1", "1.2.2"):
        queue.put(Entry(uid, "1.2", uid, count=10))
    settings = replace(settings_of(ask=ARCHIVE), quiet_s=30.0, patience_s=600.0)
    deciding = decide.Deciding(folder, queue, settings)
    deciding.hear(["1.2.1", "1.2.2"], 0.0)

    def expected(peer, study, series, **_):
        asked.append(series)
        if isinstance(at.answer, Exception):
            raise at.answer
        return at.answer

    def at(seconds):
        clock[0] = seconds
        deciding.hear([], seconds)
        deciding.look()
        return {key: queue.get(key).state for key in ("1.2.1", "1.2.2")}

    monkeypatch.setattr(decide.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(decide, "instances_expected", expected)
    monkeypatch.setattr(decide, "judge", lambda place, rules: at.judge(place))
    at.judge, at.answer, at.asked, at.queue = lambda place: Judgement(), 10, asked, queue
    return at


def test_an_archive_that_is_silent_is_waited_for(node):
    node.answer = PeerUnreachable("no answer from ARCHIVE")
    assert set(node(29).values()) == {"incoming"}
    assert node.asked == []
    for seconds in (31, 32, 80):
        assert set(node(seconds).values()) == {"incoming"}
    assert node.asked == ["1.2.1"]  # for both, within a minute
    reason = node.queue.get("1.2.2").reason
    assert reason == "waits for the archive's count: no answer from ARCHIVE"
    node(95)
    assert len(node.asked) == 2
    assert set(node(599).values()) == {"incoming"}
    assert set(node(601).values()) == {"processing"}


def test_it_is_done_as_soon_as_the_archive_answers(node):
    node.answer = PeerUnreachable("no answer from ARCHIVE")
    node(31)
    node.answer = 12
    assert set(node(95).values()) == {"incoming"}
    node.answer = 10
    assert set(node(160).values()) == {"processing"}


def test_an_error_with_one_series_keeps_no_other_back(node):
    def judge(place):
        if place.name == "1.2.1":
            raise ValueError("of ours")
        return Judgement()

    node.judge = judge
    assert node(31) == {"1.2.1": "incoming", "1.2.2": "processing"}
    node.judge = lambda place: Judgement()
    assert node(33)["1.2.1"] == "incoming"
    assert node(37)["1.2.1"] == "processing"
