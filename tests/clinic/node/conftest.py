"""Peers on loopback, made of pynetdicom's own classes, and small files to send."""

import gc
import threading
import warnings
from types import SimpleNamespace

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, SegmentationStorage, generate_uid

FIND = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture
def write(tmp_path):
    """Write a small object; its path, with its identifier as the stem."""

    def make(kind=MRImageStorage, syntax=ExplicitVRLittleEndian, **tags):
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = syntax
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = kind
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid(None)
        one.StudyInstanceUID, one.SeriesInstanceUID, one.Modality = "1.2.3", "1.2.3.4", "MR"
        for name, value in tags.items():
            setattr(one, name, value)
        path = tmp_path / f"{one.SOPInstanceUID}.dcm"
        one.save_as(path, enforce_file_format=True, implicit_vr=None)
        return path

    return make


@pytest.fixture(scope="module")
def running():
    """Servers of a module's tests; each takes half a second to stop, so they stop together."""
    servers = []
    yield servers
    stopping = [threading.Thread(target=server.shutdown) for server in servers]
    for one in stopping:
        one.start()
    for one in stopping:
        one.join()


@pytest.fixture(scope="module")
def unclosed():
    """pynetdicom drops the socket of a connection that fails, unclosed: no later test is to hear of it."""
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
        gc.collect()


@pytest.fixture
def peer(running):
    """Start an application entity; what it got is in `got`, by identifier."""
    pytest.importorskip("pynetdicom")
    from pynetdicom import AE, evt

    from sanum.clinic.node.peers import Peer

    def start(*answers, kinds=(MRImageStorage, SegmentationStorage), syntaxes=None, own="PEER", **more):
        """Statuses of what arrives, one after the other, or functions of the event; then success."""
        entity, got, waiting = AE(own), {}, list(answers)
        entity.require_called_aet = True
        entity.require_calling_aet = more.get("known", [])
        for kind in kinds:
            entity.add_supported_context(kind, *([syntaxes] if syntaxes else []))
        if "find" in more:
            entity.add_supported_context(FIND)

        def store(event):
            answer = waiting.pop(0) if waiting else 0x0000
            if callable(answer):
                answer = answer(event)
            status = getattr(answer, "Status", answer)
            if status == 0x0000 or status >> 12 == 0xB:
                got[event.request.AffectedSOPInstanceUID] = event.encoded_dataset(include_meta=False)
            return answer

        handlers = [(evt.EVT_C_STORE, store)]
        if "find" in more:
            handlers.append((evt.EVT_C_FIND, more["find"]))
        server = entity.start_server(
            ("127.0.0.1", more.get("port", 0)),
            block=False,
            evt_handlers=handlers,
            ssl_context=more.get("tls"),
        )
        running.append(server)
        port = server.socket.getsockname()[1]
        peer = Peer(own, more.get("host", "127.0.0.1"), port)
        return SimpleNamespace(peer=peer, got=got, server=server)

    return start


class Waits(list):
    """Seconds that were waited, without waiting; `then` is called first."""

    def __init__(self, then=None):
        super().__init__()
        self.then = then

    def __call__(self, seconds):
        self.append(seconds)
        if self.then:
            self.then(len(self))


@pytest.fixture
def waits():
    return Waits
