import pydicom
import pytest

from sanum.clinic.node.counts import instances_expected
from sanum.clinic.node.errors import PeerUnreachable
from sanum.clinic.node.peers import Peer

pytest.importorskip("pynetdicom")
SERIES = ("1.2.3", "1.2.3.4")


def ask(peer):
    return instances_expected(peer, *SERIES, own_aet="SANUM")


def answering(*series, status=0xFF00):
    """Matches with these series and counts."""

    def find(event):
        assert event.identifier.QueryRetrieveLevel == "SERIES"
        for uid, count in series:
            match = pydicom.Dataset()
            match.SeriesInstanceUID = uid
            if count is not None:
                match.add_new("NumberOfSeriesRelatedInstances", "LO", count)  # whatever it says
            yield status, match

    return find


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ([("1.2.3.4", "176")], 176),
        ([("9.9", "3"), ("1.2.3.4", "20")], 20),  # servers that pay no heed to the series
        ([("1.2.3.4", "")], None),
        ([("1.2.3.4", None)], None),  # does not count
        ([("1.2.3.4", "abc")], None),
        ([("1.2.3.4", "-3")], None),
        ([], None),
    ],
)
def test_by_c_find(peer, matches, expected):
    assert ask(peer(find=answering(*matches)).peer) == expected


def test_who_does_not_offer_it_or_fails(peer):
    assert ask(peer().peer) is None
    assert ask(peer(find=answering(("1.2.3.4", "3"), status=0xA900)).peer) is None


def test_a_peer_that_goes_away(peer):
    def vanish(event):
        event.assoc.abort(block=False)
        yield 0xC000, None

    with pytest.raises(PeerUnreachable, match="went away"):
        ask(peer(find=vanish).peer)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_peer_that_is_away():
    with pytest.raises(PeerUnreachable, match="nobody listens at this port"):
        ask(Peer("PEER", "127.0.0.1", 1))
