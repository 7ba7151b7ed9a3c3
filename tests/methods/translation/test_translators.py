"""What every translator keeps to: the input's grid, one image twice and from a file, its contrasts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import sanum
from sanum.methods import registry
from sanum.scan import Scan, ScanError
from sanum.space.grid import apply_affine

from .conftest import NETS, TINY, made_pair

METHODS = [method.name for method in registry.METHODS if method.task == "translation" and method.name in NETS]


@pytest.mark.parametrize("method", METHODS)
def test_the_image_is_on_the_inputs_grid_and_the_same_each_time(method, pairs, fitted, tmp_path):
    translator, scan = fitted(method), pairs[0].source
    made = translator.translate(scan)
    assert made.image.grid.same_as(scan.grid)
    assert made.uncertainty.grid.same_as(scan.grid)
    assert made.image.contrast == "FLAIR"
    assert made.uncertainty.voxels.min() >= 0
    assert made.uncertainty.voxels.max() > 0
    low, high = translator.about["target_range"]
    assert low - 1e-2 <= made.image.voxels.min() <= made.image.voxels.max() <= high + 1e-2
    assert "views of the scan" in made.spread_of or "seeds 1 to 2" in made.spread_of
    again = sanum.load(method, weights=translator.save(tmp_path / "model.safetensors"))
    assert again.contrasts == ("T1w", "FLAIR")
    assert again.config == translator.config
    np.testing.assert_array_equal(again.translate(scan).image.voxels, made.image.voxels)
    turned = Scan(scan.voxels[::-1].transpose(1, 0, 2), _turned(scan), contrast="T1w", contrast_by="user")
    other = translator.translate(turned, samples=1).image.voxels.transpose(1, 0, 2)[::-1]
    np.testing.assert_allclose(other, made.image.voxels, atol=1e-3)


def _turned(scan):
    affine = scan.affine[:, [1, 0, 2, 3]].copy()
    affine[:3, 1] *= -1
    affine[:3, 3] = apply_affine(scan.affine, [len(scan.voxels) - 1, 0, 0])
    return affine


def test_the_same_fit_gives_the_same_weights(pairs, fitted, tmp_path):
    one = fitted("cut").learned.state_dict()
    other = sanum.load("cut").with_settings(*TINY, *NETS["cut"]).fit(pairs, folder=tmp_path)
    assert all(torch.equal(x, one[name]) for name, x in other.learned.state_dict().items())


def test_a_training_does_not_go_on_with_other_scans(pairs, tmp_path):
    translator = sanum.load("regression").with_settings(*TINY, *NETS["regression"])
    translator.fit(pairs, folder=tmp_path)
    translator.fit(pairs, folder=tmp_path)  # the same
    target = pairs[0].target
    other = replace(pairs[0], target=target.with_voxels(target.voxels**2))
    with pytest.raises(ValueError, match="data_sha256"):
        translator.fit([other, pairs[1]], folder=tmp_path)


def test_volumes_in_patches(pairs, tmp_path):
    tiny = ("loop.steps=1", "batch_size=1", "patch=32,16,16", "samples=1", "overlap=0", *NETS["regression"])
    volumes = [made_pair(n, (34, 20, 18)) for n in range(2)]
    translator = sanum.load("regression-3d").with_settings(*tiny).fit(volumes, folder=tmp_path)
    made = translator.translate(volumes[0].source)
    assert made.image.voxels.shape == (34, 20, 18)
    assert "the uncertainty is 0 everywhere" in made.warnings[-1]
    with pytest.raises(ScanError, match=r"40 × 36 × 6 voxels .* thinner than the 3-D patch of 32 × 16 × 16"):
        translator.translate(pairs[0].source)


def test_what_a_model_is_not_for_is_refused(pairs, fitted):
    translator = fitted("regression")
    with pytest.raises(
        ScanError, match="is T2w, and the model translates T1w to FLAIR: choose a model for T2w"
    ):
        translator.translate(replace(pairs[0].source, contrast="T2w"))
    unknown = translator.check(replace(pairs[0].source, contrast=None, contrast_by="nobody"))
    assert unknown == ("its contrast is not known: taken as T1w",)
    coarse = replace(pairs[0].source, affine=np.diag([4.0, 4, 5, 1]))
    assert "voxels are 4 × 4 × 5 mm, and the model learned from 2 × 2 × 5 mm" in translator.check(coarse)[0]
    with pytest.raises(RuntimeError, match="has learned nothing"):
        sanum.load("regression").translate(pairs[0].source)


def test_pairs_are_needed_by_those_that_learn_from_pairs(pairs, tmp_path):
    lone = [replace(pairs[0], target=None), replace(pairs[1], source=None)]
    with pytest.raises(ScanError, match="regression learns from pairs, and no source has its target"):
        sanum.load("regression").with_settings(*TINY).fit(lone, folder=tmp_path)
    cut = sanum.load("cut").with_settings(*TINY, *NETS["cut"]).fit(lone, folder=tmp_path / "cut")
    assert cut.contrasts == ("T1w", "FLAIR")
    for setting, about in (
        ("pairing=unpaired", "regression learns from paired scans, not from unpaired"),
        ("patch=32,32,32", "patch is 2 lengths"),
        ("patch=8,32", "at least 11 voxels"),
        ("overlap=1", "overlap must be at least 0"),
        ("samples=0", "samples must be at least 1"),
    ):
        with pytest.raises(ValueError, match=about):
            sanum.load("regression").with_settings(setting)
    with pytest.raises(ValueError, match="four halvings"):
        sanum.load("pix2pix").with_settings("patch=16,16").config.build()


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_every_recipe_has_networks_that_fit_its_patches(method):
    """On a device without values, so that those of GPUs are built as well."""
    with torch.device("meta"):
        for recipe in registry.recipes_of(registry.find(method)).values():
            net = recipe.build().eval()
            source = torch.zeros(1, recipe.channels, *recipe.patch)
            made = recipe.translate(net, source, torch.zeros(1, 1, *recipe.patch))
            assert made.shape == (1, 1, *recipe.patch), recipe.name
            image = source[:, :1] if method == "cut" else torch.cat([source[:, :1]] * 2, 1)
            if hasattr(net, "discriminator"):
                assert net.discriminator(image)[-1].shape[:2] == (1, 1), recipe.name
