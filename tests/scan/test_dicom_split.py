"""Two acquisitions in one series are two volumes."""

import numpy as np
import pytest

from sanum.scan import ScanError, read

from .slices import AXES, ORIGIN, SPACING, VOXELS, dataset, save, slices

OTHER = VOXELS[::-1] + np.int16(1)


@pytest.fixture
def echoes(tmp_path):
    """A double echo: two volumes at the same places."""
    first = slices(VOXELS, SeriesNumber="3", EchoTime=20, SeriesDescription="AX PD/T2")
    second = slices(OTHER, SeriesNumber="3", EchoTime=90, SeriesDescription="AX PD/T2")
    return save(tmp_path / "series", [*first, *second])


def test_they_are_listed_and_chosen(echoes):
    with pytest.raises(ScanError) as caught:
        read(echoes)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("series holds 2 DICOM series that could be meant")
    assert [line.rpartition(", ")[0] for line in lines] == [
        "  3.1: AX PD/T2, echo time 20, 4 slices",
        "  3.2: AX PD/T2, echo time 90, 4 slices",
    ]
    both = [read(echoes, series=number).voxels for number in ("3.1", "3.2")]
    np.testing.assert_array_equal(both, [VOXELS, OTHER])


def test_the_number_of_the_series_alone_could_mean_both(echoes):
    with pytest.raises(ScanError, match='2 DICOM series that "3" could mean: choose one by its number'):
        read(echoes, series="3")


def test_one_file_says_which(echoes):
    for path in echoes.iterdir():
        voxels = read(path).voxels
        assert (voxels == VOXELS).all() or (voxels == OTHER).all()


def test_a_volume_and_a_single_slice(tmp_path):
    one = dataset(np.ascontiguousarray(OTHER[..., 0].T), ORIGIN, AcquisitionNumber="2")
    folder = save(tmp_path / "series", [*slices(VOXELS, AcquisitionNumber="1"), one])
    np.testing.assert_array_equal(read(folder).voxels, VOXELS)


def test_acquisitions_one_above_the_other_are_one_volume(tmp_path):
    """As of a head CT in two tables: places do not repeat, so nothing is split."""
    made = slices(VOXELS)
    for k, one in enumerate(made):
        one.AcquisitionNumber = str(k // 2)
    np.testing.assert_array_equal(read(save(tmp_path / "series", made)).voxels, VOXELS)


def test_copies_are_refused_as_before(tmp_path):
    more = [
        dataset(np.ascontiguousarray(VOXELS[..., k].T), ORIGIN + k * SPACING[2] * AXES[2]) for k in (0, 1)
    ]
    folder = save(tmp_path / "series", [*slices(VOXELS), *more])
    with pytest.raises(ScanError, match="has 2 slices that lie where another one does"):
        read(folder)


def test_a_localizer_alone_is_no_volume(tmp_path):
    folder = save(tmp_path / "scout", slices(VOXELS, SeriesDescription="3-plane localizer", SeriesNumber="1"))
    with pytest.raises(ScanError, match="scout holds nothing but a localizer: expected a volume"):
        read(folder)
    assert read(folder, series="1").voxels.shape == VOXELS.shape
