"""The node's own way in, encrypted: who is silent, or has no certificate, stops nobody else."""

import socket

import pytest

pytest.importorskip("pynetdicom")
pytest.importorskip("cryptography")

from sanum.clinic.node.errors import PeerUnreachable
from sanum.clinic.node.folder import Inbox, NodeFolder
from sanum.clinic.node.peers import Peer
from sanum.clinic.node.send import send
from sanum.clinic.node.store import StorageScp

from .certificates import Authority

pytestmark = [
    pytest.mark.usefixtures("unclosed"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


def test_a_certificate_of_the_authority_is_needed(tmp_path, write):
    authority, inbox = Authority(tmp_path / "authority"), Inbox(NodeFolder(tmp_path / "node"), 0)
    tls = authority.issue("node").server_context()
    with StorageScp(inbox, "SANUM", ["MODALITY"], ("127.0.0.1", 0), tls=tls) as node:
        to, path = Peer("SANUM", "127.0.0.1", node.port), write()
        with socket.create_connection(("127.0.0.1", node.port)):  # and says nothing
            sent = send([path], to, own_aet="MODALITY", tls=authority.issue("scanner"))
            assert sent.stored == (path.stem,)
            for other in (None, Authority(tmp_path / "stranger").issue("stranger")):
                with pytest.raises(PeerUnreachable):
                    send([path], to, own_aet="MODALITY", tls=other, attempts=1)
    (arrived,) = inbox.arrived()
    assert arrived.read_bytes().endswith(path.read_bytes()[-100:])
