"""A result: its files, all whole or none, and what it says of itself."""

import base64
import io
import json
import math
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sanum.healthy.grids import ScanMaps
from sanum.healthy.outputs import OUTPUTS, file_names, record_name
from sanum.healthy.residual import Residual
from sanum.healthy.result import Reconstruction
from sanum.healthy.witness import Heard, Parts
from sanum.methods.api import Result
from sanum.methods.common import saving
from sanum.scan import ScanError, read, write
from sanum.scan.write import settle

NAMES = [
    "sub-1_acq-T2w_desc-anatomy_T1w.nii.gz",
    "sub-1_acq-T2w_desc-anomaly_mask.nii.gz",
    "sub-1_acq-T2w_desc-anomaly_probseg.nii.gz",
    "sub-1_acq-T2w_desc-brain_mask.nii.gz",
    "sub-1_acq-T2w_desc-uncertainty_map.nii.gz",
    "sub-1_acq-T2w_lesions.json",
    "sub-1_acq-T2w_lesions.tsv",
    "sub-1_acq-T2w_report.html",
]


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


class TestSave:
    def test_everything_is_there_and_on_the_grid(self, small, tmp_path):
        paths = small.save(tmp_path / "a" / "out")
        assert sorted(p.name for p in paths) == left_in(tmp_path / "a" / "out") == NAMES
        for name, image in small.images.items():
            back = read(tmp_path / "a" / "out" / file_names(small.name)[name])
            assert back.grid.same_as(small.scan.grid)
            np.testing.assert_array_equal(back.voxels, image.voxels)

    def test_what_the_anomaly_is_made_of_is_written_on_request(self, small, tmp_path):
        box = (slice(5, 15), slice(4, 16), slice(5, 15))
        quarter, brain = np.zeros(small.scan.voxels.shape, "f4"), np.zeros(small.scan.voxels.shape, "u1")
        quarter[box], brain[box] = 0.25, 1
        network = small.scan.with_voxels(quarter)
        maps = ScanMaps(small.anatomy, network, network, network, small.scan.with_voxels(brain))
        z = np.full((10, 12, 10), -2.5, "f4")
        heard = Heard(Residual(z, z), z, small.scan.grid.part(box))
        result = replace(small, witnesses=Parts(small.scan, maps, "T2w", heard))
        result.save(tmp_path, maps="all", report=False)
        for name, value in (("network", 0.25), ("residual", -2.5)):
            back = read(tmp_path / file_names(small.name, maps="all")[name])
            assert back.grid.same_as(small.scan.grid)
            assert (back.voxels[box] == value).all()
            assert (back.voxels != 0).sum() == z.size
        result.save(tmp_path, overwrite=True, report=False)
        assert left_in(tmp_path) == NAMES[:-1]
        with pytest.raises(ValueError, match='maps is "usual" or "all", not "some"'):
            result.save(tmp_path, maps="some")

    @pytest.mark.usefixtures("no_pictures")
    def test_the_report_tells_the_warnings(self, small):
        page = small.report()
        assert "a warning &lt;of&gt; the run" in page
        assert "a warning of the reader" in page
        assert '<table class="lesions" aria-label=' in page
        assert "sub-1_T2w.nii.gz" in page

    def test_a_scan_without_a_file(self, small):
        nameless = replace(small, scan=replace(small.scan, path=None))
        assert nameless.name == "scan"

    @pytest.mark.usefixtures("no_pictures")
    def test_nothing_is_replaced_unasked(self, small, tmp_path):
        (tmp_path / NAMES[3]).write_text("precious")
        with pytest.raises(ScanError, match="exists: pass --overwrite"):
            small.save(tmp_path)
        assert left_in(tmp_path) == [NAMES[3]]
        assert (tmp_path / NAMES[3]).read_text() == "precious"
        small.save(tmp_path, overwrite=True)
        assert left_in(tmp_path) == NAMES
        assert read(tmp_path / NAMES[3]).grid.same_as(small.scan.grid)

    def test_a_file_where_the_folder_should_be(self, small, tmp_path):
        (tmp_path / "out").write_text("precious")
        with pytest.raises(ScanError, match="is not a folder"):
            small.save(tmp_path / "out", overwrite=True)
        assert (tmp_path / "out").read_text() == "precious"

    def test_a_report_that_fails_leaves_nothing(self, small, tmp_path, monkeypatch):
        monkeypatch.setattr(Reconstruction, "report", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            small.save(tmp_path)
        assert left_in(tmp_path) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
    def test_a_file_too_large_leaves_what_was_there(self, small, tmp_path, monkeypatch):
        import resource
        import signal

        (tmp_path / NAMES[0]).write_text("precious")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        monkeypatch.setattr(Reconstruction, "report", lambda self: "")
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        try:
            with pytest.raises(ScanError) as refused:
                small.save(tmp_path, overwrite=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert str(refused.value) == (
            f"cannot write to {tmp_path}: the file would be larger than allowed; "
            "raise the limit or choose another folder"
        )
        assert left_in(tmp_path) == [NAMES[0]]
        assert (tmp_path / NAMES[0]).read_text() == "precious"

    def test_a_full_disk(self, small, tiny_disk):
        with pytest.raises(ScanError) as refused:
            small.save(tiny_disk / "out")
        assert str(refused.value) == f"cannot write to {tiny_disk / 'out'}: the disk is full; free some space"
        assert left_in(tiny_disk / "out") == []

    def test_a_left_out_report_goes_only_after_the_new_files_are_there(self, small, tmp_path, monkeypatch):
        """Of an earlier result, it does not fit the new images; if those are not written, it stays."""
        monkeypatch.setattr(Reconstruction, "report", lambda _: "a page")
        small.save(tmp_path)
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

        def fail(scan, path):
            if "uncertainty" in path.name:
                raise OSError(28, "No space left on device")
            return write(scan, path)

        with monkeypatch.context() as broken:
            broken.setattr(saving, "write", fail)
            with pytest.raises(ScanError, match="the disk is full"):
                small.save(tmp_path, overwrite=True, report=False)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
        small.save(tmp_path, overwrite=True, report=False)
        assert left_in(tmp_path) == NAMES[:-1]

    def test_what_a_killed_process_did_not_remove_goes_later(self, small, tmp_path, monkeypatch):
        monkeypatch.setattr(Reconstruction, "report", lambda _: "a page")
        small.save(tmp_path, record={"of": "before"})
        with monkeypatch.context() as killed:
            killed.setattr(sys.modules["sanum.scan.write"], "settle", Killed())  # hidden by the function
            with pytest.raises(KeyboardInterrupt):
                small.save(tmp_path, overwrite=True, report=False, record={"of": "now"})
        assert NAMES[-1] in left_in(tmp_path)
        last = record_name(small.name)
        settle(tmp_path, small.name, last=last)
        assert left_in(tmp_path) == sorted([*NAMES[:-1], last])
        assert json.loads((tmp_path / last).read_text()) == {"of": "now"}


class Killed:
    """`settle` of a process that is killed when all is written and nothing has moved."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt


def test_it_is_a_result_as_any_method_s(small):
    assert isinstance(small, Result)
    assert [*small.outputs] == [*OUTPUTS]
    for name, image in small.images.items():
        assert small.outputs[name].content is image is getattr(small, name)


def test_its_numbers_are_those_of_the_masks(small):
    ml = small.scan.grid.voxel_volume_ml
    assert small.numbers == {
        "anomaly_ml": pytest.approx(small.anomaly_mask.voxels.sum() * ml),
        "lesions": 1,
        "brain_ml": pytest.approx(small.brain.voxels.sum() * ml),
        "mean_uncertainty": pytest.approx(small.uncertainty.voxels[small.brain.voxels > 0].mean()),
        "quality": pytest.approx(math.nan, nan_ok=True),
    }


def test_the_report_is_made_once_and_only_when_it_is_looked_at(small, monkeypatch):
    made = []
    monkeypatch.setattr(Reconstruction, "report", lambda _: made.append(1) or "a page")
    output = small.outputs["report"]
    assert not made
    assert output.content == output.content == "a page"
    assert len(made) == 1


def test_a_notebook_shows_pictures_numbers_and_warnings(small):
    html = replace(small, contrast="<T2w>")._repr_html_()
    picture = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', html)[1], validate=True)
    assert Image.open(io.BytesIO(picture)).size[0] > 1000
    for said in (
        "sub-1_T2w.nii.gz",
        "a warning &lt;of&gt; the run",
        "Contrast: &lt;T2w&gt;",
        f"Brain: {small.numbers['brain_ml']:.0f} mL",
        f"Anomaly: {small.numbers['anomaly_ml']:.1f} mL",
        "Mean uncertainty: 0.5",
        "Research use only",
    ):
        assert said in html
    assert "<script" not in html
    assert html.count("<div") == html.count("</div>")


def test_a_terminal_shows_a_line_and_not_the_voxels(small):
    text = repr(replace(small, contrast="T2w", warnings=("thick slices",)))
    assert text.startswith("Reconstruction of sub-1_acq-T2w (T2w): anomaly_ml ")
    assert text.endswith("\n  warning: thick slices")
    assert len(text) < 200
    assert repr(small.scan).startswith(f"Scan({' × '.join(map(str, small.scan.voxels.shape))} voxels of ")
