"""DICOM at the command line: what is there is listed, and what is chosen is done."""

import json
import sys

import numpy as np
import pytest
from pydicom import dcmread

from sanum.scan import read

from ..scan.slices import VOXELS, dataset, save, slices

STUDY = {"StudyInstanceUID": "1.2.5", "FrameOfReferenceUID": "1.2.6"}


@pytest.fixture
def two(tmp_path):
    """Two small series in one folder."""
    save(tmp_path / "export", slices(VOXELS, SeriesNumber="3", SeriesDescription="T2 SECRET"))
    more = slices(VOXELS, series="1.2.4", SeriesNumber="7", SeriesDescription="T1 HIDDEN")
    return save(tmp_path / "export", more, prefix="other")


def as_series(phantom, folder, **tags):
    """The phantom as an axial series."""
    lps = np.diag([-1.0, -1, 1, 1]) @ phantom.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = (lps[:3, :3] / spacing).T
    values = np.rint(phantom.voxels * (900 / phantom.voxels.max())).astype(np.int16)
    made = [
        dataset(
            np.ascontiguousarray(values[..., k].T),
            lps[:3, 3] + k * lps[:3, 2],
            axes=axes,
            PixelSpacing=[float(spacing[1]), float(spacing[0])],
            **tags,
        )
        for k in range(values.shape[2])
    ]
    return save(folder, made)


@pytest.mark.usefixtures("quick")
class TestDicom:
    def test_several_series_are_listed_below_the_sentence(self, sanum, two, tmp_path):
        ran = sanum("reconstruct", two, "-o", tmp_path / "out", "--quiet")
        assert (ran.code, ran.out) == (2, "")
        first, *lines = ran.err.splitlines()
        assert first.startswith("sanum: export holds 2 DICOM series that could be meant: choose one by its")
        assert lines == ["  3: T2 SECRET, 4 slices, T2w", "  7: T1 HIDDEN, 4 slices, T1w"]

    def test_no_description_gets_into_tables(self, sanum, two, tmp_path):
        out = tmp_path / "out"
        ran = sanum("reconstruct", two, tmp_path / "gone.nii", "-o", out, "--quiet")
        assert ran.code == 1
        assert "SECRET" in ran.err
        assert "export holds 2 DICOM series" in (out / "failed.tsv").read_text()
        written = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
        assert len(written) >= 3
        assert not any(b"SECRET" in content or b"HIDDEN" in content for content in written)

    def test_a_series_is_chosen_in_an_export(self, sanum, phantom, tmp_path):
        export = tmp_path / "export"
        as_series(phantom, export / "SE1", SeriesNumber="1", series="1.2.1", SeriesDescription="AX T1")
        save(export / "SE2", slices(VOXELS, SeriesNumber="2"))
        out = tmp_path / "out"
        ran = sanum("reconstruct", export, "-o", out, "--series", "1", "--no-report")
        assert ran.code == 0
        record = json.loads((out / "export_record.json").read_text())
        assert (record["series"], record["contrast"]) == ("1", "T1w")
        assert read(out / "export_desc-brain_mask.nii.gz").grid.same_as(phantom.grid, tolerance_mm=1e-3)
        again = sanum("reconstruct", export, "-o", out, "--series", "1", "--no-report")
        assert "finished before" in again.err

    def test_choices_of_dicom_with_another_scan(self, sanum, phantom_file, tmp_path):
        for words, option in ((["--series", "2"], "--series"), (["--skip-damaged"], "--skip-damaged")):
            sentence = sanum("reconstruct", phantom_file, "-o", tmp_path / "out", "--quiet", *words).refused()
            assert sentence == f"{option} is for DICOM only, and scan.nii.gz is none: leave it out"


@pytest.mark.usefixtures("quick")
class TestDicomOut:
    @pytest.fixture(autouse=True)
    def installed(self, monkeypatch):
        pytest.importorskip("highdicom")
        small = np.zeros((4, 5, 3), np.uint8)  # of tests/clinic, which look at it
        monkeypatch.setattr("sanum.clinic.page.page_pixels", lambda *_: small)

    @pytest.fixture
    def head(self, phantom, tmp_path):
        return as_series(
            phantom, tmp_path / "head", SeriesNumber="4", SeriesDescription="AX T1 SECRET", **STUDY
        )

    def test_a_folder_of_objects_beside_the_results(self, sanum, head, tmp_path):
        out = tmp_path / "out"
        ran = sanum("reconstruct", head, "-o", out, "--dicom", "--omit-empty-frames", "--no-report")
        assert ran.code == 0, ran.err
        objects = out / "head_dicom"
        names = sorted(path.name for path in objects.iterdir())
        assert len([n for n in names if n.startswith("sanum-anatomy-")]) == 50
        assert {"sanum-anomaly.dcm", "sanum-findings.dcm", "sanum-page.dcm"} <= set(names)
        record = json.loads((out / "head_record.json").read_text())
        assert record["outputs"]["dicom"] == "head_dicom"
        assert record["dicom_frames"] == "not empty"
        assert not any(b"SECRET" in path.read_bytes() for path in objects.iterdir())
        (objects / ".DS_Store").write_text("")
        again = sanum("reconstruct", head, "-o", out, "--dicom", "--omit-empty-frames", "--no-report")
        assert "finished before" in again.err
        (objects / "sanum-page.dcm").rename(objects / "notes.txt")
        refused = sanum("reconstruct", head, "-o", out, "--dicom", "--overwrite", "--quiet").refused()
        assert "head_dicom is a folder where a file should go: move it away" in refused
        mask = read(out / "head_desc-anomaly_mask.nii.gz").voxels
        segmented = dcmread(objects / "sanum-anomaly.dcm").pixel_array
        assert segmented.sum() == np.asarray(mask).sum() > 0

    def test_what_goes_with_it_and_what_does_not(self, sanum, head, phantom_file, tmp_path):
        out = tmp_path / "out"
        sentence = sanum("reconstruct", phantom_file, "-o", out, "--dicom", "--quiet").refused()
        assert sentence.startswith("scan.nii.gz is no DICOM: expected the folder of a series")
        sentence = sanum("reconstruct", head, "-o", out, "--dicom", "--skip-damaged").refused()
        assert sentence == "--dicom goes without --skip-damaged: DICOM results are made of whole series"
        sentence = sanum("reconstruct", head, "-o", out, "--omit-empty-frames").refused()
        assert sentence == "--omit-empty-frames goes with --dicom"
        assert not out.exists() or not any(out.glob("*_dicom"))

    def test_without_the_extra(self, sanum, head, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "highdicom", None)
        sentence = sanum("reconstruct", head, "-o", tmp_path / "out", "--dicom", "--quiet").refused()
        assert sentence == "--dicom needs highdicom, which is not installed: pip install 'sanum[clinic]'"
