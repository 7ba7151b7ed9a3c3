"""What lies in a folder, which series of it is meant, and what a damaged file does."""

import shutil

import numpy as np
import pytest
from pydicom.uid import BasicTextSRStorage, SecondaryCaptureImageStorage

from sanum.scan import ScanError, read

from .slices import ORIGIN, SLICES, VOXELS, dataset, refusal, save, slices

T1 = {"series": "1.2.4", "SeriesDescription": "AX T1", "SeriesNumber": "7"}
T2 = {"series": "1.2.3", "SeriesDescription": "AX T2 FLAIR", "SeriesNumber": "3"}


def other(scale=2):
    return (VOXELS * scale).astype(np.int16)


@pytest.fixture
def two(tmp_path):
    """Two volumes in one folder."""
    save(tmp_path / "export", slices(VOXELS, **T2))
    return save(tmp_path / "export", slices(other(), **T1), prefix="other")


def listing(source, **options):
    with pytest.raises(ScanError) as caught:
        read(source, **options)
    return str(caught.value).splitlines()


def test_several_series_are_listed_below_the_sentence(two):
    """The first line, which tables keep, says nothing of the descriptions."""
    first, *lines = listing(two)
    assert first.startswith("export holds 2 DICOM series that could be meant: choose one by its number")
    assert lines == ["  3: AX T2 FLAIR, 4 slices, FLAIR", "  7: AX T1, 4 slices, T1w"]


@pytest.mark.parametrize("choice", ["7", 7, "07", "1.2.4", "AX T1", "ax t1", "t1", " 7 "])
def test_a_series_is_chosen_by_number_uid_or_description(two, choice):
    scan = read(two, series=choice)
    np.testing.assert_array_equal(scan.voxels, other())
    assert (scan.contrast, scan.warnings) == ("T1w", ())


def test_a_choice_that_nothing_or_several_fit(two):
    first, *lines = listing(two, series="9")
    assert first.startswith('export holds no DICOM series "9": choose one of 2 by its number')
    assert len(lines) == 2
    first, *lines = listing(two, series="ax")
    assert first.startswith('export holds 2 DICOM series that "ax" could mean: choose one by its UID')
    assert lines == ["  1.2.3: AX T2 FLAIR, 4 slices, FLAIR", "  1.2.4: AX T1, 4 slices, T1w"]


def test_series_of_one_number_are_listed_by_uid(tmp_path):
    save(tmp_path, slices(VOXELS, **T2))
    save(tmp_path, slices(VOXELS, **{**T1, "SeriesNumber": "3"}), prefix="other")
    assert [line.split(":")[0] for line in listing(tmp_path)[1:]] == ["  1.2.3", "  1.2.4"]


def test_folders_below_an_export_are_searched(tmp_path):
    """With an index, a report and a localizer, as archives write them."""
    export = tmp_path / "export"
    save(export / "SE1", slices(VOXELS[..., :2], series="9.1", SeriesDescription="3-plane Localizer"))
    save(export / "deep" / "SE2", slices(VOXELS, **T2))
    report = dataset(VOXELS[:, :, 0].T, ORIGIN, series="9.2", Rows=None, Columns=None, PixelData=None)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.save_as(export / "SE1" / "report", enforce_file_format=True)
    shutil.copy(export / "SE1" / "report", export / "DICOMDIR")
    scan = read(export)
    np.testing.assert_array_equal(scan.voxels, VOXELS)
    assert scan.warnings == (
        "2 DICOM series are there, and series 3 was read: the others are no volumes (localizers, screenshots "
        "and the like) or derived from others",
    )
    save(export / "SE3", slices(other(), **T1))
    assert [line.split(":")[0] for line in listing(export)[1:]] == ["  9.1", "  3", "  7"]
    np.testing.assert_array_equal(read(export, series=7).voxels, other())


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer"),
        ({"SeriesDescription": "3-plane Localizer"}, "a localizer"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "a screenshot or document"),
        ({"Modality": "OT"}, "a screenshot or document"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "in colour"),
        ({"ImageType": ["DERIVED", "SECONDARY", "PROJECTION IMAGE"]}, "a projection"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "derived from another series"),
    ],
)
def test_what_is_no_volume_is_left_aside_with_a_word(tmp_path, tags, kind):
    save(tmp_path, slices(VOXELS, **T2))
    save(tmp_path, slices(other(), series="1.2.4", **tags), prefix="scout")
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.voxels, VOXELS)
    assert "2 DICOM series are there, and series 3 was read" in scan.warnings[0]
    lines = listing(tmp_path, series="nothing")[1:]
    assert [line.endswith(f"({kind})") for line in lines] == [True, False]


def test_one_localizer_among_the_slices_of_a_series(tmp_path):
    folder = save(tmp_path / "series", slices(VOXELS))
    scout = dataset(VOXELS[:, :, 0].T.copy(), ORIGIN + 500, ImageType=["DERIVED", "SECONDARY", "LOCALIZER"])
    scout.save_as(folder / "scout", enforce_file_format=True)
    np.testing.assert_array_equal(read(folder).voxels, VOXELS)


def test_a_hostile_description_cannot_drive_a_terminal(tmp_path):
    save(tmp_path, slices(VOXELS, **T2))
    save(tmp_path, slices(VOXELS, series="1.2.4", SeriesDescription="evil\x1b[2J"), prefix="other")
    lines = listing(tmp_path)
    assert any("evil" in line for line in lines)
    assert all(line.isprintable() for line in lines)


# --- one file of a series


def test_a_file_stands_for_its_series(two):
    (two / "image0").rename(two / "IM 1.dcm")
    scan = read(two / "IM 1.dcm")
    np.testing.assert_array_equal(scan.voxels, VOXELS)
    assert scan.path == two / "IM 1.dcm"
    np.testing.assert_array_equal(read(two / "other2").voxels, other())
    assert "says its series itself" in refusal(two / "other2", series=3)


# --- damaged files


def cut_short(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def by_place(folder, k):
    """The file of slice k."""
    marks = {int(VOXELS[0, 0, n]): n for n in range(SLICES)}
    return next(p for p in folder.iterdir() if marks[int.from_bytes(p.read_bytes()[-60:-58], "little")] == k)


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.9])
def test_a_damaged_slice_is_named_and_may_be_left_out(tmp_path, share):
    folder = save(tmp_path / "series", slices(VOXELS))
    path = by_place(folder, 1)
    cut_short(path, share)
    message = refusal(folder)
    assert path.name in message
    assert message.endswith("or leave it out with --skip-damaged")
    scan = read(folder, skip_damaged=True)
    expected = VOXELS.astype(np.float32)
    expected[..., 1] = (expected[..., 0] + expected[..., 2]) / 2
    np.testing.assert_allclose(scan.voxels, expected, atol=1e-3)
    assert "3 mm once, 6 mm once" in scan.warnings[0] or "6 mm once, 3 mm once" in scan.warnings[0]
    assert f"1 damaged file was left out ({path.name})" in scan.warnings[1]


def test_noise_in_the_place_of_a_slice_is_damage(tmp_path):
    folder = save(tmp_path / "series", slices(VOXELS))
    (folder / "image9").write_bytes(np.random.default_rng(5).bytes(500))
    assert "image9 in series is a damaged DICOM file" in refusal(folder)
    np.testing.assert_array_equal(read(folder, skip_damaged=True).voxels, VOXELS)


def test_damage_at_an_end_or_of_geometry(tmp_path):
    datasets = slices(VOXELS)
    datasets[3].PixelSpacing = None
    scan = read(save(tmp_path / "series", datasets), skip_damaged=True)
    np.testing.assert_array_equal(scan.voxels, VOXELS[..., :3])
    assert [w.split(" (")[0] for w in scan.warnings] == ["1 damaged file was left out"]


def test_damage_of_another_series_does_not_matter(tmp_path):
    export = tmp_path / "export"
    save(export / "a", slices(VOXELS, **T2))
    save(export / "b", slices(other(), **T1))
    cut_short(export / "b" / "image1", 0.3)
    np.testing.assert_array_equal(read(export, series=3).voxels, VOXELS)
    assert "image1" in refusal(export, series=7)


def test_all_damaged(tmp_path):
    folder = save(tmp_path / "series", slices(VOXELS))
    for path in folder.iterdir():
        cut_short(path, 0.9)
    assert "has no pixel data" in refusal(folder, skip_damaged=True)


# --- choices of DICOM for other scans


@pytest.mark.parametrize(
    ("options", "name"), [({"series": 3}, "--series"), ({"skip_damaged": True}, "--skip-damaged")]
)
def test_choices_that_only_dicom_has(tmp_path, saved, options, name):
    path = saved(tmp_path / "scan.nii.gz", VOXELS)
    expected = f"{name} is for DICOM only, and scan.nii.gz is none: leave it out"
    assert refusal(path, **options) == expected
    assert refusal(read(path), **options).startswith(f"{name} is for DICOM only")
