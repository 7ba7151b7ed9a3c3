"""A real head through the whole node with the network that ships."""

from io import BytesIO

import pydicom
import pytest

pytest.importorskip("pynetdicom")
pytest.importorskip("highdicom")

from pynetdicom import AllStoragePresentationContexts

from sanum.cli.node.parts import job_of

from .light import Running, settings_of, store, until

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def test_its_objects_come_to_the_study_of_the_source(shared_data, tmp_path, peer):
    source = [pydicom.dcmread(path) for path in sorted((shared_data / "dicom" / "pd-axial").iterdir())]
    archive = peer(kinds=[one.abstract_syntax for one in AllStoragePresentationContexts])
    job = job_of("cpu", 1, None, fast=True)
    with Running(tmp_path / "node", job, settings_of(archive.peer)) as running:
        assert set(store(running.port, source)) == {0}
        until(lambda: set(running.states().values()) & {"done", "error", "discarded"}, 500)
        (entry,) = running.node.queue.of("done")
    assert entry.sent == {str(archive.peer): len(archive.got)}
    tags = ["StudyInstanceUID", "Modality"]
    got = [pydicom.dcmread(BytesIO(one), force=True, specific_tags=tags) for one in archive.got.values()]
    assert {one.StudyInstanceUID for one in got} == {source[0].StudyInstanceUID}
    assert sum(one.Modality == "MR" for one in got) >= len(source)
    assert {one.Modality for one in got} >= {"MR", "SR"}
    assert entry.count == len(source)
