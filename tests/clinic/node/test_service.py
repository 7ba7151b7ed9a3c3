"""The loop: series come in, heads are done once, results go out, and all is listed with its reason."""

from itertools import zip_longest

import pytest

pytest.importorskip("pynetdicom")

from pydicom.uid import SecondaryCaptureImageStorage

from sanum.clinic.node.ways import WaysIn

from ...scan.slices import save
from .light import OBJECTS, Running, light_job, settings_of, store, until
from .made import series
from .wire import linked


def test_from_the_scanner_to_the_archive(tmp_path, peer, caplog):
    caplog.set_level("DEBUG", logger="sanum")
    archive = peer(kinds=(SecondaryCaptureImageStorage,))
    notes = tmp_path / "notes"
    all_series = {
        "1.2.1": series("1.2.1"),
        "1.2.2": series("1.2.2", is_head=False),
        "1.2.3": series("1.2.3", without=(4,)),
        "1.2.4": series("1.2.4", Modality="US"),
        "1.2.5": series("1.2.5", ImageType=["DERIVED", "SECONDARY"]),
        "1.2.6": series("1.2.6")[:3],
        "1.2.7": series("1.2.7"),
    }
    late = all_series["1.2.7"][-2:]
    all_series["1.2.7"] = all_series["1.2.7"][:-2]
    with Running(tmp_path / "node", light_job(notes), settings_of(archive.peer)) as running:
        mixed = [one for some in zip_longest(*all_series.values()) for one in some if one]
        assert set(store(running.port, mixed)) == {0}
        until(lambda: running.has_ended(len(mixed)))
        assert running.states()["1.2.7"] == "discarded"  # 8 planes
        store(running.port, late)
        until(lambda: running.has_ended(len(mixed) + len(late)))
        reasons = {one.key: one.reason for one in running.node.queue.of("error", "discarded")}
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o700
    assert sorted(notes.read_text().split()) == ["1.2.1", "1.2.7", "10", "10"]
    assert len(archive.got) == 2 * OBJECTS
    assert reasons == {
        "1.2.2": "no head found in 1.2.2: too dark",
        "1.2.3": "1.2.3 lacks 1 of 10 planes, by the distances between the others: DICOM results are made of "
        "whole series; send or export it again",
        "1.2.4": "its modality is US, not MR or CT",
        "1.2.5": "it is derived from another series",
        "1.2.6": "it has 3 planes, less than 10",
    }
    names = ("ller", "P-17", "19501224", "A-4711")
    told = caplog.text + "".join(path.read_text() for path in (tmp_path / "node" / "states").iterdir())
    told += "".join(map(str, tmp_path.rglob("*")))
    assert "1.2.3: error" in told
    assert not [name for name in names if name in told]


def test_the_archive_counts_and_a_folder_is_watched(tmp_path, peer, monkeypatch):
    counts = {"1.2.1": 10, "1.2.2": 12}

    def find(event):
        match = event.identifier
        match.NumberOfSeriesRelatedInstances = str(counts[match.SeriesInstanceUID])
        yield 0xFF00, match

    monkeypatch.setattr("sanum.clinic.node.ways.WATCH_EVERY_S", 0.2)
    archive = peer(kinds=(SecondaryCaptureImageStorage,), find=find)
    made = {uid: save(tmp_path / "watched" / uid, series(uid)) for uid in counts}
    ways = WaysIn((tmp_path / "watched",), remove=True, quiet_s=0.3)
    settings = settings_of(archive.peer, known=(), ways=ways, ask=archive.peer)
    with Running(tmp_path / "node", light_job(tmp_path / "notes"), settings) as running:
        until(lambda: running.states() == {"1.2.1": "done", "1.2.2": "error"})
        entries = {one.key: one for one in running.node.queue.of("done", "error")}
        assert linked(running.port, own="ANYBODY").is_rejected
    assert (entries["1.2.1"].expected, entries["1.2.2"].expected) == (10, 12)
    assert entries["1.2.2"].reason == "10 of 12 objects came, by the archive's count"
    assert not [path for folder in made.values() for path in folder.iterdir()]


def test_an_error_of_the_node_stops_one_series_and_tells_no_values(tmp_path, peer, monkeypatch):
    def fails(delivery, entry):
        raise ValueError("Secret^Name")

    monkeypatch.setattr("sanum.clinic.node.deliver.Delivery.do", fails)
    with Running(tmp_path / "node", light_job(tmp_path / "notes"), settings_of()) as running:
        store(running.port, series("1.2.1"))
        reason = "waits after an error of the node, ValueError in test_service.py, line "
        until(lambda: running.node.queue.of("processing") and running.node.queue.get("1.2.1").reason)
        assert running.node.queue.get("1.2.1").reason.startswith(reason)
        assert running.node.queue.get("1.2.1").is_made
