import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from sanum.scan import Scan, read

SHAPE = (6, 7, 8)


# --- no scan at all


def test_missing(tmp_path, refusal):
    assert "does not exist" in refusal(tmp_path / "scan.nii.gz")


ANNEXED = ".git/annex/objects/x9/25/MD5E-s152998--c8.nii.gz/MD5E-s152998--c8.nii.gz"


@pytest.mark.parametrize("target", [f"../{ANNEXED}", f"/elsewhere/{ANNEXED}", ANNEXED.replace("/", "\\")])
def test_a_link_of_git_annex_without_its_content(tmp_path, target, refusal):
    (tmp_path / "sub-1_T1w.nii.gz").symlink_to(target)
    message = refusal(tmp_path / "sub-1_T1w.nii.gz")
    assert "sub-1_T1w.nii.gz is in git-annex, and its content was not fetched" in message
    assert "datalad get" in message
    assert "git annex get" in message


@pytest.mark.parametrize("text", ["/annex/objects/MD5E-s152998--c8.nii.gz\n", f"../../{ANNEXED}"])
@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii", "scan.mgz", "scan.nrrd", "scan.mha"])
def test_a_pointer_of_git_annex(tmp_path, text, name, refusal):
    """Of an unlocked file, and of a link where the file system has none."""
    (tmp_path / name).write_text(text)
    assert f"{name} is in git-annex, and its content was not fetched" in refusal(tmp_path / name)


def test_a_pointer_of_git_lfs(tmp_path, refusal):
    (tmp_path / "scan.nii.gz").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    )
    assert "is a pointer of git-lfs, whose content was not fetched: run git lfs pull" in refusal(
        tmp_path / "scan.nii.gz"
    )


def test_other_links_that_lead_nowhere(tmp_path, refusal):
    (tmp_path / "scan.nii.gz").symlink_to("gone.nii.gz")
    assert "scan.nii.gz is a link to gone.nii.gz, which does not exist" in refusal(tmp_path / "scan.nii.gz")
    (tmp_path / "anat").symlink_to(tmp_path / "nowhere")
    assert "anat is a link to" in refusal(tmp_path / "anat" / "scan.nii.gz")
    (tmp_path / "round").symlink_to("round")
    assert refusal(tmp_path / "round")


@pytest.mark.parametrize("name", ["photo.png", "scan", "scan.gz", "scan.img"])
def test_unknown_extension(tmp_path, name, refusal):
    (tmp_path / name).write_bytes(b"whatever")
    assert "is not a scan file: expected .nii.gz" in refusal(tmp_path / name)


def test_what_only_has_the_name_of_dicom(tmp_path, refusal):
    (tmp_path / "slice.dcm").write_bytes(b"whatever")
    assert "slice.dcm is not a scan file: expected" in refusal(tmp_path / "slice.dcm")


@pytest.mark.parametrize("source", [None, 3, np.zeros(SHAPE)])
def test_other_types(source, refusal):
    assert "expected a path, a nibabel image or a Scan" in refusal(source)


def test_paths_no_system_takes(refusal):
    assert "cannot be opened" in refusal("a\0b.nii")
    assert refusal("x" * 5000 + ".nii")


EXTENSIONS = [".nii", ".nii.gz", ".mgh", ".mgz", ".nrrd", ".nhdr", ".mha", ".mhd"]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_empty_files(tmp_path, extension, refusal):
    (tmp_path / f"scan{extension}").touch()
    assert "is empty" in refusal(tmp_path / f"scan{extension}")


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("content", [b"<html>not found</html>", b"\0" * 4000, bytes(range(256)) * 20])
def test_something_else_under_the_name_of_a_scan(tmp_path, extension, content, refusal):
    (tmp_path / f"scan{extension}").write_bytes(content)
    assert refusal(tmp_path / f"scan{extension}")


def test_gzip_without_the_name_and_the_name_without_gzip(tmp_path, voxels, saved, refusal):
    packed = saved(tmp_path / "a.nii.gz", voxels)
    plain = saved(tmp_path / "b.nii", voxels)
    assert "cannot be read as a NIfTI file" in refusal(packed.rename(tmp_path / "c.nii"))
    assert "cannot be read as a NIfTI file" in refusal(plain.rename(tmp_path / "d.nii.gz"))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".mgh", ".mgz"])
def test_truncated_by_nibabel(tmp_path, voxels, extension, share, saved, refusal):
    kind = nib.MGHImage if "mg" in extension else nib.Nifti1Image
    path = saved(tmp_path / f"scan{extension}", voxels, kind=kind)
    raw = path.read_bytes()
    if extension == ".mgh":
        raw = raw[: 284 + voxels.nbytes]  # the footer after the voxels may be lost
    path.write_bytes(raw[: int(len(raw) * share)])
    assert "cut short" in refusal(path)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
def test_truncated_by_itk(tmp_path, voxels, affine, extension, share, compress, itk_image, refusal):
    path = tmp_path / f"scan{extension}"
    sitk.WriteImage(itk_image(voxels, affine), str(path), compress)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    assert "cut short" in refusal(path)


@pytest.mark.parametrize("extension", [".nhdr", ".mhd"])
def test_detached_voxels_that_are_short_or_gone(tmp_path, voxels, affine, extension, itk_image, refusal):
    path = tmp_path / f"scan{extension}"
    sitk.WriteImage(itk_image(voxels, affine), str(path))
    data = tmp_path / "scan.raw"
    data.write_bytes(data.read_bytes()[:-50])
    assert "scan.raw has" in refusal(path)
    data.unlink()
    assert "data file is missing" in refusal(path)


def test_a_flipped_bit_in_gzip(tmp_path, voxels, saved, refusal):
    path = saved(tmp_path / "scan.nii.gz", voxels)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(bytes(raw))
    assert "damaged" in refusal(path)


# --- shapes


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 1), (1, 30, 40), (30, 40, 1, 5)])
def test_slices_are_refused(tmp_path, shape, saved, refusal):
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    assert "a single slice or less: expected a 3D volume" in refusal(saved(tmp_path / "scan.nii", values))


@pytest.mark.parametrize(
    ("shape", "first"),
    [((1, 30, 40, 20), "axis is"), ((3, 30, 40, 20), "axis is"), ((1, 1, 30, 40, 20), "2 axes are")],
)
def test_channels_before_the_volume_are_named(tmp_path, shape, first, saved, refusal):
    values = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    size = " × ".join(map(str, shape))
    for message in (
        refusal(saved(tmp_path / "scan.nii", values)),
        refusal(nib.Nifti1Image(values, np.eye(4))),
    ):
        assert f"is {size} voxels: the first {first} no part of the volume but of channels" in message


def test_colours_behind_the_volume_are_volumes(tmp_path, voxels, saved, refusal):
    path = saved(tmp_path / "scan.nii", np.stack([voxels, voxels + 1, voxels + 2], -1))
    assert "has 3 volumes where one 3D scan was expected" in refusal(path)


def test_slices_that_are_stored_as_volumes_are_named(tmp_path, saved, refusal):
    values = np.arange(30 * 40 * 20, dtype=np.int32).reshape(30, 40, 1, 20)
    assert "a single slice many times" in refusal(saved(tmp_path / "scan.nii", values))


def test_a_2d_itk_image_is_refused(tmp_path, refusal):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((30, 40), np.int16)), str(tmp_path / "scan.mha"))
    assert "a single slice" in refusal(tmp_path / "scan.mha")


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize("shape", [(30000, 30000, 30000), (1501, 9, 9), (1400, 1400, 1400)])
def test_header_bombs_of_impossible_shape(tmp_path, voxels, name, shape, saved, refusal, patched):
    path = patched(saved(tmp_path / name, voxels), (42, "<3h", *shape))
    assert "expected at most 1500 along an axis and 1e9 in all" in refusal(path)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_header_bombs_within_the_limits_do_not_allocate(tmp_path, voxels, name, saved, refusal, patched):
    path = patched(saved(tmp_path / name, voxels), (42, "<3h", 900, 900, 900))
    assert "its header claims 1458000000 bytes" in refusal(path)


def test_negative_shapes(tmp_path, voxels, saved, refusal, patched):
    assert refusal(patched(saved(tmp_path / "scan.nii", voxels), (42, "<3h", -6, 7, 8)))


@pytest.mark.parametrize(("size", "message"), [("900 900 900", "cut short"), ("30000 30000 30000", "1e9")])
def test_metaimage_bombs(tmp_path, voxels, affine, size, message, itk_image, refusal):
    path = tmp_path / "scan.mha"
    sitk.WriteImage(itk_image(voxels, affine), str(path))
    path.write_bytes(path.read_bytes().replace(b"DimSize = 6 7 8", f"DimSize = {size}".encode()))
    assert message in refusal(path)


# --- values


def test_colour_is_refused(tmp_path, voxels, affine, saved, itk_image, refusal):
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["R"] = voxels % 255
    assert "colour (RGB)" in refusal(saved(tmp_path / "scan.nii", rgb))
    grey = itk_image(voxels, affine)
    sitk.WriteImage(sitk.Compose(grey, grey, grey), str(tmp_path / "scan.nrrd"))
    assert "colour (RGB)" in refusal(tmp_path / "scan.nrrd")


def test_complex_is_refused(tmp_path, voxels, affine, saved, itk_image, refusal):
    assert "complex" in refusal(saved(tmp_path / "scan.nii", voxels * np.complex64(1j)))
    real = sitk.Cast(itk_image(voxels, affine), sitk.sitkFloat32)
    sitk.WriteImage(sitk.RealAndImaginaryToComplex(real, real), str(tmp_path / "scan.nrrd"))
    assert "complex" in refusal(tmp_path / "scan.nrrd")
    assert "complex" in refusal(Scan(voxels * 1j, np.eye(4)))


@pytest.mark.parametrize("value", [0, 7])
def test_constant_is_refused(tmp_path, value, saved, refusal):
    path = saved(tmp_path / "scan.nii.gz", np.full(SHAPE, value, np.int16))
    assert f"constant, every voxel is {value}" in refusal(path)


def test_all_nan_is_refused(tmp_path, saved, refusal):
    path = saved(tmp_path / "scan.nii.gz", np.full(SHAPE, np.nan, np.float32))
    assert "no finite voxel" in refusal(path)


def test_constant_beside_nan_is_refused(tmp_path, saved, refusal):
    values = np.full(SHAPE, 3, np.float32)
    values[0] = np.nan
    assert "constant" in refusal(saved(tmp_path / "scan.nii.gz", values))


# --- geometry


@pytest.mark.parametrize("rows", [[[1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 1, 0]], [[0] * 4] * 3])
def test_singular_affine(tmp_path, voxels, rows, saved, refusal, patched):
    path = patched(saved(tmp_path / "scan.nii", voxels), (280, "<12f", *np.ravel(rows)))
    assert "singular affine" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_affine_that_is_not_finite(tmp_path, voxels, value, saved, refusal, patched):
    path = patched(saved(tmp_path / "scan.nii", voxels), (280, "<f", value))
    assert "not 4 × 4 finite numbers" in refusal(path)


@pytest.mark.parametrize("spacing", [0.001, 0.09, 21, 1000])
def test_impossible_spacing(tmp_path, voxels, spacing, saved, refusal):
    path = saved(tmp_path / "scan.nii.gz", voxels, np.diag([1, 1, spacing, 1]))
    assert "expected 0.1 to 20 mm along each axis" in refusal(path)


@pytest.mark.parametrize("spacing", [0.1, 20])
def test_spacing_at_the_limits(tmp_path, voxels, spacing, saved):
    path = saved(tmp_path / "scan.nii.gz", voxels, np.diag([1, 1, spacing, 1]))
    assert read(path).grid.spacing_mm[2] == pytest.approx(spacing)
