"""Labels of each program on one made-up head: the same anatomy comes of them."""

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine
from sanum.synth.anatomy import prepare
from sanum.synth.labels import ASEG, DLMUSE, FREESURFER, SCHEMES, on_one_grid, scheme_in_table, scheme_of

_spec = spec_from_file_location("synth_phantom", Path(__file__).with_name("conftest.py"))
phantom = module_from_spec(_spec)
_spec.loader.exec_module(phantom)
GRID = phantom.GRID

# cortex, white matter, lateral ventricle, putamen right and left, and what is around the brain
PROGRAMS = {
    "dlmuse": (120, 81, 51, 57, 58, 1),
    "aseg": (3, 2, 4, 51, 12, 24),
    "aparc+aseg": (1028, 41, 43, 51, 12, 24),
    "aparc.a2009s+aseg": (12116, 2, 4, 51, 12, 24),
    "wmparc": (2035, 4001, 43, 51, 12, 24),
    "wmparc, deep": (1001, 5002, 43, 51, 12, 24),
    "synthseg": (2022, 41, 4, 51, 12, 24),
}


def labels_of(part, program):
    cortex, white, fluid, right, left, around = PROGRAMS[program]
    labels = np.zeros(part["head"].shape, np.int16)
    for name, value in (
        ("around", around),
        ("brain", cortex),
        ("white", white),
        ("right nucleus", right),
        ("left nucleus", left),
        ("fluid", fluid),
    ):
        labels[part[name]] = value
    return labels


def parts(grid):
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)) - phantom.CENTRE_MM
    around = ((x / (65, 81, 65)) ** 2).sum(-1) < 1
    return {**phantom.parts(grid), "around": around}


def as_tissue(labels):
    """Grey matter, white matter and fluid, as fMRIPrep's sub-01_dseg numbers them."""
    cortex, white, fluid, *_ = PROGRAMS["synthseg"]
    return np.select([labels == cortex, labels == white, labels == fluid], [1, 2, 3], 0).astype(np.uint8)


def saved(path, voxels, grid):
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = nib.MGHImage if path.suffix == ".mgz" else nib.Nifti1Image
    nib.save(kind(voxels, grid.affine), path)
    return path


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_values_tell_the_numbering(program):
    part, scheme = parts(GRID), DLMUSE if program == "dlmuse" else ASEG
    labels = labels_of(part, program)
    assert scheme_of(labels) is scheme
    nuclei = (part["right nucleus"] | part["left nucleus"]) & ~part["fluid"]
    assert np.array_equal(scheme.group_of(labels) == 2, nuclei)
    assert np.array_equal(np.isin(labels, list(scheme.ventricles)), part["fluid"])
    assert np.array_equal(np.isin(labels, list(scheme.brain)), part["around"])
    assert np.array_equal(np.isin(labels, list(scheme.cortex)), labels == PROGRAMS[program][0])
    assert np.array_equal(np.isin(labels, list(scheme.white)), labels == PROGRAMS[program][1])


def test_a_few_strange_labels_do_not_change_the_numbering():
    labels = labels_of(parts(GRID), "synthseg")
    labels[10:12, 20, 20] = 120
    assert scheme_of(labels) is ASEG
    labels = labels_of(parts(GRID), "dlmuse")
    labels[10:12, 20, 20] = 1028
    assert scheme_of(labels) is DLMUSE


def test_a_skull_tells_a_whole_head():
    labels = labels_of(parts(GRID), "aseg")
    labels[0, 0, 0] = 515
    assert scheme_of(labels) is FREESURFER
    assert 24 in FREESURFER.outside
    assert 24 in ASEG.brain


def test_every_label_of_the_atlases_is_cortex_or_white_matter():
    for start, end in ((1000, 1036), (2000, 2036), (11101, 11176), (12101, 12176)):
        assert set(range(start, end)) <= ASEG.cortex & FREESURFER.cortex
    for labels in ((77, 78, 79), range(3000, 3036), range(4000, 4036), (5001, 5002)):
        assert set(labels) <= ASEG.white
    swapped = ASEG.swapped(np.array([1028, 12116, 3001, 5002, 2, 24, 9], np.int16))
    assert swapped.tolist() == [2028, 11116, 4001, 5001, 41, 24, 48]
    assert max(max(s.known) for s in SCHEMES.values()) < np.iinfo(np.int16).max


class TestTable:
    @pytest.mark.parametrize(
        ("rows", "scheme"),
        [
            ("2\tLeft-Cerebral-White-Matter\t#f5f5f5\n41\tRight-Cerebral-White-Matter\t#fff", ASEG),
            ("1\tCortCSF\t\n51\tLateralVentricle_R\t", DLMUSE),
            ("1\tgray\t\n2\twhite\t", None),
            ("", None),
        ],
    )
    @pytest.mark.parametrize("place", ["derivatives/x", "derivatives/x/sub-1/anat"])
    def test_names_tell_the_numbering(self, tmp_path, rows, scheme, place):
        labels = tmp_path / "derivatives" / "x" / "sub-1" / "anat" / "sub-1_desc-aseg_dseg.nii.gz"
        labels.parent.mkdir(parents=True)
        table = tmp_path / place / ("desc-aseg_dseg.tsv" if place.endswith("x") else "sub-1_dseg.tsv")
        table.write_text(f"index\tname\tcolor\n{rows}\n")
        assert scheme_in_table(labels) is scheme

    def test_another_maps_table_does_not(self, tmp_path):
        (tmp_path / "desc-other_dseg.tsv").write_text("index\tname\n51\tLateralVentricle_R\n")
        assert scheme_in_table(tmp_path / "sub-1_desc-aseg_dseg.nii.gz") is None

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"nothing of the kind\n", b"x" * 2_000_000])
    def test_what_is_no_table_says_nothing(self, tmp_path, content):
        (tmp_path / "dseg.tsv").write_bytes(content)
        assert scheme_in_table(tmp_path / "sub-1_dseg.nii.gz") is None


@pytest.fixture(scope="module")
def stripped(tmp_path_factory):
    """A stripped T1w."""
    part = phantom.parts(GRID)
    t1w = (phantom.t1w_of(part) * part["brain"] * 300).astype(np.float32)
    return saved(tmp_path_factory.mktemp("own") / "sub-01_T1w.nii.gz", t1w, GRID)


@pytest.mark.usefixtures("rough_mirror")
@pytest.mark.parametrize("program", ["synthseg", "aparc.a2009s+aseg"])
def test_a_real_t1w_with_labels_on_another_grid(stripped, tmp_path, program):
    """Conformed labels, as FreeSurfer and SynthSeg write them: other voxels, other axes, the same world."""
    fine = Box((100, 100, 100), 2.5).grid((6, -10, 4))
    turned = Grid(
        fine.shape, fine.affine @ np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    )
    labels = saved(tmp_path / "sub-01" / "mri" / "aparc+aseg.mgz", labels_of(parts(turned), program), turned)
    assert not on_one_grid(stripped, labels)
    anatomy = prepare(stripped, labels, tmp_path / "cache")
    assert (anatomy.name, anatomy.scheme, anatomy.target) == ("sub-01", "aseg", "real")
    assert anatomy.grid.same_as(GRID)
    part = phantom.parts(GRID)
    for mask, truth in (
        (anatomy.groups == 2, (part["right nucleus"] | part["left nucleus"]) & ~part["fluid"]),
        (anatomy.ventricles, part["fluid"]),
        (anatomy.white_matter, part["white"] & ~part["fluid"]),
    ):
        assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.8  # a voxel away: .65
    np.testing.assert_allclose(anatomy.tissue_means, [0.25, 0.65, 1.0], atol=0.06)
    again = prepare(stripped, labels, tmp_path / "cache")
    assert again.scheme == "aseg"
    assert np.array_equal(again.labels, anatomy.labels)


@pytest.mark.usefixtures("rough_mirror")
def test_labels_that_do_not_belong_to_the_t1w(stripped, tmp_path):
    labels = labels_of(parts(GRID), "synthseg")
    away = Grid(GRID.shape, GRID.affine.copy())
    moved = np.array(away.affine)
    moved[0, 3] += 120
    far = saved(tmp_path / "far_dseg.nii.gz", labels, replace(away, affine=moved))
    with pytest.raises(ValueError, match=r"are on different grids, and \d\d% of the labels lie in the T1w"):
        prepare(stripped, far, tmp_path / "cache")
    tissue = saved(tmp_path / "tissue_dseg.nii.gz", as_tissue(labels), GRID)
    with pytest.raises(ValueError, match=r"tissue_dseg.nii.gz holds labels that aseg does not have: 1; "):
        prepare(stripped, tissue, tmp_path / "cache")
    image = nib.load(stripped)
    voxels = np.asarray(image.dataobj)
    other = saved(tmp_path / "sub-02_T1w.nii.gz", np.where(voxels > 0, 350 - voxels, 0), GRID)
    belonging = saved(tmp_path / "sub-02_dseg.nii.gz", labels, GRID)
    with pytest.raises(ValueError, match=r"do not fit: fluid has .* is it one, and do the labels lie on it"):
        prepare(other, belonging, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_swapped_axes_are_the_same_grid_and_what_cannot_be_read_is_left_to_its_reader(tmp_path):
    voxels = np.zeros((4, 5, 6), np.uint8)
    one = saved(tmp_path / "a.nii.gz", voxels, Grid((4, 5, 6), np.diag([2.0, 2, 2, 1])))
    affine = np.array([[0, -2.0, 0, 6], [0, 0, 2, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    other = saved(tmp_path / "b.mgz", np.zeros((6, 4, 5), np.uint8), Grid((6, 4, 5), affine))
    assert on_one_grid(one, other)
    affine[0, 3] += 1
    assert not on_one_grid(
        one, saved(tmp_path / "c.mgz", np.zeros((6, 4, 5), np.uint8), Grid((6, 4, 5), affine))
    )
    (tmp_path / "d.nii.gz").write_bytes(b"damaged")
    assert on_one_grid(one, tmp_path / "d.nii.gz")
