"""The second stage: its inputs, its network, its objective and its patches, with right values."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sanum.methods.anatomy.una.fine_data import each_once, patch_of, with_first_stage
from sanum.methods.anatomy.una.fine_loss import energy, objective
from sanum.methods.anatomy.una.fine_model import FineUna, atlas_at, coarse_fields, fine_inputs
from sanum.methods.anatomy.una.fine_recipe import FineRecipe
from sanum.methods.anatomy.una.model import Una

SHAPE = (16, 16, 16)


def up(x):
    return F.interpolate(x, scale_factor=2, mode="trilinear")


@pytest.fixture
def maps():
    g = torch.Generator().manual_seed(0)
    scan = 2 * F.avg_pool3d(torch.rand(1, 1, 40, 40, 40, generator=g), 3, 1, padding=1)
    coarse = F.avg_pool3d(scan, 2)
    some = torch.full((1, 1, 20, 20, 20), 0.5)
    return scan, coarse, torch.cat([0.3 + 0.5 * coarse, 0.2 * some, 1.9 * some, 0.1 * some], dim=1)


def test_the_guided_copy_has_the_detail_of_the_scan(maps):
    scan, coarse, given = maps
    fields = coarse_fields(coarse, given)
    inputs = fine_inputs(scan, up(fields), torch.zeros_like(scan))
    # the anatomy is a line of the scan, so the copy is that line at 1 mm; FLAT takes away a little
    wanted = 0.3 + 0.5 * scan
    inner = (..., slice(6, -6), slice(6, -6), slice(6, -6))
    error = (inputs[:, 1:2] - wanted)[inner].std()
    blurred = (inputs[:, :1] - wanted)[inner].std()
    assert error < 0.35 * blurred


def test_inputs_hold_what_they_say(maps):
    scan, coarse, given = maps
    inputs = fine_inputs(scan, up(coarse_fields(coarse, given)), torch.full_like(scan, 0.7))
    torch.testing.assert_close(inputs[:, :1], up(given[:, :1]))
    torch.testing.assert_close(inputs[:, 2:3], scan)
    torch.testing.assert_close(inputs[:, 3:4], 4 * (scan - up(coarse)))
    torch.testing.assert_close(inputs[:, 5:6].sigmoid(), torch.full_like(scan, 0.1))
    torch.testing.assert_close(inputs[:, 6:7].sigmoid(), torch.full_like(scan, 0.95))
    assert (inputs[:, 7] == 0.7).all()


def test_an_unknown_pose_has_no_atlas():
    atlas = torch.ones(2, 80, 96, 80)
    poses = torch.stack([torch.eye(4), torch.full((4, 4), torch.nan)])
    seen = atlas_at(atlas, poses, (32, 32, 32))
    assert seen[0].min() == 1
    assert seen[1].abs().max() == 0


def test_it_begins_near_the_first_stage(maps):
    scan, coarse, given = maps
    torch.manual_seed(0)
    net = FineUna((8, 8)).eval()
    inputs = fine_inputs(scan, up(coarse_fields(coarse, given)), torch.zeros_like(scan))
    with torch.no_grad():
        out = net(inputs)
    assert (out.t1w - inputs[:, :1]).abs().mean() < 0.1
    assert (out.brain - inputs[:, 6:7]).abs().mean() < 2
    assert out.t1w.shape == out.anomaly.shape == out.log_scale.shape == scan.shape


def test_the_contrast_that_it_is_told_matters(maps):
    scan, coarse, given = maps
    net = FineUna((8, 8)).eval()
    torch.nn.init.normal_(net.told.weight)
    inputs = fine_inputs(scan, up(coarse_fields(coarse, given)), torch.zeros_like(scan))
    with torch.no_grad():
        a, b, c = (net(inputs, torch.tensor([n])).t1w for n in (0, 1, 0))
    assert torch.equal(a, c)
    assert not torch.equal(a, b)


def test_energy_is_what_blurring_takes_away_and_no_shift_does():
    g = torch.Generator().manual_seed(1)
    target = F.avg_pool3d(torch.rand(1, 1, 32, 32, 32, generator=g), 3, 1, padding=1)
    everywhere = torch.ones_like(target)
    blurred = F.avg_pool3d(target, 3, 1, padding=1, count_include_pad=False)
    assert energy(target, target, everywhere).item() == 0
    assert energy(target.roll(1, 2), target, everywhere) < 0.3 * energy(blurred, target, everywhere)


def test_the_objective_is_least_at_the_truth(maps):
    scan, _, _ = maps
    batch = {
        "t1w": scan,
        "p": torch.zeros_like(scan),
        "lesion": torch.zeros_like(scan),
        "brain": torch.ones_like(scan),
    }
    net = FineUna((8, 8))
    inputs = torch.zeros(1, 8, 40, 40, 40)
    inputs[:, 5], inputs[:, 6] = -6, 6
    bad = net(inputs)
    sure = torch.full_like(scan, 9.0)
    good = type(bad)(scan, -sure, sure, torch.full_like(scan, -6.0), bad.guess)
    assert objective(good, batch)[0] < objective(bad, batch)[0]
    terms = objective(good, batch)[1]
    assert terms["recon"] == terms["gradient"] == terms["energy"] == 0


def sample(shape=SHAPE):
    g = torch.Generator().manual_seed(2)
    brain = torch.zeros(1, *shape)
    brain[:, 4:12, 4:12, 4:12] = 1
    lesion = torch.zeros(1, *shape)
    lesion[:, 5, 6, 7] = 1
    return {
        "image": torch.rand(2, *shape, generator=g),
        "to_atlas": torch.eye(4),
        "contrast": torch.tensor(0.0),
        "t1w": torch.rand(1, *shape, generator=g),
        "p": lesion.clone(),
        "lesion": lesion,
        "brain": brain,
    }


def test_patches_are_cut_alike_and_are_functions_of_their_number():
    whole = sample((32, 32, 32))
    whole["inputs"] = whole["t1w"].repeat(8, 1, 1, 1)
    for n in range(8):
        cut = patch_of(whole, np.random.default_rng([1, n]), 16)
        again = patch_of(whole, np.random.default_rng([1, n]), 16)
        assert all(torch.equal(cut[k], again[k]) for k in cut)
        assert cut["t1w"].shape == (1, 16, 16, 16)
        assert torch.equal(cut["inputs"][3], cut["t1w"][0])
        assert cut["brain"].any()


def test_the_first_stage_sees_half_of_the_resolution():
    first = Una((8, 8, 8)).eval()
    made = with_first_stage(sample((48, 48, 48)), first)
    assert made["inputs"].shape == (8, 48, 48, 48)
    with torch.inference_mode():
        pair = F.avg_pool3d(sample((48, 48, 48))["image"][None], 2)
        one = first(pair, torch.eye(4)[None], torch.tensor([0.0]))
        other = first(pair.flip(2), torch.eye(4)[None], torch.tensor([0.0]))
    wanted = up((one.t1w + other.t1w.flip(2)) / 2)[0, 0]
    torch.testing.assert_close(made["inputs"][0], wanted, atol=0.05, rtol=0.05)  # bfloat16 where it is native


def test_samples_are_asked_for_once():
    assert list(each_once([range(2), range(2, 4), range(4, 6)], 4)) == [0, 1]
    assert list(each_once([range(6, 8), range(8, 10)], 4)) == [1, 2]


def test_a_patch_that_the_network_cannot_halve_is_refused():
    with pytest.raises(ValueError, match="patch must be a multiple of 8"):
        FineRecipe("x", patch=60)
    with pytest.raises(ValueError, match="patches must be a multiple of batch_size"):
        FineRecipe("x", patches=7, batch_size=2)
