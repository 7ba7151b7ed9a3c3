"""Subjects whose scans end early: each voxel is averaged over those that see it."""

import nibabel as nib
import numpy as np
import pytest
import torch

from sanum.healthy.comparison import doubts, volumes
from sanum.methods.atlas.population.average import FADE, Fit, average, seen_roughly
from sanum.methods.atlas.population.compare import OnAtlas, compare
from sanum.methods.atlas.population.config import AtlasConfig
from sanum.methods.atlas.population.jobs import PrepareJob
from sanum.methods.atlas.population.lay import seen_at
from sanum.methods.atlas.population.members import members_in
from sanum.methods.atlas.population.norms import norms_of
from sanum.methods.atlas.population.prepared import field_of_view
from sanum.methods.atlas.population.subject_files import SubjectFiles
from sanum.scan import Scan
from sanum.space.grid import Grid
from sanum.space.velocity import Lattice

SHAPE = (24, 24, 32)
CUT = 12
GRID = Grid(SHAPE, np.diag([2.0, 2, 2, 1]))
CONFIG = AtlasConfig(shading=False)


def body():
    """A bright cylinder along z with a gradient, cut at both ends, and its labels."""
    x, y, z = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    inside = (x - 11.5) ** 2 + (y - 11.5) ** 2 < 81
    image = np.where(inside, 100 + z, 2 * ((x + y) % 2)).astype(np.float32)
    return image, np.where(inside, 1 + (z > 20), 0).astype(np.int16)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Prepared: two whole bodies, one that ends early, one whose end is padded with empty slices."""
    folder = tmp_path_factory.mktemp("fields")
    image, labels = body()
    padded = image.copy()
    padded[..., :CUT] = 0
    affine = GRID.affine.copy()
    cut = affine.copy()
    cut[2, 3] = 2.0 * CUT
    for name, values, own, where in (
        ("a", image, labels, affine),
        ("b", image, labels, affine),
        ("early", image[..., CUT:], labels[..., CUT:], cut),
        ("padded", padded, np.where(padded > 50, labels, 0), affine),
    ):
        nib.save(nib.Nifti1Image(values, where), folder / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(own.astype(np.int16), where), folder / f"{name}_label.nii.gz")
    members = members_in(folder)
    files = SubjectFiles(folder, folder / "prepared")
    job = PrepareJob({m.path: m for m in members}, CONFIG, None)
    for member in members:
        job.compute(job.read(member), lambda _: None).save(files.of("prepared"))
    return members, files


def test_a_mean_has_no_step_where_a_subject_ends(work):
    members, files = work
    sums = average({m: Fit(np.eye(4)) for m in members}, files, GRID, Lattice(SHAPE, 4), codes=(1, 2))
    ratio = sums.mean[12, 12, :] / (100 + np.arange(SHAPE[2]))
    middle = slice(1, SHAPE[2] - 1)
    assert np.abs(ratio[middle] / ratio[15] - 1).max() < 0.03  # a plain mean falls to a half
    assert sums.spread[12, 12, middle].max() < 0.05
    np.testing.assert_allclose(sums.shares[:, 12, 12, middle].sum(0), 1, atol=1e-5)
    assert sums.weight[12, 12, CUT - 1] < 2 + 1e-3
    assert sums.weight[12, 12, CUT + FADE] == pytest.approx(4)
    assert sums.seen(0.5)[12, 12, FADE : SHAPE[2] - FADE].all()
    assert not sums.seen(0.75)[12, 12, :CUT].any()
    assert sums.growth_sd.max() == 0
    np.testing.assert_allclose(sums.standard_error[12, 12, 20], sums.spread[12, 12, 20] / 2, atol=1e-6)


def test_weights_fade_where_a_field_ends():
    at = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij")).astype(np.float32)
    weight = seen_at(GRID, at - 3, 8.0)
    assert weight[12, 12, :8].tolist() == [0, 0, 0, 0, 0.25, 0.5, 0.75, 1]
    half = seen_roughly(GRID.part((slice(0, 24), slice(0, 24), slice(16, 32))), np.eye(4), GRID)
    assert half.shape == (1, 1, *SHAPE)
    assert not half[..., :17].any()
    assert half[0, 0, 12, 12, 20:28].min() == 1


def test_empty_slices_are_no_field_of_view_where_a_body_is_cut():
    image, _ = body()
    padded = np.pad(image, ((0, 0), (0, 0), (3, 2)))
    assert field_of_view(padded) == (slice(0, 24), slice(0, 24), slice(3, 35))
    brain = np.zeros(SHAPE, np.float32)
    brain[11:14, 11:14, 4:20] = np.arange(1, 17)
    assert field_of_view(brain) == tuple(slice(0, n) for n in SHAPE)
    assert field_of_view(np.zeros(SHAPE)) == tuple(slice(0, n) for n in SHAPE)


def test_a_scan_that_ends_early_is_compared_where_it_was_taken(work, monkeypatch):
    from sanum.methods.atlas.population import compare as comparing
    from sanum.methods.atlas.population.atlas import Atlas

    image, labels = body()
    mean = image / np.float32(np.percentile(image[image > 50], 95))
    flat = np.full(SHAPE, 0.02, np.float32)
    about = {"settings": {"shading": False, "masked": False}}
    norms = norms_of(np.array([[70.0, 20], [71, 21], [72, 19], [70, 20]]), [{}] * 4)
    atlas = Atlas(
        GRID, mean, flat, image > 50, labels=labels, names={1: "low", 2: "high"}, norms=norms, about=about
    )
    rest = torch.zeros(1, 3, *Lattice(SHAPE, 4).points)
    monkeypatch.setattr(comparing, "place", lambda atlas, *_: OnAtlas(atlas, np.eye(4), rest, 4))
    padded = image.copy()
    padded[..., :CUT] = 0
    found = compare(atlas, Scan(padded, GRID.affine))
    assert found.beyond == 0
    assert not found.region[..., :CUT].any()
    assert found.region[12, 12, CUT:].all()
    assert np.abs(found.z_atlas.voxels).max() < 2
    assert not found.z_atlas.voxels[..., :CUT].any()
    np.testing.assert_allclose(found.seen, [(21 - CUT) / 21, 1])  # the padded ends are no part of a field
    low, high = volumes(found, {})
    assert low[1] > 0
    assert np.isnan(low[3])
    assert np.isfinite(high[3])
    assert doubts(atlas, found, {}) == [
        "1 of 2 labels reach beyond the scan's field of view: their volumes are guesses, carried on "
        "from what is seen, and have no percentile"
    ]
