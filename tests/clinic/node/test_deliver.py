"""Results on their way: each status is kept, nothing is sent twice, and who is away is tried again."""

import os

import pytest

pytest.importorskip("pynetdicom")

from pydicom.uid import SecondaryCaptureImageStorage

from sanum.clinic.node.deliver import FIRST_WAIT_S, LONGEST_WAIT_S, Delivery, Route, journal
from sanum.clinic.node.folder import NodeFolder
from sanum.clinic.node.peers import Peer
from sanum.clinic.node.queue import Entry, Queue

from .light import OBJECTS, result_object

KIND = (SecondaryCaptureImageStorage,)
AWAY = Peer("AWAY", "127.0.0.1", 1)
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


class Clock:
    """Seconds that pass when told."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def node(tmp_path):
    """A series with results, and what sends them; each call is a node that was started again."""
    folder, clock = NodeFolder(tmp_path), Clock()
    objects = folder.results / "1.2.3" / "1.2.3_dicom"
    objects.mkdir(parents=True)
    for k in range(OBJECTS):
        result_object(f"1.2.3.{k}").save_as(objects / f"sanum-{k}.dcm", enforce_file_format=True)
    Queue(folder.states).put(Entry("1.2.3", "1.2", "1.2.3", "processing", count=10, is_made=True))

    def delivery(*peers, stopping=lambda: False):
        deliver.queue = queue = Queue(folder.states)
        made = Delivery(folder, queue, Route(peers, "SANUM"), stopping, clock)

        def do():
            made.do(queue.get("1.2.3"))
            return queue.get("1.2.3")

        return do

    def deliver(*peers, **more):
        return delivery(*peers, **more)()

    deliver.delivery = delivery
    deliver.clock, deliver.folder, deliver.objects = clock, folder, objects
    return deliver


def test_all_peers_get_all(node, peer):
    one, other = peer(kinds=KIND), peer(kinds=KIND)
    entry = node(one.peer, other.peer)
    assert (entry.state, entry.reason) == ("done", "")
    assert entry.sent == {str(one.peer): OBJECTS, str(other.peer): OBJECTS}
    assert len(one.got) == len(other.got) == OBJECTS


def test_without_a_peer_results_are_kept(node):
    assert node().state == "done"


def test_a_peer_that_is_away_is_tried_again_and_the_other_has_it_once(node, peer):
    there = peer(kinds=KIND)
    entry = node(AWAY, there.peer)
    assert (entry.state, entry.tries, entry.next_try) == ("processing", 1, 1000 + FIRST_WAIT_S)
    assert entry.reason.startswith("results wait, no answer from AWAY@127.0.0.1:1")
    assert entry.sent == {str(AWAY): 0, str(there.peer): OBJECTS}
    before = journal(node.folder, "1.2.3").read_text()
    waits = []
    for _ in range(9):
        entry = node(AWAY, there.peer)
        waits.append(entry.next_try - 1000)
    assert waits == [min(FIRST_WAIT_S * 2**k, LONGEST_WAIT_S) for k in range(1, 10)]
    assert journal(node.folder, "1.2.3").read_text() == before
    assert node(there.peer).state == "done"
    assert journal(node.folder, "1.2.3").read_text() == before


def test_a_refusal_is_told_in_words_and_is_final(node, peer):
    there = peer(0x0000, 0xA900, kinds=KIND)
    entry = node(there.peer)
    assert (entry.state, len(there.got)) == ("error", OBJECTS - 1)
    assert entry.reason == (
        f"{there.peer} refused 1 of {OBJECTS} objects: refused: the data do not fit the kind of object (A900)"
    )
    assert entry.sent == {str(there.peer): OBJECTS - 1}
    again = Queue(node.folder.states)
    again.change("1.2.3", state="processing", is_made=True)  # as after the series was sent again
    assert node(there.peer).state == "done"
    assert len(there.got) == OBJECTS


def test_a_peer_that_is_away_costs_another_no_second_refusal(node, peer):
    there = peer(0xA900, kinds=KIND)
    assert node(AWAY, there.peer).state == "processing"
    assert node(AWAY, there.peer).sent[str(there.peer)] == OBJECTS - 1
    assert node(there.peer).state == "error"


def test_a_peer_without_room_gets_the_rest_later(node, peer):
    there = peer(0x0000, 0xA700, kinds=KIND)
    entry = node(there.peer)
    assert (entry.state, len(there.got)) == ("processing", OBJECTS - 1)
    assert "refused: out of resources (A700)" in entry.reason
    assert node(there.peer).state == "done"
    assert len(there.got) == OBJECTS


def test_stopped_and_killed_in_between_nothing_is_sent_twice(node, peer):
    arrived = []

    def count(event):
        arrived.append(event.request.AffectedSOPInstanceUID)
        return 0x0000

    there, stops = peer(*[count] * 9, kinds=KIND), iter([True])
    assert node(there.peer, stopping=lambda: next(stops)).state == "processing"
    assert len(arrived) == 1
    with journal(node.folder, "1.2.3").open("a") as stream:
        stream.write('{"peer": "PEE')  # a line that a killed node did not finish
    assert node(there.peer).state == "done"
    assert sorted(arrived) == [f"1.2.3.{k}" for k in range(OBJECTS)]


def test_results_that_are_gone_are_made_anew(node, peer):
    for path in node.objects.iterdir():
        path.unlink()
    entry = node(peer(kinds=KIND).peer)
    assert (entry.state, entry.is_made) == ("processing", False)


def test_after_a_line_that_was_not_finished_the_next_ones_are_read(node, peer):
    there = peer(0x0000, 0xA700, 0xA700, kinds=KIND)
    with journal(node.folder, "1.2.3").open("w") as stream:
        stream.write('{"uid": "1", "status": 0, "words": ""}\n{"peer": "PEE')
    assert node(there.peer).state == "processing"
    assert node(there.peer).state == "done"
    assert len(there.got) == OBJECTS
    lines = journal(node.folder, "1.2.3").read_text().splitlines()
    assert len(lines) == 2 + OBJECTS


def test_a_series_that_is_opened_while_it_is_sent_is_sent_no_further(node, peer):
    def opened(event):
        node.queue.put(Entry("1.2.3", count=12))
        return 0x0000

    there = peer(opened, kinds=KIND)
    assert (node(there.peer).state, len(there.got)) == ("incoming", 1)


def test_while_answers_cannot_be_kept_nothing_is_sent_again(node, peer, monkeypatch):
    there, full = peer(kinds=KIND), OSError(28, "No space left on device")
    deliver, is_full = node.delivery(there.peer), [True]
    fsync = os.fsync

    def write(at):
        if is_full and os.readlink(f"/proc/self/fd/{at}").endswith(".sent"):
            raise full
        fsync(at)

    monkeypatch.setattr(os, "fsync", write)
    for tries in (1, 2, 3):
        entry = deliver()
        assert (entry.state, entry.tries, len(there.got)) == ("processing", tries, 1)
        assert entry.reason.startswith(
            "results wait, the answers of peers cannot be kept: No space left on device"
        )
    is_full.clear()
    assert deliver().state == "done"
    assert len(there.got) == OBJECTS
    assert journal(node.folder, "1.2.3").read_text().count("1.2.3.0") >= 1
