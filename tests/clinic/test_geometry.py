"""Every frame lies where the result has it, by its own tags alone, in whatever way the head was scanned."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pydicom
import pytest

from sanum.clinic.anatomy import anatomy_series
from sanum.clinic.maker import maker_of
from sanum.clinic.reference import reference_of
from sanum.clinic.sampling import on_planes
from sanum.clinic.segmentation import segmentation
from sanum.scan import Scan, read, write
from sanum.scan.dicom_planes import read_planes
from sanum.space.grid import apply_affine

from .series import KINDS, as_frames, frames_in, head, read_result, saved

pytest.importorskip("highdicom")


def written(folder, result, path):
    """The segmentation on disk, read back by pydicom."""
    source = read_planes(folder)
    reference = reference_of(source)
    mask = on_planes(result.anomaly_mask, source, nearest=True) > 0
    made = segmentation(mask, range(len(mask)), reference, maker_of(result, reference.uids))
    made.save_as(path, enforce_file_format=True)
    return pydicom.dcmread(path)


def compare(one, nifti):
    """Dice and distance of centroids (mm) of a segmentation and a NIfTI mask, at the pixels of the frames."""
    image = nib.load(nifti)
    mask, frames = np.asarray(image.dataobj) > 0, frames_in(one, one.pixel_array)
    step = 1 + len(frames[0].pixels) // 400  # of large planes every second row and column
    points = np.stack([frame.points_ras[::step, ::step] for frame in frames])
    at = np.rint(apply_affine(np.linalg.inv(image.affine), points)).astype(int)
    inside = ((at >= 0) & (at < mask.shape)).all(-1)
    assert inside.all()
    expected = mask[tuple(np.moveaxis(at, -1, 0))]
    got = np.stack([frame.pixels[::step, ::step] for frame in frames]) > 0
    dice = 2 * (expected & got).sum() / (expected.sum() + got.sum())
    return dice, np.linalg.norm(points[got].mean(0) - points[expected].mean(0)), points[got], expected.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_is_where_the_nifti_mask_is(kind, tmp_path):
    made = head(kind)
    folder = saved(tmp_path / "series", made)
    scan, result = read_result(folder)
    nifti = write(result.anomaly_mask, tmp_path / "mask.nii.gz")
    one = written(folder, result, tmp_path / "seg.dcm")
    dice, apart_mm, points, count = compare(one, nifti)
    assert dice > 0.999
    assert apart_mm < 0.1
    if kind != "uneven":  # where some slices of the NIfTI file are between planes
        voxels = np.argwhere(np.asarray(result.anomaly_mask.voxels) > 0)
        assert count == len(voxels)
        centroid = apply_affine(scan.affine, voxels).mean(0)
        assert np.linalg.norm(points.mean(0) - centroid) < 0.1
    assert points[:, 0].max() < 0  # left is left
    places = [tuple(np.round(np.array(p.ImagePositionPatient, float), 4)) for p in made]
    assert [frame.position for frame in frames_in(one, one.pixel_array)] == places  # all, in their order


def test_of_an_enhanced_file(tmp_path):
    made = head("oblique")
    (tmp_path / "in").mkdir()
    as_frames(made[::-1]).save_as(tmp_path / "in" / "volume", enforce_file_format=True)
    _, result = read_result(tmp_path / "in")
    nifti = write(result.anomaly_mask, tmp_path / "mask.nii.gz")
    one = written(tmp_path / "in", result, tmp_path / "seg.dcm")
    dice, apart_mm, points, _ = compare(one, nifti)
    assert dice > 0.999
    assert apart_mm < 0.1
    assert points[:, 0].max() < 0
    numbers = [
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for group in one.PerFrameFunctionalGroupsSequence
    ]
    assert numbers == [*range(1, len(made) + 1)]


def test_planes_that_are_turned_a_little_keep_their_own_direction(tmp_path):
    made = head("axial")
    for k, one in enumerate(made):
        angle = 1e-3 * (k % 3)
        one.ImageOrientationPatient = [np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0]
    folder = saved(tmp_path / "series", made)
    scan, result = read_result(folder)
    one = written(folder, result, tmp_path / "seg.dcm")
    source = read_planes(folder)
    reference = reference_of(source)
    images = anatomy_series(on_planes(scan, source), reference, maker_of(result, reference.uids))
    for image, plane in zip(images, made, strict=True):
        assert image.ImageOrientationPatient == plane.ImageOrientationPatient
    assert "PlaneOrientationSequence" not in one.SharedFunctionalGroupsSequence[0]
    for group, plane in zip(one.PerFrameFunctionalGroupsSequence, made, strict=True):
        got = group.PlaneOrientationSequence[0].ImageOrientationPatient
        np.testing.assert_allclose(got, plane.ImageOrientationPatient, atol=1e-7)


def test_a_result_on_another_grid_is_sampled_at_the_planes(tmp_path):
    """As of --space 1mm: each pixel gets what is there, in millimetres."""
    folder = saved(tmp_path / "series", head("oblique"))
    source = read_planes(folder)
    affine = np.diag([1.5, 1.5, 1.5, 1])
    affine[:3, 3] = -75
    points = apply_affine(affine, np.moveaxis(np.indices((100, 100, 100)), 0, -1))
    ramp = Scan((points @ [0.3, -0.2, 0.5]).astype(np.float32), affine)
    got = on_planes(ramp, source)
    for values, plane in zip(got, source.planes, strict=True):
        j, i = np.mgrid[: values.shape[0], : values.shape[1]]
        steps = plane.axes * plane.spacing[:, None]
        mm = (plane.position + i[..., None] * steps[0] + j[..., None] * steps[1]) * (-1, -1, 1)
        np.testing.assert_allclose(values, mm @ [0.3, -0.2, 0.5], atol=1e-3)


@pytest.mark.full
@pytest.mark.parametrize("name", ["pd-axial", "ct-head"])
def test_a_real_series(name, shared_data, tmp_path):
    folder = shared_data / "dicom" / name
    mask = with_a_ball(read(folder))
    result = SimpleNamespace(provenance={}, **dict.fromkeys(("anatomy", "anomaly", "uncertainty"), mask))
    result.anomaly_mask = mask
    nifti = write(mask, tmp_path / "mask.nii.gz")
    dice, apart_mm, points, _ = compare(written(folder, result, tmp_path / "seg.dcm"), nifti)
    assert dice > 0.999
    assert apart_mm < 0.1
    assert points[:, 0].max() < mask.grid.centre_mm[0]


def with_a_ball(scan):
    """A mask of 18 mm on the left."""
    centre = np.array(scan.grid.centre_mm) - (32, 0, 0)
    index = np.ogrid[tuple(slice(n) for n in scan.voxels.shape)]
    away = [scan.affine[a, :3] @ np.array(index, object) + scan.affine[a, 3] - centre[a] for a in range(3)]
    return scan.with_voxels((sum(x.astype(np.float32) ** 2 for x in away) < 18**2).astype(np.uint8))
