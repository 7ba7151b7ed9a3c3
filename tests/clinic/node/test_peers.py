import pytest

from sanum.clinic.node.errors import NodeError
from sanum.clinic.node.peers import Peer, WebPeer, aet_from, peer_from


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("PACS@archive.example:104", Peer("PACS", "archive.example", 104)),
        (" MY PACS @10.0.0.7:11112", Peer("MY PACS", "10.0.0.7", 11112)),
        ("A@[::1]:4242", Peer("A", "::1", 4242)),
        ("http://127.0.0.1:8042/dicom-web/", WebPeer("http://127.0.0.1:8042/dicom-web")),
        ("HTTPS://pacs.example", WebPeer("HTTPS://pacs.example")),
    ],
)
def test_peers_and_their_texts(text, peer):
    assert peer_from(text) == peer
    assert peer_from(str(peer)) == peer


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("PACS", "expected a peer as AET@host:port or https://…, got 'PACS'"),
        ("PACS@host", "expected a peer as AET@host:port"),
        ("@host:104", "expected a peer as AET@host:port"),
        ("A@B@host:104", "expected a peer as AET@host:port"),
        ("PACS@host:0", "expected a port from 1 to 65535, got 0"),
        ("PACS@host:65536", "expected a port from 1 to 65535, got 65536"),
        ("SEVENTEENLETTERSX@host:104", "expected an AE title of 1 to 16 ASCII characters"),
        ("PÄCS@host:104", "expected an AE title"),
        ("A\\B@host:104", "expected an AE title"),
        ("https://", "expected the address of a DICOMweb server"),
        ("https://host:port/", "expected the address of a DICOMweb server"),
        ("https://a host/", "expected the address of a DICOMweb server"),
        ("https://host/?q=1", r"without \? and #"),
        ("https://user:secret@host/", "others could read: put both into ~/.netrc"),
    ],
)
def test_what_is_no_peer_is_said_in_one_sentence(text, told):
    with pytest.raises(NodeError, match=told) as error:
        peer_from(text)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_spaces_around_a_title_do_not_count():
    assert aet_from(" SANUM  ") == "SANUM"
    with pytest.raises(NodeError, match="got '  '"):
        aet_from("  ")
