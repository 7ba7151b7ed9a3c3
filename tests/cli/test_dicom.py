"""DICOM at the command line: what is there is listed, and what is chosen is done."""

import json

import numpy as np
import pytest

from sanum.scan import read

from ..scan.slices import VOXELS, dataset, save, slices


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
