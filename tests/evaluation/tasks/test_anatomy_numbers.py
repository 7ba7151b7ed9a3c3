from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from sanum.evaluation import find_cases
from sanum.evaluation.tasks.anatomy.difference import difference_map
from sanum.evaluation.tasks.anatomy.numbers import (
    CURVE,
    in_head,
    likeness,
    numbers_of,
    read_truth,
)
from sanum.healthy.reconstruction import reconstruct
from sanum.metrics.errors import errors
from sanum.scan import Scan
from sanum.space.box import Box


def test_the_head_s_volume_is_the_same_for_any_order_of_axes():
    rng = np.random.default_rng(0)
    grid = Box((20, 24, 22), 4.0).grid()
    a, b = (np.pad(rng.random((16, 20, 18)), 2).astype(np.float32) for _ in range(2))
    x, y = in_head(Scan(a, grid.affine), a, b)
    assert x.shape == y.shape == (48, 56, 48)
    assert errors(x, y).l1 == pytest.approx(np.abs(a - b).sum() / (48 * 56 * 48), rel=1e-5)
    turned = nib.as_closest_canonical(nib.Nifti1Image(a, grid.affine)).as_reoriented(
        [[1, -1], [2, 1], [0, 1]]
    )
    c = np.asarray(turned.dataobj)
    u, v = in_head(Scan(c, turned.affine), c, c)
    np.testing.assert_array_equal(u, x)
    np.testing.assert_array_equal(v, x)


def test_truths_in_another_order_of_voxels_are_the_same_truths(bids, tmp_path):
    """A mask that is stored LAS beside a scan in RAS, as converters leave it."""
    case = find_cases(bids)[0]
    plain = read_truth(case)
    stored = {}
    for part, order in (("lesion", "LAS"), ("brain", "PIR"), ("truth", "SLP")):
        image = nib.load(getattr(case, part))
        turn = nib.orientations.ornt_transform(
            nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt(order)
        )
        stored[part] = tmp_path / f"{part}.nii.gz"
        nib.save(image.as_reoriented(turn), stored[part])
    found = read_truth(replace(case, **stored))
    assert plain.lesion.any()
    np.testing.assert_array_equal(found.lesion, plain.lesion)
    np.testing.assert_array_equal(found.brain, plain.brain)
    np.testing.assert_array_equal(found.t1w, plain.t1w)


def test_what_is_longer_than_a_head_stays_whole():
    a = np.ones((10, 10, 10), np.float32)
    x, _ = in_head(Scan(a, np.diag([30.0, 30, 30, 1])), a, a)
    assert x.sum() == a.sum()


def test_difference_map():
    rng = np.random.default_rng(1)
    anatomy = rng.random((20, 20, 20)).astype(np.float32)
    brain = np.zeros(anatomy.shape, bool)
    brain[2:-2, 2:-2, 2:-2] = True
    sick = anatomy.copy()
    sick[8:11, 8:11, 8:11] += 3
    d = difference_map(400 * sick + 7, anatomy, brain)  # any unit
    assert d.max() == 1
    assert d[9, 9, 9] > 0.8
    assert np.median(d[brain]) < 0.2
    assert not d[~brain].any()
    assert not difference_map(sick, anatomy, brain & ~brain).any()


def test_numbers_of_the_phantom(bids, counting):
    case = find_cases(bids)[0]
    result = reconstruct(case.scan, predictor=counting())
    found = numbers_of(case, read_truth(case), result)
    # the method is right but for what 2 mm voxels blur
    assert found["psnr_f"] > 25
    assert found["l1_h"] + found["l1_d"] == pytest.approx(found["l1_f"], rel=1e-4)
    assert found["brain_l1_d"] > found["l1_d"]  # 27 mL of a head
    assert 0.7 < found["dice"] <= found["dice_oracle"] <= 1
    assert found["lesion_f1"] == 1
    assert found["average_precision"] > 0.9
    assert found["true_ml"] == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.1)
    assert len(found["difference_curve"].split()) == len(CURVE)
    assert found["coverage_50"] < found["coverage_80"] < found["coverage_95"]
    assert found["dice_brain"] > 0.9
    assert "anomalous_percent" not in found
    unknown = np.where(np.asarray(result.brain.voxels) > 0, np.nan, 0)
    without = replace(result, uncertainty=result.uncertainty.with_voxels(unknown))
    assert numbers_of(case, read_truth(case), without) == {
        k: v for k, v in found.items() if not k.startswith("coverage")
    }


def test_alike(phantom):
    other = phantom.with_voxels(phantom.voxels * np.float32(0.9))
    same, near = likeness(phantom, phantom), likeness(phantom, other)
    assert same["psnr"] == np.inf
    assert near["brain_psnr"] < near["psnr"] < 60
