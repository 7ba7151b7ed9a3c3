"""Anomalies of the fluid on pictures, and a network that learns to mark and to restore them."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from sanum.methods.anomaly2d.fluid2d.growth import (
    GrowthConfig,
    GrowthParams,
    domain_of,
    draw_growth,
    grown,
    painted,
    with_anomalies,
)
from sanum.methods.anomaly2d.fluid2d.loss import objective
from sanum.methods.anomaly2d.fluid2d.model import Fluid2dNet
from sanum.methods.anomaly2d.fluid2d.recipe import FLUID2D, PLAIN, Fluid2dRecipe
from sanum.methods.common.squares import stack_of

Y, X = np.mgrid[:64, :64]
DISK = (Y - 32) ** 2 + (X - 30) ** 2 < 26**2
HEAD = np.where(DISK, 0.5, 0.0).astype(np.float32)[None]
ONE = GrowthParams("bright", 7, 0.5, (0.1, 0.15), 0.0, 15.0, 1.0, 0.5, 0.3, 0.0, 10.0, 1.0)
SMALL = {"widths": (8, 8, 16), "decoder": 8, "picture": replace(PLAIN.picture, size=64), "batch_size": 4}


def test_what_is_drawn_is_plain_and_gives_the_same_picture_again():
    rng = np.random.default_rng(3)
    growth = draw_growth(rng, GrowthConfig(healthy=0.0))
    again = tuple(GrowthParams(**asdict(one)) for one in growth)
    first, second = (with_anomalies(HEAD, DISK, each) for each in (growth, again))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_a_share_of_the_images_is_left_alone_and_none_has_too_many():
    rng = np.random.default_rng(0)
    counts = np.array([len(draw_growth(rng, GrowthConfig(healthy=0.4, most=2))) for _ in range(2000)])
    assert np.mean(counts == 0) == pytest.approx(0.4, abs=0.04)
    assert set(counts) == {0, 1, 2}


def test_kinds_are_drawn_as_often_as_is_said():
    rng, config = np.random.default_rng(0), GrowthConfig(healthy=0.0, most=1, bright=3, dark=1, textured=0)
    kinds = [draw_growth(rng, config)[0].kind for _ in range(1000)]
    assert kinds.count("bright") / 1000 == pytest.approx(0.75, abs=0.05)
    assert kinds.count("textured") == 0


@pytest.mark.parametrize("spots", [0.0, 95.0])
def test_anomalies_stay_in_the_object(spots):
    domain = domain_of(HEAD, np.ones((64, 64), bool))
    p = grown(domain, replace(ONE, spots=spots))
    assert p.max() == pytest.approx(1)
    assert p.min() >= 0
    assert p[~domain].max() == 0
    still = grown(domain, replace(ONE, spots=spots, duration=0.0))
    assert np.abs(p - still).max() > 0.2  # the flow has moved it


def test_holes_belong_to_the_object_and_the_background_does_not():
    hollow = HEAD.copy()
    hollow[0, 25:35, 25:35] = 0
    domain = domain_of(hollow, np.ones((64, 64), bool))
    assert domain[30, 30]
    assert not domain[2, 2]
    assert domain_of(np.zeros_like(HEAD), DISK).sum() == DISK.sum()  # nothing is bright: all that is valid


@pytest.mark.parametrize(("kind", "contrast"), [("bright", 0.3), ("dark", -0.3)])
def test_an_anomaly_differs_from_what_was_there_by_its_contrast(kind, contrast):
    p = grown(DISK, ONE)
    sick = painted(HEAD, p, replace(ONE, kind=kind, contrast=contrast))
    np.testing.assert_allclose((sick - HEAD)[0], p * contrast, atol=1e-5)
    half = painted(HEAD, p, replace(ONE, kind=kind, contrast=contrast, opacity=0.5))
    np.testing.assert_allclose((half - HEAD)[0], p * contrast / 2, atol=1e-5)


def test_a_texture_changes_the_spread_and_hardly_the_mean():
    p = grown(DISK, ONE)
    change = (painted(HEAD, p, replace(ONE, kind="textured", contrast=0.0, roughness=0.4)) - HEAD)[0][p > 0.9]
    assert change.std() > 0.03
    assert abs(change.mean()) < 0.05


def test_what_cannot_be_seen_is_not_marked():
    white = np.where(DISK, 1.0, 0.0).astype(np.float32)[None]  # brighter than white is white
    sick, mark = with_anomalies(white, DISK, (ONE,))
    np.testing.assert_array_equal(sick, white)
    assert mark.max() == 0
    assert with_anomalies(HEAD, DISK, (ONE,))[1].max() > 0.9


@pytest.mark.parametrize("wrong", [{"healthy": 1.0}, {"most": 0}, {"bright": -1.0}, {"radius": (0.2, 0.1)}])
def test_settings_that_mean_nothing(wrong):
    with pytest.raises(ValueError, match="growth"):
        GrowthConfig(**wrong)


def test_the_loss_of_the_truth_is_the_least():
    mark = torch.zeros(2, 1, 16, 16)
    mark[0, :, 4:8, 4:8] = 1
    image, valid = torch.rand(2, 1, 16, 16), torch.ones(2, 1, 16, 16)
    truth, terms = objective(mark * 40 - 20, image, mark, image, valid)
    assert truth.item() == pytest.approx(0, abs=1e-5)
    assert set(terms) == {"entropy", "dice", "restored"}
    wrong, _ = objective(20 - mark * 40, image, mark, image, valid)
    faint, _ = objective(mark * 40 - 20, image + 0.1 * mark, mark, image, valid)
    assert wrong.item() > 10
    assert 0 < faint.item() < 0.1


def test_what_is_not_valid_has_no_say():
    mark, valid = torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)
    valid[..., :8] = 0
    logits, image = torch.zeros(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    other = logits.masked_fill(valid == 0, 9.0)
    one, two = (objective(x, image + (1 - valid), mark, image, valid)[0] for x in (logits, other))
    assert one.item() == pytest.approx(two.item())


def test_a_mirror_lets_each_place_see_its_counterpart():
    """A change on the left moves the marks on the right, beyond what the convolutions reach."""
    torch.manual_seed(0)
    x = torch.rand(1, 1, 64, 64)
    y = x.clone()
    y[..., 24:40, 2:6] = 1
    for mirror in (True, False):
        net = Fluid2dNet(1, (8,), 8, mirror=mirror, frozen=False).eval()
        for block in net.blocks:
            block[1] = torch.nn.Identity()  # a group norm sees the whole map
        with torch.no_grad():
            change = (net(x)[0] - net(y)[0]).abs()[0, 0]
        assert (change[:, 56:].max() > 0) == mirror


def test_a_frozen_encoder_has_no_gradients_and_keeps_its_moments():
    torch.manual_seed(0)
    net = Fluid2dNet(2, (), 8, mirror=True, frozen=True).train()
    before = net.encode.stem.norm.running_mean.clone()
    marks, healthy = net(torch.rand(2, 2, 32, 32))
    (marks.mean() + healthy.mean()).backward()
    assert marks.shape == (2, 1, 32, 32)
    assert healthy.shape == (2, 2, 32, 32)
    assert all(p.grad is None for p in net.encode.parameters())
    assert all(p.grad is not None for p in net.lateral.parameters())
    assert torch.equal(net.encode.stem.norm.running_mean, before)


def test_batches_have_the_picture_with_and_without_anomalies():
    recipe = replace(PLAIN, **SMALL, noise=0.0)
    source = recipe.source(stack_of([HEAD[0], HEAD[0]], recipe))
    batch = source.batch(range(8))
    change, mark = (batch["sick"] - batch["image"]).abs()[:, 0], batch["mark"][:, 0]
    assert ((mark > 0.5).sum((1, 2)) > 0).sum() >= 3
    assert change[mark > 0.9].min() > 0.01
    assert change[mark == 0].max() < 0.3
    some = source.batch(range(4, 8))
    for name in ("image", "sick", "mark"):
        assert torch.equal(batch[name][4:], some[name])


def test_it_learns_one_batch_by_heart():
    torch.manual_seed(0)
    recipe = replace(PLAIN, **SMALL, growth=GrowthConfig(healthy=0.0, textured=0.0))
    source = recipe.source(stack_of([HEAD[0], HEAD[0]], recipe))
    batch, net = source.batch(range(4)), source.build().train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss, _ = recipe.loss(net, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


def test_the_score_is_the_mean_of_the_worst_pixels():
    recipe: Fluid2dRecipe = replace(PLAIN, **SMALL, worst=1.0)
    torch.manual_seed(0)
    net, valid = recipe.build(1).eval(), torch.ones(2, 64, 64, dtype=torch.bool)
    x = torch.rand(2, 1, 64, 64)
    maps, scores = recipe.respond(net, x, valid)
    slow = maps.flatten(1).sort(1, descending=True).values[:, :41].mean(1)
    torch.testing.assert_close(scores, slow)
    change, _ = replace(recipe, map="restored").respond(net, x, valid)
    both, _ = replace(recipe, map="both").respond(net, x, valid)
    torch.testing.assert_close(both, (maps * change).sqrt())
    with pytest.raises(ValueError, match="worst is above 0"):
        replace(FLUID2D, worst=0.0)
