"""Arrivals in the folder of their series: copies, doubles, and what belongs nowhere."""

from io import BytesIO

import pytest

from sanum.clinic.node.arrivals import recount, sort_arrivals
from sanum.clinic.node.folder import Inbox, NodeFolder
from sanum.clinic.node.queue import Queue, read_entries

from ..series import head
from .wire import raw

UID = "1.2.3.4.7"


@pytest.fixture
def node(tmp_path):
    """A folder, and a function that sorts objects into it."""
    folder = NodeFolder(tmp_path)
    inbox, queue = Inbox(folder, 0), Queue(folder.states)

    def arrive(*datasets):
        for one in datasets:
            content = one if isinstance(one, bytes) else None
            if content is None:
                one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
                path = tmp_path / "made"
                one.save_as(path, enforce_file_format=True)
                content = path.read_bytes()
            inbox.put([content])
        return sort_arrivals(inbox.arrived(), folder, queue)

    arrive.folder, arrive.queue = folder, queue
    return arrive


def test_each_series_has_a_folder(node):
    other = head("axial", SeriesInstanceUID="1.2.9")
    told = node(*head("axial")[:4], *other[:2])
    assert set(told.keys) == {UID, "1.2.9"}
    assert {path.name: len(list(path.iterdir())) for path in node.folder.series.iterdir()} == {
        UID: 4,
        "1.2.9": 2,
    }
    assert node.queue.get(UID).count == 4
    assert (node.queue.get(UID).study_uid, node.queue.get(UID).series_uid) == ("1.2.3.4.5", UID)


def test_a_copy_changes_nothing(node):
    made = head("axial")
    node(*made)
    node.queue.change(UID, state="done")
    assert node(*made).keys == ()
    again = made[0]
    again.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"  # the same, in another encoding
    assert node(again).copies == 1
    assert (node.queue.get(UID).state, node.queue.get(UID).count) == ("done", 10)


@pytest.mark.parametrize("state", ["error", "discarded"])
def test_what_was_refused_is_looked_at_again_when_it_is_sent_again(node, state):
    made = head("axial")
    node(*made)
    node.queue.change(UID, state=state, reason="any")
    assert node(*made).copies == 10
    assert (node.queue.get(UID).state, node.queue.get(UID).count) == ("incoming", 10)


@pytest.mark.parametrize("state", ["processing", "done", "error", "discarded"])
def test_a_late_plane_opens_its_series_again(node, state):
    made = head("axial")
    node(*made[:9])
    node.queue.change(UID, state=state, reason="any", is_made=True, starts=2, tries=4, sent={"A@h:1": 3})
    node(made[9])
    entry = node.queue.get(UID)
    assert (entry.state, entry.reason, entry.count, entry.is_made) == ("incoming", "", 10, False)
    assert (entry.starts, entry.tries, entry.sent) == (0, 0, {})


def test_two_planes_of_one_identifier_are_both_kept(node):
    made = head("axial")
    made[1].SOPInstanceUID = made[0].SOPInstanceUID
    assert node(made[0], made[1]).copies == 0
    assert len(list((node.folder.series / UID).iterdir())) == 2
    assert node(made[1]).copies == 1


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_identifiers_from_the_network_are_no_paths(node, tmp_path):
    for k, uid in enumerate(("../../up", "/etc/x", "..", "1.2\\3", "é", ".hidden")):
        one = head("axial")[k]
        one.SeriesInstanceUID = one.SOPInstanceUID = uid
        node(raw_file(one))
    inside = [path for path in tmp_path.rglob("*.dcm") if path.is_relative_to(tmp_path / "series")]
    assert len(inside) == 6
    assert all(path.name.startswith("x") and path.parent.name.startswith("x") for path in inside)


def raw_file(one):
    return bytes(128) + b"DICM" + META + raw(one)


META = (
    bytes.fromhex("0200000055 4c0400 1c000000 02001000 5549 1400".replace(" ", "")) + b"1.2.840.10008.1.2.1\0"
)


def test_what_cannot_be_read_is_kept_aside(node):
    without = head("axial")[0]
    del without.SeriesInstanceUID
    assert node(b"", b"no DICOM at all" * 99, raw_file(without)).unusable == 3
    assert len(list(node.folder.unusable.iterdir())) == 3
    assert read_entries(node.folder.states) == {}


def test_states_are_made_to_fit_what_is_there(node):
    """As after a kill between moving a file and saying so, and after the loss of a state."""
    node(*head("axial"), *head("axial", SeriesInstanceUID="1.2.9"))
    node.queue.change(UID, state="done", is_made=True)
    next((node.folder.series / UID).iterdir()).rename(node.folder.series / UID / "1.2.77.dcm")
    (node.folder.states / "1.2.9.json").write_text("{")
    queue = Queue(node.folder.states)
    recount(node.folder, queue)
    assert queue.get(UID).state == "done"
    assert (queue.get("1.2.9").state, queue.get("1.2.9").count) == ("incoming", 10)
    (node.folder.series / UID / "1.2.78.dcm").touch()
    recount(node.folder, queue)
    assert (queue.get(UID).state, queue.get(UID).count, queue.get(UID).is_made) == ("incoming", 11, False)


def test_planes_that_somebody_removed_open_nothing(node):
    node(*head("axial"))
    node.queue.change(UID, state="done", is_made=True)
    next((node.folder.series / UID).iterdir()).unlink()
    recount(node.folder, node.queue)
    assert (node.queue.get(UID).state, node.queue.get(UID).is_made) == ("done", True)


@pytest.mark.parametrize("state", ["incoming", "done", "error"])
def test_a_whole_object_replaces_a_damaged_one(node, state):
    made = head("axial")
    node(*made[1:])
    whole = bytes_of(made[0])
    node(whole[:-2000])
    node.queue.change(UID, state=state)
    told = node(whole)
    assert (told.keys, told.copies) == ((UID,), 1)
    assert (node.queue.get(UID).state, node.queue.get(UID).count) == ("incoming", 10)
    assert whole in [path.read_bytes() for path in (node.folder.series / UID).iterdir()]
    node.queue.change(UID, state="done")
    assert node(whole[:-3000]).keys == ()
    assert whole in [path.read_bytes() for path in (node.folder.series / UID).iterdir()]


def test_of_two_damaged_copies_the_longer_one_stays(node):
    whole = bytes_of(head("axial")[0])
    node(whole[:-2000])
    assert node(whole[:-2500]).keys == ()
    assert node(whole[:-1000]).keys == (UID,)
    (kept,) = (node.folder.series / UID).iterdir()
    assert kept.read_bytes() == whole[:-1000]


def test_other_pixels_under_the_same_header_are_both_kept(node):
    made = head("axial")
    node(*made)
    made[4].PixelData = bytes(len(made[4].PixelData))
    assert node(made[4]).keys == (UID,)
    assert len(list((node.folder.series / UID).iterdir())) == 11


def bytes_of(one):
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    buffer = BytesIO()
    one.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
