from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from sanum.scan import Scan, read
from sanum.scan.hounsfield import shows_head_in_hounsfield

SHAPE = (6, 7, 8)


# --- what comes in comes in right


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("scan.nii", nib.Nifti1Image),
        ("scan.nii.gz", nib.Nifti1Image),
        ("SCAN.NII.GZ", nib.Nifti1Image),
        ("two.nii.gz", nib.Nifti2Image),
        ("scan.mgh", nib.MGHImage),
        ("scan.mgz", nib.MGHImage),
    ],
)
def test_nibabel_formats(tmp_path, voxels, affine, name, kind, saved):
    scan = read(saved(tmp_path / name, voxels, affine, kind))
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_allclose(scan.affine, affine, atol=1e-4)
    assert scan.voxels.dtype == np.int16
    assert scan.voxels.dtype.isnative
    assert scan.path == tmp_path / name
    assert scan.warnings == ()


@pytest.mark.parametrize("name", ["scan.nrrd", "scan.nhdr", "scan.mha", "scan.mhd"])
@pytest.mark.parametrize("compress", [False, True])
def test_itk_formats_agree_with_nifti(tmp_path, voxels, affine, name, compress, itk_image):
    sitk.WriteImage(itk_image(voxels, affine), str(tmp_path / name), compress)
    scan = read(str(tmp_path / name))
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_allclose(scan.affine, affine, atol=1e-4)
    assert scan.voxels.dtype == np.int16
    assert scan.warnings == ()


def test_simpleitk_and_nibabel_agree_on_the_same_image(tmp_path, voxels, affine, itk_image):
    """An independent truth: SimpleITK writes NIfTI by itself."""
    for name in ("scan.nii.gz", "scan.nrrd"):
        sitk.WriteImage(itk_image(voxels, affine), str(tmp_path / name))
    nifti, nrrd = read(tmp_path / "scan.nii.gz"), read(tmp_path / "scan.nrrd")
    assert nifti.grid.same_as(nrrd.grid)
    np.testing.assert_array_equal(nifti.voxels, nrrd.voxels)


def test_nrrd_in_ras_space(tmp_path, voxels):
    header = (
        "NRRD0004\ntype: int16\ndimension: 3\nspace: right-anterior-superior\nsizes: 6 7 8\n"
        "space directions: (1,0,0) (0,2,0) (0,0,3)\nendian: little\nencoding: raw\nspace origin: (5,6,7)\n\n"
    )
    (tmp_path / "scan.nrrd").write_bytes(header.encode() + voxels.astype("<i2").tobytes("F"))
    scan = read(tmp_path / "scan.nrrd")
    np.testing.assert_allclose(scan.affine, [[1, 0, 0, 5], [0, 2, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
    np.testing.assert_array_equal(scan.voxels, voxels)


def test_nibabel_images_and_scans_in_memory(voxels, affine):
    image = nib.Nifti1Image(voxels, affine)
    scan = read(image)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert scan.path is None
    given = Scan(voxels, affine, contrast="T1w", warnings=("kept",))
    again = read(given)
    assert (again.contrast, again.warnings) == ("T1w", ("kept",))
    np.testing.assert_array_equal(again.voxels, voxels)


def test_a_nibabel_image_from_a_file_has_its_path_and_contrast(tmp_path, voxels, saved):
    path = saved(tmp_path / "sub-1_T2w.nii", voxels)
    scan = read(nib.load(path))
    assert (scan.path, scan.contrast) == (path, "T2w")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_integers_keep_their_dtype(tmp_path, voxels, dtype, saved):
    assert read(saved(tmp_path / "scan.nii", voxels.astype(dtype))).voxels.dtype == dtype


def test_big_endian_becomes_native(tmp_path, voxels):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    image = nib.Nifti1Image(voxels, np.eye(4), header)
    nib.save(image, tmp_path / "scan.nii")
    scan = read(tmp_path / "scan.nii")
    assert scan.voxels.dtype == np.int16
    np.testing.assert_array_equal(scan.voxels, voxels)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_scaled_values_are_float32(tmp_path, voxels, name, patched):
    image = nib.Nifti1Image(voxels, np.eye(4))
    image.header.set_slope_inter(0.25, -1024)
    nib.save(image, tmp_path / name)
    patched(tmp_path / name, (112, "<2f", 0.25, -1024))
    truth = nib.load(tmp_path / name).get_fdata()
    scan = read(tmp_path / name)
    assert scan.voxels.dtype == np.float32
    np.testing.assert_allclose(scan.voxels, truth, rtol=1e-6)


def test_double_becomes_single(tmp_path, voxels, saved):
    scan = read(saved(tmp_path / "scan.nii", voxels / 7))
    assert scan.voxels.dtype == np.float32
    np.testing.assert_allclose(scan.voxels, voxels / 7, rtol=1e-6)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u1", "<i4", ">f4", "<f8"])
@pytest.mark.parametrize("scaling", [(1.0, 0.0), (0.3, 0.0), (1.0, -7.0), (-0.01, 2.5)])
def test_voxels_are_those_of_the_whole_file_at_once(tmp_path, voxels, name, dtype, scaling, patched):
    """To the last bit, of one volume and of the second of two."""
    series = np.stack([voxels // 4, voxels // 5], -1)
    for shown in (series[..., 0], series):
        header = nib.Nifti1Header(endianness=dtype[0])
        header.set_data_dtype(dtype[1:])
        nib.save(nib.Nifti1Image(shown, np.eye(4), header), tmp_path / name)
        patched(tmp_path / name, (112, f"{dtype[0]}2f", *scaling))
        one = shown if shown.ndim == 3 else shown[..., 1]
        slope, intercept = np.float32(scaling).astype(np.float64)
        truth = one.astype(dtype)
        if scaling != (1.0, 0.0):
            truth = (truth.astype(np.float64) * slope + intercept).astype(np.float32)
        read_back = read(tmp_path / name, volume=None if shown.ndim == 3 else 1).voxels
        assert read_back.dtype == (np.float32 if truth.dtype.kind == "f" else truth.dtype.newbyteorder("="))
        assert read_back.tobytes() == truth.astype(read_back.dtype).tobytes()


def test_contrast_comes_from_the_name(tmp_path, voxels, saved):
    assert read(saved(tmp_path / "sub-1_FLAIR.nii.gz", voxels)).contrast == "FLAIR"
    assert read(saved(tmp_path / "scan.nii.gz", voxels)).contrast is None


# --- several volumes


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.mgz"])
def test_volumes_by_nibabel(tmp_path, voxels, name, saved, refusal):
    series = np.stack([voxels, voxels + 1, voxels + 2], -1)
    path = saved(tmp_path / name, series, kind=nib.MGHImage if "mgz" in name else nib.Nifti1Image)
    assert "has 3 volumes" in refusal(path)
    assert "choose one with --volume k, k from 0 to 2" in refusal(path)
    assert "expected --volume from 0 to 2, got 3" in refusal(path, volume=3)
    assert "got -1" in refusal(path, volume=-1)
    np.testing.assert_array_equal(read(path, volume=1).voxels, voxels + 1)


@pytest.mark.parametrize("name", ["scan.nrrd", "scan.mha"])
def test_volumes_by_itk(tmp_path, voxels, affine, name, itk_image, refusal):
    series = sitk.JoinSeries([itk_image(voxels + n, affine) for n in range(3)])
    sitk.WriteImage(series, str(tmp_path / name))
    assert "choose one with --volume k" in refusal(tmp_path / name)
    scan = read(tmp_path / name, volume=2)
    np.testing.assert_array_equal(scan.voxels, voxels + 2)
    np.testing.assert_allclose(scan.affine, affine, atol=1e-4)


def test_volumes_in_memory(voxels, refusal):
    assert "has 2 volumes" in refusal(nib.Nifti1Image(np.stack([voxels] * 2, -1), np.eye(4)))
    image = nib.Nifti1Image(np.stack([voxels, voxels + 1], -1), np.eye(4))
    np.testing.assert_array_equal(read(image, volume=1).voxels, voxels + 1)


@pytest.mark.parametrize("shape", [(*SHAPE, 1), (*SHAPE, 1, 1)])
def test_trailing_singletons_are_dropped(tmp_path, voxels, shape, saved, refusal):
    path = saved(tmp_path / "scan.nii.gz", voxels.reshape(shape))
    np.testing.assert_array_equal(read(path).voxels, voxels)
    np.testing.assert_array_equal(read(path, volume=0).voxels, voxels)
    assert "has one volume" in refusal(path, volume=1)


def test_vectors_are_refused(tmp_path, voxels, saved, refusal):
    field = np.stack([voxels] * 3, -1).reshape(*SHAPE, 1, 3)
    assert "one value a voxel" in refusal(saved(tmp_path / "scan.nii", field))


# --- values


@pytest.mark.parametrize(("shift", "background"), [(-500, 0.0), (10, 10.0), (-2000, -2000.0)])
def test_nan_and_infinity_become_background(tmp_path, voxels, shift, background, saved):
    values = (voxels + shift).astype(np.float32)
    values[3, 3, 3] = shift  # the lowest
    values[0, 0, 0], values[0, 0, 1], values[0, 0, 2] = np.nan, np.inf, -np.inf
    scan = read(saved(tmp_path / "scan.nii.gz", values))
    assert (scan.voxels[0, 0, :3] == background).all()
    np.testing.assert_array_equal(scan.voxels[1:], values[1:])
    assert scan.warnings == (f"3 voxels were NaN or infinite and were set to {background:g}",)


def test_values_too_large_for_single_precision_count_as_infinite(tmp_path, voxels, saved):
    values = voxels.astype(np.float64)
    values[0, 0, :2] = 1e200, 0
    scan = read(saved(tmp_path / "scan.nii.gz", values))
    assert scan.voxels[0, 0, 0] == 0
    assert "1 voxels were NaN or infinite" in scan.warnings[0]


def test_the_caller_s_array_is_not_written_to(voxels):
    values = voxels.astype(np.float32)
    values[0, 0, 0] = np.nan
    read(nib.Nifti1Image(values, np.eye(4)))
    assert np.isnan(values[0, 0, 0])
    assert values.flags.writeable


# --- geometry


def test_nifti_without_orientation_warns(tmp_path, voxels, saved, patched):
    path = patched(saved(tmp_path / "scan.nii", voxels), (252, "<2h", 0, 0), (80, "<3f", 1, 2, 3))
    scan = read(path)
    np.testing.assert_allclose(scan.grid.spacing_mm, [1, 2, 3])
    assert any("left and right are not known" in warning for warning in scan.warnings)


def test_mgh_without_orientation_warns(tmp_path, voxels, saved):
    path = saved(tmp_path / "scan.mgh", voxels, kind=nib.MGHImage)
    raw = bytearray(path.read_bytes())
    raw[28:30] = b"\0\0"
    path.write_bytes(bytes(raw))
    assert any("left and right are not known" in warning for warning in read(path).warnings)


@pytest.mark.parametrize(
    ("name", "line"), [("scan.mha", b"TransformMatrix"), ("scan.nrrd", b"space: left-posterior-superior")]
)
def test_itk_formats_without_orientation_warn(tmp_path, voxels, name, line, itk_image):
    path = tmp_path / name
    sitk.WriteImage(itk_image(voxels, np.diag([1.0, 2, 3, 1])), str(path))
    start, _, rest = path.read_bytes().partition(line)
    rest = rest.partition(b"\n")[2]
    if name.endswith("nrrd"):
        before, _, after = rest.partition(b"space directions:")
        rest = before + b"spacings: 1 2 3\n" + after.partition(b"\n")[2]
        rest = rest.replace(b"space origin: (-0,-0,0)\n", b"").replace(b"space origin: (0,0,0)\n", b"")
    path.write_bytes(start + rest)
    scan = read(path)
    np.testing.assert_allclose(scan.grid.spacing_mm, [1, 2, 3])
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert any("left and right are not known" in warning for warning in scan.warnings)


# --- Hounsfield units


def head(air, tissue, bone):
    """A ball of tissue in a shell of bone in air, 20 voxels wide."""
    distance = np.linalg.norm(np.indices((20, 20, 20)) - 9.5, axis=0)
    values = np.where(distance < 7, tissue, np.where(distance < 8.5, bone, air)).astype(np.float32)
    return values + np.random.default_rng(0).normal(0, abs(bone) / 200, values.shape).astype(np.float32)


@pytest.mark.parametrize(
    "values",
    [
        head(-1000, 35, 1200),
        head(-3024, 35, 1800),
        np.where(head(-1000, 35, 35) < -200, 0, head(0, 35, 35)).clip(-25)
        - 0.01 * (np.arange(20) == 9) * 2000,
    ],
)
def test_hounsfield_units_are_known(tmp_path, values, saved):
    scan = read(saved(tmp_path / "head_ct.nii.gz", values.astype(np.float32)))
    assert scan.contrast == "CT"
    assert scan.warnings == ()


@pytest.mark.parametrize(
    "values",
    [
        head(0, 0.5, 1.0).clip(0, 1),
        head(0, 90, 255).clip(0, 255),
        head(24, 1060, 2200).clip(0),
        head(-2, 0.3, 5),
        head(-2024, -989, 176),
    ],
    ids=["0 to 1", "8 bit", "1024 added", "z-scores", "1024 taken twice"],
)
def test_other_units_under_the_name_of_ct(tmp_path, values, saved):
    scan = read(saved(tmp_path / "head_ct.nii.gz", values.astype(np.float32)))
    assert scan.contrast is None
    assert "named CT but its values (" in scan.warnings[0]
    assert "are not Hounsfield units: treated as a scan of unknown contrast" in scan.warnings[0]


def test_hounsfield_units_are_ct_whatever_the_name(tmp_path, saved):
    assert read(saved(tmp_path / "ct_infarct.nii.gz", head(-1000, 35, 1200))).contrast == "CT"
    scan = read(saved(tmp_path / "scan_T1w.nii.gz", head(-1000, 35, 1200)))
    assert scan.contrast == "CT"
    assert scan.warnings == ("named T1w but its values are Hounsfield units: treated as CT",)


def test_what_is_said_overrules_name_and_values(tmp_path, saved):
    path = saved(tmp_path / "scan_T2w.nii.gz", head(-1000, 35, 1200))
    scan = read(path, contrast="PDw")
    assert (scan.contrast, scan.contrast_by) == ("PD", "user")
    assert scan.warnings == ("its values are Hounsfield units: taken as PD, as asked for",)
    assert read(scan).warnings == scan.warnings  # in a batch it is looked at twice
    path = saved(tmp_path / "scan.nii.gz", head(24, 1060, 2200).clip(0))
    scan = read(path, contrast="CT")
    assert scan.contrast == "CT"
    assert "are not Hounsfield units: taken as CT, as asked for" in scan.warnings[0]


def test_what_is_said_against_name_and_header_is_used_with_a_warning(tmp_path, saved, voxels):
    path = saved(tmp_path / "scan_T2w.nii.gz", voxels)
    assert read(path, contrast="FLAIR").warnings == ("its name says T2w: taken as FLAIR, as asked for",)
    assert read(path, contrast="t2").warnings == ()
    path.with_name("scan_T2w.json").write_text('{"SeriesDescription": "AX T2"}')
    assert read(path, contrast="FLAIR").contrast == "FLAIR"
    bare = saved(tmp_path / "scan.nii.gz", voxels)
    bare.with_name("scan.json").write_text('{"SeriesDescription": "AX T2"}')
    told = "the JSON file beside it is of a T2w: taken as PD, as asked for"
    assert read(bare, contrast="PD").warnings == (told,)


def test_who_has_said_what_it_is_is_not_asked_to(tmp_path, saved, voxels):
    path = saved(tmp_path / "scan_T1w.nii.gz", voxels)
    path.with_name("scan_T1w.json").write_text('{"SeriesDescription": "AX T2"}')
    assert "taken as T1w; say with --contrast" in read(path).warnings[0]
    assert read(path, contrast="T2w").warnings == ("its name says T1w: taken as T2w, as asked for",)
    assert read(path, contrast="T1w").warnings == ()


def test_told_not_to_know(tmp_path, saved, voxels):
    scan = read(saved(tmp_path / "scan_T2w.nii.gz", voxels), contrast="unknown")
    assert (scan.contrast, scan.contrast_by, scan.warnings) == (None, "user", ())
    scan = read(saved(tmp_path / "ct.nii.gz", head(-1000, 35, 1200)), contrast="unknown")
    assert scan.contrast is None
    assert "taken as a scan of unknown contrast, as asked for" in scan.warnings[0]


def test_no_contrast_that_there_is(tmp_path, saved, voxels):
    with pytest.raises(ValueError, match=r'contrast is T1w, .* unknown, not "T3w"'):
        read(saved(tmp_path / "scan.nii", voxels), contrast="T3w")


def test_who_decided(tmp_path, saved, voxels):
    assert read(saved(tmp_path / "a_T2w.nii", voxels)).contrast_by == "file name"
    assert read(saved(tmp_path / "a.nii", voxels)).contrast_by == "nobody"
    assert read(saved(tmp_path / "b.nii", head(-1000, 35, 1200))).contrast_by == "values"
    belied = read(saved(tmp_path / "b_ct.nii", head(0, 90, 255).clip(0, 255)))
    assert (belied.contrast, belied.contrast_by) == (None, "values")
    assert not belied.decided.is_open  # it is a CT, whatever it looks like


@pytest.mark.parametrize("gain", [0.3, 1, 4, 16])
def test_an_mri_padded_by_1000_is_no_ct(gain):
    rng = np.random.default_rng(0)
    distance = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0)
    head_mri = np.select([distance < 12, distance < 15, distance < 17], [150, 15, 230], 0) + rng.rayleigh(
        3, distance.shape
    )
    assert not shows_head_in_hounsfield(np.where(distance < 19, gain * head_mri, -1000))


@pytest.mark.parametrize("sigma", [300, 600, 1500])
def test_noise_around_0_is_no_ct(sigma):
    assert not shows_head_in_hounsfield(np.random.default_rng(0).normal(0, sigma, (40, 40, 40)))


# --- real data


@pytest.mark.parametrize(
    ("name", "contrast"),
    [("template-older_desc-brain", "CT"), ("atlas_desc-brain", "CT"), ("head_desc-8bit", None)],
)
def test_real_ct(shared_data, name, contrast):
    scan = read(shared_data / "ct" / f"{name}_ct.nii.gz")
    assert scan.contrast == contrast
    assert bool(scan.warnings) == (contrast is None)


@pytest.mark.parametrize(
    "name",
    [
        "normal/normal-2_desc-brain_T1w.mgz",
        "patients/sub-ms2/ses-1/anat/sub-ms2_ses-1_FLAIR.nii.gz",
        "patients/sub-glioma1/anat/sub-glioma1_T1w.nii.gz",
        "ixi/sub-295/anat/sub-295_T1w.nii.gz",
    ],
)
def test_real_scans_agree_with_nibabel(shared_data, name):
    image = nib.load(shared_data / name)
    scan = read(shared_data / Path(name))
    np.testing.assert_allclose(scan.affine, image.affine)
    np.testing.assert_allclose(scan.voxels, np.asanyarray(image.dataobj), rtol=1e-6)
