import pytest
import torch

from sanum.methods.anatomy.una.model import Una
from sanum.methods.anatomy.una.recipe import COMPACT, RECIPES, UnaRecipe
from sanum.methods.registry import recipes


def batch(shape=(16, 16, 16)):
    g = torch.Generator().manual_seed(0)
    maps = {k: torch.rand(2, 1, *shape, generator=g) for k in ("t1w", "p", "lesion", "mirrored", "brain")}
    image = torch.rand(2, 2, *shape, generator=g)
    return {
        "image": image,
        "to_atlas": torch.eye(4).repeat(2, 1, 1),
        "real": torch.zeros(2),
        "contrast": torch.zeros(2),
        **maps,
    }


def test_recipes_are_found_by_name():
    assert set(RECIPES) <= set(recipes())
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    assert {recipe.describe()["method"] for recipe in RECIPES.values()} == {"una", "una-fine"}


def test_each_ablation_leaves_out_one_thing():
    assert not RECIPES["una-small-no-fluid"].sampling.fluid
    assert not RECIPES["una-small-noise-only"].sampling.bank
    assert not RECIPES["una-small-no-mirror"].sampling.mirror
    assert RECIPES["una-small-no-contrast"].weights.lambda_c == 0


def test_the_loss_is_the_sum_of_its_terms_and_reaches_every_weight():
    recipe, net = UnaRecipe("tiny", widths=(8, 8)), Una((8, 8))
    loss, terms = recipe.loss(net, batch())
    assert loss.item() == pytest.approx(sum(t.item() for t in terms.values()), rel=1e-5)
    loss.backward()
    assert [n for n, p in net.named_parameters() if p.grad is None] == []  # DDP waits for each


def test_what_is_shown_is_one_volume_each():
    shown = COMPACT.show(Una((8, 8)), batch())
    assert list(shown) == ["scan", "healthy T1w", "predicted", "anomaly", "lesion"]
    assert {x.shape for x in shown.values()} == {(2, 1, 16, 16, 16)}
