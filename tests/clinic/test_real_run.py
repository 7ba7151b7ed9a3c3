"""A real series, through the network that ships, to objects that the standard's validator accepts."""

import numpy as np
import pydicom
import pytest

import sanum
from sanum.clinic.objects import write_dicom

pytestmark = pytest.mark.full


def test_a_real_series_to_objects(shared_data, tool, tmp_path):
    pytest.importorskip("highdicom")
    folder = shared_data / "dicom" / "pd-axial"
    result = sanum.reconstruct(folder, fast=True)
    paths = {path.name: path for path in write_dicom(result, folder, tmp_path / "out")}
    assert ("sanum-anomaly.dcm" in paths) == bool(np.asarray(result.anomaly_mask.voxels).any())
    values = pydicom.dcmread(paths["sanum-probability.dcm"]).pixel_array
    np.testing.assert_array_equal(values, np.moveaxis(np.asarray(result.anomaly.voxels), 2, 0).swapaxes(1, 2))
    for name in ("probability", "uncertainty", "anatomy-0010", "findings", "page"):
        got = pydicom.dcmread(paths[f"sanum-{name}.dcm"])
        assert got.DeviceSerialNumber == result.provenance["weights_sha256"]
        ran = tool("dicom3tools", "dciodvfy", "-new", paths[f"sanum-{name}.dcm"])
        errors = [line for line in (ran.stdout + ran.stderr).splitlines() if line.startswith("Error")]
        own = [line for line in errors if "Illegal root for UID" not in line]  # the source's
        assert not own, own
