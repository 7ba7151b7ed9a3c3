"""The storage SCP: it writes what arrives, whoever may send it, and can be neither crashed nor filled up."""

import os
import socket
import struct
import threading
from contextlib import ExitStack, suppress

import numpy as np
import pydicom
import pytest

pytest.importorskip("pynetdicom")

from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from sanum.clinic.node.arrivals import sort_arrivals
from sanum.clinic.node.folder import Inbox, NodeFolder
from sanum.clinic.node.queue import Queue
from sanum.clinic.node.store import OUT_OF_RESOURCES, Limits, StorageScp
from sanum.cohort.machine import peak_memory

from ..series import head
from .light import until
from .wire import linked, raw, store_raw


@pytest.fixture
def scp(tmp_path, request):
    """Start a storage SCP; it stops by itself."""
    started = []

    def start(kept_free=0, **limits):
        inbox = Inbox(NodeFolder(tmp_path), kept_free)
        one = StorageScp(inbox, "SANUM", ["MODALITY"], ("127.0.0.1", 0), limits=Limits(**limits))
        one.start()
        started.append(one)
        one.inbox = inbox
        return one

    yield start
    for one in started:
        one.stop()


def test_any_encoding_is_written_as_it_came(scp, monkeypatch):
    """And nothing is decoded: a data set that is none is taken like any other."""
    node = scp()
    monkeypatch.setattr("pynetdicom.events.decode", None)
    monkeypatch.setattr("pydicom.dcmread", None)
    syntaxes = (ImplicitVRLittleEndian, JPEG2000Lossless, DeflatedExplicitVRLittleEndian)
    for k, syntax in enumerate(syntaxes):
        content = os.urandom(100_000 + k)
        link = linked(node.port, kinds=(CTImageStorage,), syntaxes=[syntax])
        assert store_raw(link, content, "1.2.3") == 0
        link.release()
        (path,) = node.inbox.arrived()
        assert path.read_bytes().endswith(content)
        meta = pydicom.filereader.read_file_meta_info(path)
        assert (meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID) == (syntax, "1.2.3")
        assert meta.MediaStorageSOPClassUID == CTImageStorage
        path.unlink()


@pytest.mark.parametrize(
    ("who", "told"),
    [
        ({"own": "STRANGER"}, "with STRANGER was rejected: it is not known (--known, --peer)"),
        ({"to": "OTHER"}, "with MODALITY was rejected: it calls OTHER, and this is SANUM"),
    ],
)
def test_titles_that_are_not_known_are_rejected(scp, who, told, caplog):
    assert linked(scp().port, **who).is_rejected
    until(lambda: told in caplog.text)


def test_it_listens_to_this_machine_alone(scp):
    node = scp()
    host = node._server.server_address[0]
    assert host == "127.0.0.1"


def test_ten_associations_at_once_lose_nothing(scp):
    node, statuses = scp(), []

    def send(first):
        link = linked(node.port)
        statuses.extend(store_raw(link, f"{first} {k}".encode() * 500) for k in range(4))
        link.release()

    threads = [threading.Thread(target=send, args=(n,)) for n in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert statuses == [0] * 40
    ends = {path.read_bytes().rpartition(b"\0")[2][-3:] for path in node.inbox.arrived()}
    assert len(node.inbox.arrived()) == len(ends) == 40


def test_more_associations_than_allowed_are_told_to_wait(scp):
    node = scp(associations=2)
    links = [linked(node.port) for _ in range(3)]
    assert [link.is_established for link in links] == [True, True, False]
    assert links[2].acceptor.primitive.result_source == 3
    for link in links[:2]:
        link.abort()


def test_who_connects_and_is_silent_keeps_nobody_out_for_long(scp, monkeypatch):
    monkeypatch.setattr("sanum.clinic.node.store._SILENT_S", 1.0)
    node = scp(associations=2)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port)))
        until(lambda: len(node._server.active_associations) > 2)
        until(lambda: not node._server.active_associations)
        link = linked(node.port)
        assert store_raw(link, b"any") == 0
        link.release()


def test_an_object_that_is_too_large_ends_its_association(scp):
    node = scp(object_bytes=200_000)
    link = linked(node.port)
    assert store_raw(link, bytes(100_000)) == 0
    assert store_raw(link, bytes(150_000)) == 0  # what is handled counts no more
    assert store_raw(link, bytes(300_000)) is None
    assert len(node.inbox.arrived()) == 2
    assert linked(node.port).is_established


def test_the_length_that_a_pdu_claims_is_not_believed(scp):
    node = scp()
    with socket.create_connection(("127.0.0.1", node.port)) as raw_link:
        raw_link.sendall(struct.pack(">BBL", 4, 0, 0xFFFFFFF0) + bytes(1000))
        raw_link.settimeout(5)
        with suppress(ConnectionError):
            assert raw_link.recv(100) == b""  # it hangs up


def test_who_sends_a_byte_now_and_then_is_ended(scp):
    node = scp(idle_s=0.6)
    with socket.create_connection(("127.0.0.1", node.port)) as raw_link, suppress(ConnectionError):
        raw_link.sendall(struct.pack(">BBL", 1, 0, 60_000))
        raw_link.settimeout(0.1)
        for _ in range(100):
            with suppress(TimeoutError):
                assert raw_link.recv(100) == b""  # it hangs up
                break
            raw_link.sendall(b"x")
        else:
            pytest.fail("it still listens")


def test_a_disk_that_is_full_is_said(scp):
    link = linked(scp(kept_free=1 << 60).port)
    assert store_raw(link, b"any") == OUT_OF_RESOURCES
    link.release()


def damaged(rng, content):
    """One of many ways to damage a data set."""
    there = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        at, way = int(rng.integers(len(there))), rng.integers(5)
        if way == 0:
            there[at] = rng.integers(256)
        elif way == 1:
            there[at : at + 4] = struct.pack("<I", int(rng.choice([0, 0xFFFFFFFF, 0x7FFFFFFF, 1 << 16])))
        elif way == 2:
            del there[at : at + int(rng.integers(1, 64))]
        elif way == 3:
            there[at:at] = rng.bytes(int(rng.integers(1, 64)))
        else:
            del there[at:]
        there = there or bytearray(b"\0")
    return bytes(there)


@pytest.mark.parametrize(
    "count", [30, pytest.param(1000, marks=[pytest.mark.full, pytest.mark.timeout(600)])]
)
def test_mutated_objects_neither_crash_nor_fill_it(scp, tmp_path, caplog, count):
    for library in ("pydicom", "pynetdicom"):
        caplog.set_level("CRITICAL", logger=library)  # as a node does
    node, rng = scp(), np.random.default_rng(22)
    contents = [raw(one) for one in head("axial", PatientName="Secret^Name")]
    link, sent = linked(node.port), []
    assert store_raw(link, contents[0]) == 0
    before = peak_memory()
    for k in range(count):
        sent.append(damaged(rng, contents[k % len(contents)]))
        assert store_raw(link, sent[-1]) == 0
    link.release()
    assert peak_memory() - before < 64 << 20
    assert len(node.inbox.arrived()) == count + 1
    folder, queue = NodeFolder(tmp_path), Queue(tmp_path / "states")
    told = sort_arrivals(node.inbox.arrived(), folder, queue)
    kept = [*folder.series.rglob("*.dcm"), *folder.unusable.glob("*.dcm")]
    assert len(kept) + told.copies == count + 1
    assert told.unusable < count
    assert not node.inbox.arrived()
    assert not [path for path in tmp_path.rglob("*") if "Secret" in path.name]
