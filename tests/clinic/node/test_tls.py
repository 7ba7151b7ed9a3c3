"""TLS both ways, with certificates made here."""

import socket
from pathlib import Path

import pytest

from sanum.clinic.node.counts import instances_expected
from sanum.clinic.node.errors import NodeError, PeerUnreachable
from sanum.clinic.node.send import send
from sanum.clinic.node.tls import Tls

pytest.importorskip("pynetdicom")
pytest.importorskip("cryptography")

from .certificates import Authority

pytestmark = [
    pytest.mark.usefixtures("unclosed"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ours")


def test_a_round_trip(authority, peer, write):
    def find(event):
        match = event.identifier
        match.NumberOfSeriesRelatedInstances = "12"
        yield 0xFF00, match

    there = peer(tls=authority.issue("peer").server_context(), find=find)
    own, path = authority.issue("node"), write()
    assert send([path], there.peer, own_aet="SANUM", tls=own).stored == (path.stem,)
    assert instances_expected(there.peer, "1.2.3", "1.2.3.4", own_aet="SANUM", tls=own) == 12


def test_who_is_silent_keeps_nobody_out(authority, peer, write):
    there, path = peer(tls=authority.issue("peer").server_context()), write()
    with socket.create_connection((there.peer.host, there.peer.port)):
        sent = send([path], there.peer, own_aet="SANUM", tls=authority.issue("node"), attempts=1)
    assert sent.stored == (path.stem,)


def test_nobody_without_our_authority(authority, peer, write, tmp_path):
    there, stranger = peer(tls=authority.issue("peer").server_context()), Authority(tmp_path / "other")
    unbelieved = stranger.issue("node")
    impostor = Tls(unbelieved.certificate, unbelieved.key, authority.path)
    for tls in (None, unbelieved, impostor):
        with pytest.raises(PeerUnreachable):
            send([write()], there.peer, own_aet="SANUM", tls=tls, attempts=1)
    assert not there.got


def test_a_peer_whose_certificate_names_another_host(authority, peer, write):
    there = peer(tls=authority.issue("peer", host="127.0.0.9").server_context())
    with pytest.raises(PeerUnreachable, match="its certificate is not believed, or names another host"):
        send([write()], there.peer, own_aet="SANUM", tls=authority.issue("node"), attempts=1)


@pytest.mark.parametrize("which", ["certificate", "key", "authority"])
def test_files_that_cannot_be_used(authority, which):
    good = authority.issue("node")
    with pytest.raises(NodeError, match=r"no such file for TLS: /nonexistent"):
        Tls(**{**vars(good), which: Path("/nonexistent")}).client_context()
    Path(getattr(good, which)).write_text("no certificate")
    with pytest.raises(NodeError, match=r"expected (a certificate|certificates)"):
        good.server_context()


def test_a_key_with_a_password(authority):
    with pytest.raises(NodeError, match="and its key, without a password, in"):
        authority.issue("node", password=b"secret").server_context()
