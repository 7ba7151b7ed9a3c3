import pytest
import torch
from scipy import ndimage

from sanum.methods.common.pooling import PoolingConfig, pooled, smoothed

MAPS = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0))
VALID = torch.ones(3, 20, 20, dtype=torch.bool)


def score(kind, maps=MAPS, valid=VALID, **how):
    return pooled(maps, valid, PoolingConfig(kind, **how))


def test_each_way_is_what_it_says():
    flat = MAPS.flatten(1)
    torch.testing.assert_close(score("mean"), flat.mean(1))
    torch.testing.assert_close(score("own"), flat.mean(1))
    torch.testing.assert_close(score("max", smooth=0.0), flat.amax(1))
    torch.testing.assert_close(score("top", top=10.0), flat.sort(descending=True).values[:, :40].mean(1))
    torch.testing.assert_close(score("quantile", quantile=0.9), flat.quantile(0.9, dim=1))


def test_smoothing_is_a_gaussian():
    found = smoothed(MAPS, VALID, 2.0)[0, 8:12, 8:12]
    slow = ndimage.gaussian_filter(MAPS[0].numpy(), 2.0, radius=6)[8:12, 8:12]
    torch.testing.assert_close(found, torch.from_numpy(slow), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["mean", "max", "top", "quantile"])
def test_what_is_not_valid_has_no_say(kind):
    valid = VALID.clone()
    valid[:, :5] = False
    changed = MAPS.clone()
    changed[:, :5] = 1e6
    torch.testing.assert_close(score(kind, changed, valid), score(kind, MAPS, valid))


def test_a_small_lesion_is_buried_by_the_mean_only():
    sick = MAPS.clone()
    sick[:, 4:8, 4:8] += 1
    gain = {kind: (score(kind, sick) / score(kind) - 1).min() for kind in ("mean", "max", "top")}
    assert gain["mean"] < 0.1 < min(gain["max"], gain["top"])


def test_impossible_configurations():
    for wrong in ({"top": 0}, {"quantile": 2}, {"smooth": -1}):
        with pytest.raises(ValueError, match=r"pooling\."):
            PoolingConfig(**wrong)


@pytest.mark.parametrize(
    ("kind", "how"), [("top", {"top": 7.0}), ("top", {"top": 0.1}), ("quantile", {"quantile": 0.83})]
)
def test_rows_of_different_sizes_are_pooled_as_one_by_one(kind, how):
    """Exported graphs have no loop over the images of a batch: an obvious loop is the oracle."""
    rng = torch.Generator().manual_seed(0)
    maps = torch.randn(5, 16, 16, generator=rng)
    valid = torch.rand(5, 16, 16, generator=rng) < torch.tensor([0.05, 0.3, 0.6, 0.9, 1.1])[:, None, None]
    valid[0] = False
    valid[0, 3, 4] = True
    expected = []
    for one, inside in zip(maps, valid, strict=True):
        values = one[inside]
        if kind == "top":
            count = max(1, round(len(values) * how["top"] / 100))
            expected.append(values.sort(descending=True).values[:count].mean())
        else:
            expected.append(values.quantile(how["quantile"]))
    found = pooled(maps, valid, PoolingConfig(kind, **how))
    torch.testing.assert_close(found, torch.stack(expected))
