"""Against pynetdicom's own servers on loopback, which refuse, warn, and vanish."""

import socket
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    EnhancedMRImageStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    SegmentationStorage,
)

from sanum.clinic.node import dimse
from sanum.clinic.node.errors import NodeError, PeerRefuses, PeerUnreachable
from sanum.clinic.node.peers import Peer
from sanum.clinic.node.send import send

pytest.importorskip("pynetdicom")
DROPPED = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""pynetdicom drops the socket of a connection that fails, and does not close it."""


def test_files_are_stored_as_they_are(peer, write, waits):
    there, files, slept = peer(), [write(), write(kind=SegmentationStorage, Modality="SEG")], waits()
    sent = send(files, there.peer, own_aet="SANUM", sleep=slept)
    assert sent.stored == tuple(path.stem for path in files)
    assert (sent.refused, sent.warned, slept) == ((), (), [])
    for path in files:
        assert path.read_bytes().endswith(there.got[path.stem])


def test_compressed_files_go_as_they_are(peer, write):
    path = write(syntax=JPEG2000Lossless, PatientComments="not looked at")
    there = peer(syntaxes=[JPEG2000Lossless])
    assert send([path], there.peer, own_aet="SANUM").stored == (path.stem,)
    assert path.read_bytes().endswith(there.got[path.stem])


def test_a_peer_that_takes_one_encoding_gets_it(peer, write):
    path = write(SeriesDescription="as it was")
    there = peer(syntaxes=[ImplicitVRLittleEndian])
    assert send([path], there.peer, own_aet="SANUM").stored == (path.stem,)
    got = pydicom.dcmread(pydicom.filebase.DicomBytesIO(there.got[path.stem]), force=True)
    assert got.SeriesDescription == "as it was"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0110, "the peer failed while it worked on it (0110)"),
        (0x0122, "refused: the peer does not take this kind of object (0122)"),
        (0x0124, "refused: this node is not allowed to store (0124)"),
        (0xA900, "refused: the data do not fit the kind of object (A900)"),
        (0xC123, "the peer cannot understand it (C123)"),
        (0x1234, "the peer failed (1234)"),
    ],
)
def test_a_refusal_is_put_into_words_and_not_repeated(peer, write, waits, status, words):
    first, second, slept = write(), write(), waits()
    there = peer(status)
    sent = send([first, second], there.peer, own_aet="SANUM", sleep=slept)
    assert sent.stored == (second.stem,)
    ((uid, number, said),) = [(one.uid, one.status, one.words) for one in sent.refused]
    assert (uid, number, said, slept) == (first.stem, status, words, [])


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0107, 0x0116])
def test_a_warning_is_told_and_the_object_is_stored(peer, write, status):
    path = write()
    sent = send([path], peer(status).peer, own_aet="SANUM")
    assert sent.stored == (path.stem,)
    ((warned),) = sent.warned
    assert (warned.uid, warned.status) == (path.stem, status)
    assert warned.words.startswith("stored, with a warning: ")


def test_the_words_of_the_peer_are_not_handed_on(peer, write):
    answer = pydicom.Dataset()
    answer.Status, answer.ErrorComment = 0xC000, "PatientID 12345 known as MUELLER^ANNA"
    sent = send([write()], peer(answer).peer, own_aet="SANUM")
    assert sent.refused[0].words == "the peer cannot understand it (C000)"


def test_a_peer_out_of_resources_is_asked_again_for_those_alone(peer, write, waits):
    files, slept = [write() for _ in range(3)], waits()
    there = peer(0x0000, 0xA700, 0x0000, 0x0213)
    sent = send(files, there.peer, own_aet="SANUM", sleep=slept)
    assert (sorted(sent.stored), sent.refused) == (sorted(path.stem for path in files), ())
    assert slept == [2, 4]
    slept = waits()
    sent = send(files[:1], peer(*[0xA701] * 9).peer, own_aet="SANUM", sleep=slept, attempts=3)
    assert [one.words for one in sent.refused] == ["refused: out of resources (A701)"]
    assert slept == [2, 4]


@DROPPED
def test_a_peer_that_is_away_is_waited_for(peer, write, waits):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    path = write()
    slept = waits(lambda n: n == 3 and peer(port=port))
    assert send([path], Peer("PEER", "127.0.0.1", port), own_aet="SANUM", sleep=slept).stored == (path.stem,)
    assert slept == [2, 4, 8]


@DROPPED
def test_a_peer_that_stays_away(write, waits):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        told = (
            rf"no answer from PEER@127.0.0.1:{port}: nobody listens at this port; 2 of 2 files are not sent"
        )
        slept = waits()
        with pytest.raises(PeerUnreachable, match=told):
            send(
                [write(), write()],
                Peer("PEER", "127.0.0.1", port),
                **{"own_aet": "SANUM", "sleep": slept, "attempts": 3, "wait_s": 400},
            )
        assert slept == [400, 600]


def test_a_peer_that_vanishes_gets_the_rest_later(peer, write, waits):
    def vanish(event):
        event.assoc.abort(block=False)
        return 0xC000

    files, slept = [write() for _ in range(3)], waits()
    there = peer(0x0000, vanish)
    sent = send(files, there.peer, own_aet="SANUM", sleep=slept)
    assert sent.stored == tuple(path.stem for path in files)
    assert slept == [2]
    with pytest.raises(PeerUnreachable, match=r"went away.*; 1 of 1 files are not sent after one attempt"):
        send(files[:1], peer(vanish).peer, own_aet="SANUM", attempts=1)


def test_a_peer_that_does_not_know_us_is_not_asked_again(peer, write, waits):
    there, slept = peer(known=["OTHER"]), waits()
    with pytest.raises(PeerRefuses, match="takes no association: it does not know the AE title SANUM"):
        send([write()], there.peer, own_aet="SANUM", sleep=slept)
    wrong = Peer("WRONG", there.peer.host, there.peer.port)
    with pytest.raises(PeerRefuses, match="takes no association: its AE title is not WRONG"):
        send([write()], wrong, own_aet="OTHER", sleep=slept)
    assert slept == []


@pytest.mark.parametrize("others", [0, 1])
def test_a_kind_of_object_that_a_peer_does_not_take(peer, write, others):
    path, more = write(kind=EnhancedMRImageStorage), [write() for _ in range(others)]
    sent = send([path, *more], peer().peer, own_aet="SANUM")
    ((refused),) = sent.refused
    assert (refused.uid, refused.status) == (path.stem, 0x0122)
    assert "Enhanced MR Image Storage, encoded as Explicit VR Little Endian" in refused.words
    assert len(sent.stored) == others


def test_whatever_stops_it_ends_the_association(peer, write):
    def stop(answer):
        raise KeyboardInterrupt

    there = peer()
    with pytest.raises(KeyboardInterrupt):
        send([write(), write()], there.peer, own_aet="SANUM", on_answer=stop)
    until = time.monotonic() + 10
    while there.server.active_associations and time.monotonic() < until:
        time.sleep(0.01)
    assert not there.server.active_associations
    assert len(there.got) == 1


def test_more_kinds_than_an_association_takes_go_in_several(peer, write, monkeypatch):
    monkeypatch.setattr(dimse, "MOST_CONTEXTS", 3)
    seen = set()

    def store(event):
        seen.add(event.assoc)
        return 0x0000

    files = [write(), write(kind=SegmentationStorage), write()]
    sent = send(files, peer(store, store, store).peer, own_aet="SANUM")
    assert sorted(sent.stored) == sorted(path.stem for path in files)
    assert len(seen) == 2


def test_what_is_no_dicom_is_not_sent(tmp_path):
    path = Path(tmp_path / "notes.txt")
    path.write_text("not an image")
    with pytest.raises(NodeError, match=r"cannot send notes\.txt: expected a DICOM file with its header"):
        send([path], Peer("PEER", "127.0.0.1", 1), own_aet="SANUM")
