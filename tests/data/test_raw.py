"""Raw data of each kind is read into the same axes, and what cannot be used is said in a sentence."""

import numpy as np
import pytest

from sanum.data.raw import raw_files, read_raw
from sanum.scan import ScanError

SHAPE = (2, 3, 4, 8, 6)
NAMES = ("slice", "coil", "time", "ky", "kx")


@pytest.fixture
def kspace():
    rng = np.random.default_rng(0)
    return (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)).astype(np.complex64)


def saved(path, kspace, **more):
    np.savez(path, kspace=kspace, **{"axes": " ".join(NAMES), "frame_ms": 50, **more})
    return path


def test_axes_of_an_archive_are_brought_into_order(tmp_path, kspace):
    kspace[:, :, 1, ::2] = 0
    maps = kspace[:, :, 0]
    whole = read_raw(saved(tmp_path / "a.npz", kspace, maps=maps, spacing_mm=(1, 2, 3)))
    np.testing.assert_array_equal(whole.kspace, kspace)
    np.testing.assert_array_equal(whole.maps, maps)
    assert whole.frame_s == 0.05
    assert whole.mask.shape == (2, 4, 8)
    assert whole.mask[:, 0].all()
    np.testing.assert_array_equal(whole.mask[0, 1], np.arange(8) % 2 == 1)
    np.testing.assert_allclose(np.diag(whole.affine), (1, 2, 3, 1))
    turned = kspace[0].transpose(1, 3, 2, 0)
    other = read_raw(saved(tmp_path / "b.npz", turned, axes=["time", "kx", "ky", "coil"]))
    np.testing.assert_array_equal(other.kspace, kspace[:1])
    assert "1 mm was taken" in other.warnings[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": ""}, "does not name the axes of kspace"),
        ({"axes": "slice coil time up kx"}, "has axes slice, coil, time, up, kx: expected ky, kx"),
        ({"axes": "coil time ky kx"}, "has kspace of 5 axes and 4 names"),
        ({"maps": np.ones((2, 3, 8, 5), complex)}, "has maps of shape"),
        ({"training": np.ones((2, 3, 2, 4, 4), complex)}, "has training of"),
        ({"kspace": np.ones(SHAPE)}, "has kspace of real numbers"),
        ({"kspace": np.full(SHAPE, np.nan + 0j)}, "1152 values in kspace that are NaN"),
        ({"frame_ms": (1, 2)}, r"frame_ms of \[1 2\]: expected one positive number"),
        ({"frame_ms": -3}, "frame_ms of -3: expected one positive number"),
        ({"spacing_mm": (0, 1, 1)}, "expected 3 positive numbers"),
        ({"kspace": np.zeros(SHAPE, complex)}, "has no line in frame 0 of slice 0"),
        ({"kspace": np.ones((0, 3, 4, 8, 6), complex)}, "empty kspace"),
    ],
)
def test_what_an_archive_lacks_is_one_sentence(tmp_path, kspace, change, words):
    np.savez(tmp_path / "a.npz", **{"kspace": kspace, "axes": " ".join(NAMES), "frame_ms": 50, **change})
    with pytest.raises(ScanError, match=words) as error:
        read_raw(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def test_broken_and_missing_archives(tmp_path, kspace):
    whole = saved(tmp_path / "a.npz", kspace).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(tmp_path / "empty.npz", other=np.ones(3))
    (tmp_path / "text.txt").write_text("no data")
    (tmp_path / "none").mkdir()
    for name, words in (
        ("cut.npz", "damaged or truncated"),
        ("empty.npz", "no array kspace"),
        ("text.txt", "is no raw data"),
        ("absent.h5", "is no file"),
    ):
        with pytest.raises(ScanError, match=words):
            read_raw(tmp_path / name)
    with pytest.raises(ScanError, match="holds no raw data"):
        raw_files([tmp_path / "none"])
    assert [p.name for p in raw_files([tmp_path])] == ["a.npz", "cut.npz", "empty.npz"]


def test_hdf5_with_named_axes_and_as_fastmri_has_it(tmp_path, kspace):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "named.h5", "w") as file:
        file["kspace"] = kspace
        file["kspace"].attrs["axes"] = ",".join(NAMES)
        file.attrs["frame_ms"] = 40.0
        file["sensitivity_maps"] = kspace[:, :, 0]
    found = read_raw(tmp_path / "named.h5")
    np.testing.assert_array_equal(found.kspace, kspace)
    np.testing.assert_array_equal(found.maps, kspace[:, :, 0])
    assert found.frame_s == pytest.approx(0.04)
    with h5py.File(tmp_path / "fast.h5", "w") as file:
        file["kspace"] = kspace[:, :, 0].transpose(0, 1, 3, 2)
        file["ismrmrd_header"] = "<xml/>"
    np.testing.assert_array_equal(read_raw(tmp_path / "fast.h5").kspace[:, :, 0], kspace[:, :, 0])
    with h5py.File(tmp_path / "unnamed.h5", "w") as file:
        file["kspace"] = kspace
    with pytest.raises(ScanError, match="does not name the axes"):
        read_raw(tmp_path / "unnamed.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["image"] = np.ones(3)
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("kspace")
    with pytest.raises(ScanError, match="holds neither"):
        read_raw(tmp_path / "group.h5")
    with pytest.raises(ScanError, match="holds neither kspace nor an ISMRMRD dataset"):
        read_raw(tmp_path / "other.h5")
    whole = (tmp_path / "named.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) - 2000])
    with pytest.raises(ScanError, match="is truncated as HDF5"):
        read_raw(tmp_path / "cut.h5")
    (tmp_path / "noise.h5").write_bytes(b"no HDF5 at all")
    with pytest.raises(ScanError, match="cannot be read as HDF5"):
        read_raw(tmp_path / "noise.h5")
