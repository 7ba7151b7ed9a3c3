"""The loop: series come in, heads are done once, results go out, and all is listed with its reason."""

from itertools import zip_longest

import pytest

pytest.importorskip("pynetdicom")

from pydicom.uid import SecondaryCaptureImageStorage

from .light import OBJECTS, Running, light_job, settings_of, store, until
from .made import series


def test_from_the_scanner_to_the_archive(tmp_path, peer):
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
        until(lambda: set(running.states().values()) <= {"done", "error", "discarded"} and running.states())
        assert running.states()["1.2.7"] == "discarded"  # 8 planes
        store(running.port, late)
        until(lambda: running.states()["1.2.7"] == "done")
        reasons = {one.key: one.reason for one in running.node.queue.of("error", "discarded")}
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
