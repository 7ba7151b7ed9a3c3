import numpy as np
import pytest

from sanum.scan import Scan, ScanError, write
from sanum.scan.maps import read_map


def test_an_empty_mask_is_read_as_it_was_written(tmp_path):
    mask = Scan(np.zeros((4, 5, 6), np.uint8), np.diag([2.0, 2, 2, 1]))
    found = read_map(write(mask, tmp_path / "mask.nii.gz"))
    assert found.voxels.dtype == np.uint8
    assert found.grid.same_as(mask.grid)
    assert read_map(tmp_path / "mask.nii.gz", dtype=np.float32).voxels.dtype == np.float32


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_what_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "mask.nii.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScanError, match=r"mask\.nii\.gz cannot be read"):
        read_map(path)


def test_a_damaged_file(tmp_path):
    path = write(Scan(np.ones((9, 9, 9), np.float32), np.eye(4)), tmp_path / "map.nii.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ScanError, match=r"map\.nii\.gz cannot be read"):
        read_map(path)
