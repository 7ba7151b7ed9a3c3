"""ISMRMRD: lines go where their counters and the header's centre say, and an oversampled readout is cut."""

import numpy as np
import pytest
import torch

from sanum.data.raw import read_raw
from sanum.kspace.fourier import fft, ifft
from sanum.scan import ScanError

ismrmrd = pytest.importorskip("ismrmrd")
HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
<encoding>
<encodedSpace><matrixSize><x>16</x><y>6</y><z>1</z></matrixSize>
<fieldOfView_mm><x>160</x><y>90</y><z>7</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>8</x><y>6</y><z>1</z></matrixSize>
<fieldOfView_mm><x>80</x><y>90</y><z>7</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>5</maximum><center>CENTRE</center>
</kspace_encoding_step_1></encodingLimits>
<trajectory>KIND</trajectory>
</encoding>
</ismrmrdHeader>"""


def written(path, kspace, *, kind="cartesian", step_2=0):
    """Every other line of each frame of (C, T, Y, X), and a noise measurement."""
    file = ismrmrd.Dataset(str(path), create_if_needed=True)
    file.write_xml_header(HEADER.replace("KIND", kind).replace("CENTRE", "3").encode())
    noise = ismrmrd.Acquisition.from_array(np.ones((kspace.shape[0], 16), np.complex64))
    noise.set_flag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    file.append_acquisition(noise)
    for t, k in np.ndindex(kspace.shape[1:3]):
        if (t + k) % 2 == 0:
            line = ismrmrd.Acquisition.from_array(np.ascontiguousarray(kspace[:, t, k]))
            line.idx.kspace_encode_step_1, line.idx.phase, line.idx.kspace_encode_step_2 = k, t, step_2
            line.center_sample = 8
            line.acquisition_time_stamp = 1000 + 16 * t + k
            line.read_dir[:], line.phase_dir[:], line.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
            line.position[:] = (10, 20, 30)
            file.append_acquisition(line)
    file.close()
    return path


@pytest.fixture
def kspace():
    rng = np.random.default_rng(0)
    shape = (2, 4, 6, 16)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def test_lines_times_and_places(tmp_path, kspace):
    found = read_raw(written(tmp_path / "a.h5", kspace))
    mask = (np.arange(4)[:, None] + np.arange(6)) % 2 == 0
    np.testing.assert_array_equal(found.mask[0], mask)
    pixels = ifft(torch.from_numpy(kspace * mask[:, :, None]), -1)[..., 4:12]
    np.testing.assert_allclose(found.kspace[0], fft(pixels, -1).numpy(), atol=1e-5)
    assert found.frame_s == pytest.approx(0.04, abs=0.003)
    assert "1 lines of no image" in found.warnings[0]
    np.testing.assert_allclose(found.affine @ (4, 3, 0, 1), (-10, -20, 30, 1))  # the middle, LPS to RAS
    np.testing.assert_allclose(np.linalg.norm(found.affine[:3, :3], axis=0), (10, 15, 7))


def test_what_is_no_movie_of_slices_is_one_sentence(tmp_path, kspace):
    with pytest.raises(ScanError, match="radial trajectory: expected a cartesian"):
        read_raw(written(tmp_path / "radial.h5", kspace, kind="radial"))
    with pytest.raises(ScanError, match="three dimensions: expected slices"):
        read_raw(written(tmp_path / "thick.h5", kspace, step_2=1))
    file = ismrmrd.Dataset(str(written(tmp_path / "far.h5", kspace)), mode="r+")
    line = file.read_acquisition(1)
    line.idx.repetition = 60000
    file.append_acquisition(line)
    file.close()
    with pytest.raises(ScanError, match="240004 frames and 6 lines, and has 13 lines in all: too few"):
        read_raw(tmp_path / "far.h5")
    bad = kspace.copy()
    bad[0, 0, 0, 0] = np.nan
    with pytest.raises(ScanError, match="NaN or infinite"):
        read_raw(written(tmp_path / "nan.h5", bad))
