"""Anatomies of labels alone."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from sanum.space.box import Box
from sanum.space.grid import apply_affine
from sanum.synth import render
from sanum.synth.anatomy import at_spacing, describe, prepare
from sanum.synth.dataset import GenerateSettings, generate, replay
from sanum.synth.labels import FREESURFER
from sanum.synth.record import from_json
from sanum.synth.source import Source

GRID = Box((60, 70, 62), 3.0).grid((4, -8, 2))


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A made-up head in FreeSurfer's labels, as a file."""
    x = apply_affine(GRID.affine, np.moveaxis(np.indices(GRID.shape), 0, -1)) - (4, -8, 2)
    labels = np.zeros(GRID.shape, np.int16)

    def fill(radii, right, left=None, centre=(0, 0, 0)):
        inside = (((x - centre) / radii) ** 2).sum(-1) < 1
        labels[inside] = np.where(x[inside][:, 0] > 0, right, left or right)

    fill((78, 94, 82), 511)
    fill((75, 91, 79), 507)
    fill((70, 86, 74), 515)
    fill((66, 82, 70), 24)
    fill((62, 78, 66), 42, 3)
    fill((52, 68, 56), 41, 2)
    fill((7, 24, 12), 43, 4, (11, 6, 8))
    fill((7, 24, 12), 43, 4, (-11, 6, 8))
    fill((9, 14, 9), 51, 12, (28, 4, 4))
    fill((9, 14, 9), 51, 12, (-28, 4, 4))
    path = tmp_path_factory.mktemp("labels") / "head-1_dseg.nii.gz"
    nib.save(nib.Nifti1Image(labels, GRID.affine), path)
    return path


@pytest.fixture(scope="module")
def anatomy(head, tmp_path_factory):
    return prepare(None, head, tmp_path_factory.mktemp("cache"))


def test_it_is_painted_with_what_real_ones_have(anatomy):
    assert (anatomy.target, anatomy.scheme, anatomy.name) == ("rendered", "freesurfer", "head-1")
    assert json.loads(describe(anatomy))["target"] == "rendered"
    white = ndimage.binary_erosion(np.isin(anatomy.labels, (2, 41)), iterations=2)
    assert np.median(anatomy.t1w[white]) == pytest.approx(1, abs=0.02)
    assert anatomy.t1w[white].std() == pytest.approx(render.WHITE[1] / render.WHITE[0], rel=0.25)
    bone, skin = (np.median(anatomy.t1w[anatomy.labels == n]) for n in (515, 511))
    assert bone < 0.4 < 0.5 < skin
    fluid, grey, middle = anatomy.tissue_means
    assert 0.2 < fluid < 0.5 < grey < 0.85 < middle == 1


def test_its_brain_ends_before_the_fluid_around_it(anatomy):
    assert anatomy.brain[np.isin(anatomy.labels, list(FREESURFER.brain))].all()
    assert not anatomy.brain[np.isin(anatomy.labels, (515, 507, 511))].any()
    assert (anatomy.groups == 2).sum() == np.isin(anatomy.labels, (12, 51)).sum() > 0


def test_rendering_is_seeded():
    labels = np.where(np.arange(1000).reshape(10, 10, 10) % 2, 2, 3).astype(np.int16)
    one, again, other = (render.render_t1w(labels, (1.0, 1.0, 1.0), seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_coarser_voxels(anatomy):
    assert at_spacing(anatomy, 4.0) is anatomy  # not much coarser
    coarse = at_spacing(anatomy, 6.0)
    assert coarse.grid.spacing_mm == pytest.approx([6, 6, 6])
    volumes = [
        (a.brain.sum() * a.grid.voxel_volume_ml, (a.groups == 2).sum() * a.grid.voxel_volume_ml)
        for a in (anatomy, coarse)
    ]
    np.testing.assert_allclose(volumes[0], volumes[1], rtol=0.15)
    assert coarse.ramp.shape == coarse.labels.shape == coarse.t1w.shape == coarse.grid.shape


def test_a_data_set_of_labels_says_so_and_replays(head, anatomy, tmp_path):
    source = Source(head, None, tmp_path / "cache")
    settings = GenerateSettings(seed=3, box=Box((40, 48, 40), 4.0), draws="published")
    assert generate(source, tmp_path / "a", settings, count=1) == 1
    record = next((tmp_path / "a").glob("sub-*/anat/*.json"))
    told = from_json(record.read_text())
    assert (told.target, told.labels, told.anatomy) == ("rendered", "freesurfer", head.name)
    scan = nib.load(record.with_suffix(".nii.gz"))
    assert scan.shape == (40, 48, 40)
    assert scan.header.get_zooms() == (4.0, 4.0, 4.0)
    truth = tmp_path / "a" / "derivatives" / "sanum" / "sub-000000" / "anat"
    assert json.loads((truth / "sub-000000_desc-healthy_T1w.json").read_text())["target"] == "rendered"
    assert (
        set(np.unique(nib.load(truth / "sub-000000_desc-freesurfer_dseg.nii.gz").dataobj)) <= FREESURFER.known
    )
    again = replay(record, source, tmp_path / "b")
    assert again.read_bytes() == record.with_suffix(".nii.gz").read_bytes()
    folder = Source(head.parent, None, tmp_path / "cache")
    assert replay(record, folder, tmp_path / "c").read_bytes() == again.read_bytes()


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        Source(tmp_path / "nowhere", None, tmp_path).pairs()
