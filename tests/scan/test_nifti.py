"""Every field of a NIfTI header is read as the standard allows, and results keep both transforms."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from sanum.healthy.grids import on_grid, to_scan_grid
from sanum.methods.common.anatomy import Maps
from sanum.scan import Scan, read, write
from sanum.scan.maps import read_map
from sanum.space.box import Box
from sanum.space.grid import covering

LAS = np.diag([-1.0, 1, 1, 1])


def turned(degrees):
    """About x, and 30 mm up: as a scan that was registered to a template."""
    t = np.deg2rad(degrees)
    out = np.eye(4)
    out[1:3, 1:3] = [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]
    out[:3, 3] = 0, 20, 30
    return out


@pytest.fixture
def with_forms(tmp_path, voxels):
    """Write a file with two transforms, each as (affine, code)."""

    def make(sform, qform, name="scan.nii", kind=nib.Nifti1Image):
        image = kind(voxels, sform[0])
        image.set_sform(*sform)
        image.set_qform(*qform)
        image.header.set_xyzt_units("mm")
        nib.save(image, tmp_path / name)
        return tmp_path / name

    return make


# --- where the voxels begin


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("offset", [0, 16, 348, 351])
def test_voxels_are_never_read_from_the_header(tmp_path, voxels, affine, saved, patched, name, kind, offset):
    field = (108, "<f", offset) if kind is nib.Nifti1Image else (168, "<q", offset)
    path = patched(saved(tmp_path / name, voxels, affine, kind), field)
    scan = read(path)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert scan.warnings == (
        f"the header is faulty: its voxels would begin at byte {offset}, inside it; they are read behind it",
    )
    if offset == 0:  # nibabel refuses the others itself
        np.testing.assert_array_equal(read(nib.load(path)).voxels, voxels)
    np.testing.assert_array_equal(read_map(path).voxels, voxels)


def test_voxels_right_behind_the_header(tmp_path, voxels, saved, patched):
    """Some programs leave out the four bytes that say whether there are extensions."""
    path = patched(saved(tmp_path / "scan.nii", voxels), (108, "<f", 0))
    raw = path.read_bytes()
    path.write_bytes(raw[:348] + raw[352:])
    np.testing.assert_array_equal(read(path).voxels, voxels)
    np.testing.assert_array_equal(read(patched(path, (108, "<f", 348))).voxels, voxels)


def test_what_the_size_leaves_open_is_refused(tmp_path, voxels, saved, patched, refusal):
    path = patched(saved(tmp_path / "scan.nii", voxels), (108, "<f", 0))
    raw = path.read_bytes()
    path.write_bytes(raw[:-8])
    assert "begin at byte 0, inside the header, and its size (1016 bytes, 672 of them voxels)" in refusal(
        path
    )
    path.write_bytes(raw[:348] + b"\1\0\0\0" + bytes(16) + raw[352:])
    assert "does not tell where" in refusal(path)


def test_a_header_of_a_pair_in_one_file(tmp_path, voxels, saved, patched):
    path = patched(saved(tmp_path / "scan.nii", voxels), (108, "<f", 0), (344, "4s", b"ni1\0"))
    np.testing.assert_array_equal(read(path).voxels, voxels)


def test_a_pair_begins_at_0(tmp_path, voxels, saved):
    image = nib.load(saved(tmp_path / "scan.img", voxels, kind=nib.Nifti1Pair))
    assert int(image.dataobj.offset) == 0
    np.testing.assert_array_equal(read(image).voxels, voxels)


# --- two transforms


@pytest.mark.parametrize("mirror", [LAS, np.diag([1.0, -1, 1, 1]), np.diag([-1.0, -1, 1, 1])])
def test_transforms_that_disagree_about_sides_warn_and_the_sform_counts(with_forms, affine, mirror):
    scan = read(with_forms((affine, 1), (mirror @ affine, 1)))
    np.testing.assert_allclose(scan.affine, affine, atol=1e-4)
    assert len(scan.warnings) == 1
    assert "mirror images or disagree about left and right: the sform was used" in scan.warnings[0]


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize(("s", "q"), [(4, 1), (1, 1), (2, 0), (0, 1), (5, 2)])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_results_lie_over_the_scan_for_readers_of_either_transform(with_forms, affine, name, s, q, kind):
    path = with_forms((affine, s), (turned(15) @ affine, q), name, kind)
    scan = read(path)
    assert scan.warnings == ()
    result = write(scan.with_voxels(scan.voxels.astype(np.float32)), path.parent / "result.nii.gz")
    given, written = nib.load(path).header, nib.load(result).header
    for get in ("get_sform", "get_qform"):
        (one, code), (other, same) = getattr(given, get)(coded=True), getattr(written, get)(coded=True)
        assert code == same
        if code:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    np.testing.assert_allclose(nib.load(result).affine, scan.affine, atol=1e-4)
    if kind is nib.Nifti1Image:
        one, other = sitk.ReadImage(str(path)), sitk.ReadImage(str(result))
        for get in ("GetOrigin", "GetDirection", "GetSpacing"):
            assert getattr(one, get)() == getattr(other, get)()


def test_all_results_of_a_scan_have_its_transforms(with_forms):
    scan = read(with_forms((np.diag([2.0, 2, 2, 1]), 4), (turned(15) @ np.diag([2.0, 2, 2, 1]), 1)))
    grid = Box((8, 8, 8), 2.0).grid((6, 7, 8))
    full = np.ones(grid.shape, np.float32)
    maps = to_scan_grid(Maps(full, full, full, full), grid, scan)
    for one in (maps.anatomy, maps.anomaly, maps.anomaly_mask, maps.uncertainty, maps.brain):
        assert one.forms is scan.forms


def test_another_grid_has_one_transform(with_forms, affine, tmp_path):
    scan = read(with_forms((affine, 4), (turned(15) @ affine, 1)))
    elsewhere = on_grid(scan, covering(scan.grid, 1.0))
    assert elsewhere.forms is None
    image = nib.load(write(elsewhere, tmp_path / "result.nii.gz"))
    for there, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        np.testing.assert_allclose(there, elsewhere.affine, atol=1e-4)
        assert code == 1


def test_a_usable_transform_stands_in_for_one_that_is_not(with_forms, affine, patched):
    path = patched(with_forms((affine, 2), (affine, 1)), (280, "<12f", *[0.0] * 12))
    scan = read(path)
    np.testing.assert_allclose(scan.affine, affine, atol=1e-4)
    assert scan.warnings == ("the header's sform cannot be used: the qform was used",)
    assert scan.forms is None
    path = patched(with_forms((affine, 2), (affine, 1)), (256, "<f", np.nan))
    assert read(path).warnings == ()
    np.testing.assert_allclose(read(path).affine, affine, atol=1e-4)


def test_an_image_in_memory_with_an_affine_of_its_own(with_forms, affine):
    image = nib.load(with_forms((affine, 4), (turned(15) @ affine, 1)))
    assert read(image).forms.qform_code == 1
    image.affine[:3, 3] += 5
    scan = read(image)
    np.testing.assert_allclose(scan.affine, image.affine)
    assert scan.forms is None


@pytest.mark.parametrize("excess", [-2e-7, -1e-7, 1e-8, 4e-7, 1e-4])
def test_quaternions_a_little_too_short_or_too_long(with_forms, patched, excess):
    half_turn = np.diag([-1.0, -1, 1, 1])  # its quaternion is 0, 0, 0, 1
    path = patched(with_forms((half_turn, 0), (half_turn, 1)), (264, "<f", np.sqrt(1 + excess)))
    scan = read(path)
    np.testing.assert_allclose(scan.affine, half_turn, atol=1e-6)
    result = write(scan, path.parent / "result.nii.gz")
    np.testing.assert_allclose(nib.load(result).affine, half_turn, atol=1e-6)


def test_numbers_that_are_no_rotation(with_forms, affine, patched, refusal):
    assert "not 4 × 4 finite numbers" in refusal(
        patched(with_forms((affine, 0), (affine, 1)), (264, "<f", 2))
    )


# --- other fields


@pytest.mark.parametrize("qfac", [0.0, 1.0, 7.0, np.nan])
def test_only_a_negative_qfac_reverses_the_third_axis(with_forms, patched, qfac):
    path = patched(with_forms((LAS @ LAS, 0), (LAS @ LAS, 1)), (76, "<f", qfac))
    scan = read(path)
    np.testing.assert_allclose(scan.affine, np.eye(4), atol=1e-6)
    assert scan.warnings == ()
    np.testing.assert_allclose(read(patched(path, (76, "<f", -2))).affine, np.diag([1, 1, -1, 1]), atol=1e-6)


def test_codes_that_are_not_numbered_count_as_set(with_forms, affine, patched):
    path = patched(with_forms((affine, 1), (turned(15) @ affine, 1)), (254, "<h", 9))
    np.testing.assert_allclose(read(path).affine, affine, atol=1e-4)
    assert read(path).warnings == ()


@pytest.mark.parametrize(("code", "size"), [(1, 1e-3), (3, 1e3)])
@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (1, 0), (0, 0)])
def test_lengths_in_metres_and_micrometres(with_forms, affine, patched, code, size, codes):
    in_mm = read(with_forms((affine, codes[0]), (affine, codes[1])))
    small = np.diag([size, size, size, 1]) @ affine
    path = patched(with_forms((small, codes[0]), (small, codes[1])), (123, "<B", code))
    scan = read(path)
    np.testing.assert_allclose(scan.affine, in_mm.affine, atol=1e-4)
    assert scan.warnings == in_mm.warnings
    result = nib.load(write(scan, path.parent / "result.nii.gz"))
    np.testing.assert_allclose(result.affine, in_mm.affine, atol=1e-4)
    assert result.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(result.header.get_zooms(), in_mm.grid.spacing_mm, rtol=1e-6)
    np.testing.assert_allclose(read(nib.load(path)).affine, in_mm.affine, atol=1e-4)


def test_a_unit_that_no_head_can_have_is_not_believed(with_forms, affine, patched):
    scan = read(patched(with_forms((affine, 1), (affine, 1)), (123, "<B", 1)))
    np.testing.assert_allclose(scan.affine, affine, atol=1e-4)
    assert scan.warnings == (
        "the header gives lengths in metres, which no head can have: they were read as mm",
    )


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_that_is_none_leaves_the_values(tmp_path, voxels, saved, patched, slope):
    scan = read(patched(saved(tmp_path / "scan.nii", voxels), (112, "<2f", slope, 3)))
    np.testing.assert_array_equal(scan.voxels, voxels)


def test_an_intercept_that_is_none_is_0(tmp_path, voxels, saved, patched):
    scan = read(patched(saved(tmp_path / "scan.nii", voxels), (112, "<2f", 2, np.nan)))
    np.testing.assert_array_equal(scan.voxels, 2 * voxels)
    assert scan.warnings == ("the header is faulty: its intercept is nan, and was read as 0",)


def test_axes_of_length_0_behind_the_third(tmp_path, voxels, saved, patched):
    path = patched(saved(tmp_path / "scan.nii", voxels), (40, "<8h", 5, 6, 7, 8, 0, 0, 0, 0))
    np.testing.assert_array_equal(read(path).voxels, voxels)


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.int64, np.uint64])
def test_every_integer(tmp_path, voxels, dtype):
    values = (voxels // 8).astype(dtype)
    nib.save(nib.Nifti1Image(values, np.eye(4), dtype=dtype), tmp_path / "scan.nii.gz")
    scan = read(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(scan.voxels, values)


def test_long_doubles_are_refused_by_name(tmp_path, voxels, saved, patched, refusal):
    path = patched(saved(tmp_path / "scan.nii", voxels), (70, "<2h", 1536, 128))
    path.write_bytes(path.read_bytes()[:352] + bytes(16 * voxels.size))
    assert "scan.nii holds voxels of FLOAT128, as NIfTI calls it" in refusal(path)


@pytest.mark.parametrize("start", [1, 3])
def test_gzip_in_parts_and_with_zeros_behind(tmp_path, voxels, saved, start):
    raw = saved(tmp_path / "scan.nii", voxels).read_bytes()
    parts = [
        gzip.compress(raw[i : i + len(raw) // start + 1]) for i in range(0, len(raw), len(raw) // start + 1)
    ]
    assert len(parts) == start
    (tmp_path / "scan.nii.gz").write_bytes(b"".join(parts) + bytes(1000))
    np.testing.assert_array_equal(read(tmp_path / "scan.nii.gz").voxels, voxels)


def test_a_scan_without_a_header_is_written_as_before(voxels, affine, tmp_path):
    scan = Scan(voxels, affine)
    again = read(write(scan, tmp_path / "scan.nii.gz"))
    assert again.forms.sform_code == again.forms.qform_code == 1
    assert write(again, tmp_path / "again.nii.gz").read_bytes() == (tmp_path / "scan.nii.gz").read_bytes()
