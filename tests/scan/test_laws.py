"""Laws of reading: the unit of length and the order of the voxels say nothing about the head."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanum.scan import read
from sanum.space.grid import Grid, covering
from sanum.space.resample import resample

SHAPE = (6, 7, 9)
ORIENTATIONS = [
    np.column_stack([axes, flips]) for axes in permutations(range(3)) for flips in product((1, -1), repeat=3)
]
KINDS = {".nii": nib.Nifti1Image, ".nii.gz": nib.Nifti2Image, ".mgz": nib.MGHImage}
UNITS = {0: 1.0, 1: 1e-3, 2: 1.0, 3: 1e3}
"""Code in the header → how many of it are a millimetre."""

SMALL = settings(max_examples=25, deadline=None)


@st.composite
def affines(draw):
    """Oblique, of voxels of 0.5 to 5 mm, somewhere within 2 m."""
    turn, _ = np.linalg.qr(np.random.default_rng(draw(st.integers(0, 999))).normal(size=(3, 3)))
    out = np.eye(4)
    out[:3, :3] = turn * [draw(st.floats(0.5, 5)) for _ in range(3)]
    out[:3, 3] = [draw(st.floats(-2000, 2000)) for _ in range(3)]
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("laws")


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).integers(1, 255, SHAPE).astype(np.int16)


@SMALL
@given(affine=affines(), codes=st.sampled_from([(1, 1), (0, 1), (4, 0)]), two=st.booleans())
def test_the_unit_of_length_changes_nothing(folder, values, affine, codes, two):
    found = []
    for code, many in UNITS.items():
        image = (nib.Nifti2Image if two else nib.Nifti1Image)(values, np.eye(4))
        in_unit = np.diag([many, many, many, 1]) @ affine
        image.set_sform(in_unit, codes[0])
        image.set_qform(in_unit, codes[1])
        image.header["xyzt_units"] = code
        image.to_filename(folder / f"unit{code}.nii")
        found.append(read(folder / f"unit{code}.nii"))
    for scan in found:
        assert scan.grid.same_as(Grid(SHAPE, affine), tolerance_mm=2e-3)
        np.testing.assert_array_equal(scan.voxels, values)
        assert scan.warnings == ()


def same_in_world(folder, values, affine, orientation, ending):
    """The array stored in another order reads to the same values at the same places."""
    stored = nib.orientations.apply_orientation(values, orientation)
    there = affine @ nib.orientations.inv_ornt_aff(orientation, values.shape)
    path = folder / f"scan{ending}"
    nib.save(KINDS[ending](np.ascontiguousarray(stored), there), path)
    scan = read(path)
    one, world = Grid(SHAPE, affine), covering(Grid(SHAPE, affine), 1.5)
    np.testing.assert_allclose(
        resample(scan.voxels.astype(np.float32), scan.grid, world, order=1),
        resample(values.astype(np.float32), one, world, order=1),
        atol=0.05,
    )
    np.testing.assert_allclose(
        resample(scan.voxels.astype(np.float32), scan.grid, one, order=1), values, atol=0.05
    )


def test_there_are_48_orientations():
    assert len({str(o) for o in ORIENTATIONS}) == 48


@pytest.mark.parametrize("ending", KINDS)
def test_all_stored_orientations_are_one_head(folder, values, ending):
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    affine[:3, 3] = -3, 4, 5
    for orientation in ORIENTATIONS:
        same_in_world(folder, values, affine, orientation, ending)


@SMALL
@given(affine=affines(), orientation=st.sampled_from(ORIENTATIONS), ending=st.sampled_from(sorted(KINDS)))
def test_all_stored_orientations_of_an_oblique_scan_are_one_head(folder, values, affine, orientation, ending):
    affine[:3, 3] /= 20  # within 100 mm: single precision
    same_in_world(folder, values, affine, orientation, ending)
