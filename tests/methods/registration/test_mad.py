"""MAD: contrasts keep the geometry, pairs lie where they say, the affine and its distance are exact."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sanum.methods.registration.mad.contrast import Contrast, apply_contrast, draw_contrast
from sanum.methods.registration.mad.loss import displacement_error, distance_error
from sanum.methods.registration.mad.model import BALL_MM, MadNet, between
from sanum.methods.registration.mad.pairs import CUBE, SIZE, SPACING_MM, PairConfig, draw_pair, make_pair
from sanum.methods.registration.mad.predict import Mad
from sanum.methods.registration.mad.recipe import RECIPES
from sanum.space.affine import RIGID, draw_affine, matrix_of, mean_displacement_mm
from sanum.space.descend import Resolution, Volume, descend

NONE = torch.zeros(3)


def blobs(size=28):
    """A head of round things, no two alike, and its masks."""
    rng = np.random.default_rng(3)
    grid = np.indices((size,) * 3)
    image = np.zeros((size,) * 3)
    for _ in range(14):
        middle, radius = rng.uniform(7, size - 7, 3), rng.uniform(1.5, 4)
        away = ((grid - middle[:, None, None, None]) ** 2).sum(0)
        image += rng.uniform(0.2, 0.6) * np.exp(-away / (2 * radius**2))
    head = image > 0.05
    return torch.tensor(np.clip(image, 0, 1), dtype=torch.float32), torch.tensor(np.stack([head, head]))


def test_a_contrast_is_drawn_anew_and_can_be_made_again():
    image, (head, _) = blobs()
    rng = np.random.default_rng(0)
    one, two = (replace(draw_contrast(rng), kept=0.0) for _ in range(2))
    first = apply_contrast(image, head, one)
    assert torch.equal(first, apply_contrast(image, head, one))
    assert (first - apply_contrast(image, head, two)).abs().mean() > 0.02
    assert 0 <= first.min() < first.max() <= 1


def test_a_contrast_can_turn_the_grey_scale_but_moves_nothing():
    image, (head, _) = blobs()
    shifted = torch.roll(image, 2, 0)
    correlations = []
    for seed in range(12):
        contrast = Contrast(seed, (1, 3, 1), -0.2, 0.0, dark_air=False)
        there, after = (apply_contrast(x, torch.ones_like(head), contrast) for x in (image, shifted))
        inner = slice(4, -4)
        assert torch.allclose(torch.roll(there, 2, 0)[inner], after[inner], atol=0.02)
        correlations.append(float(torch.corrcoef(torch.stack([there[head], image[head]]))[0, 1]))
    assert min(correlations) < -0.3
    assert max(correlations) > 0.3


def test_a_pair_lies_as_far_apart_as_it_says():
    image, masks = blobs()
    config = PairConfig(cropped=0, stripped=0, bent_mm=0, noise=0, shading=0)
    plain = Contrast(0, (1,), 0.1, 1.0, dark_air=False)
    for seed in range(3):
        pair = draw_pair(np.random.default_rng(seed), config)
        pair = replace(pair, views=tuple(replace(view, contrast=plain) for view in pair.views))
        first, second = make_pair(image, masks, 6.4, pair)
        world = matrix_of(torch.tensor(pair.apart), NONE.double()).float()
        places = ((CUBE @ world[:3, :3].T + world[:3, 3]) / (SIZE * SPACING_MM / 2)).flip(-1)
        there = torch.nn.functional.grid_sample(first[None, None], places[None], align_corners=False)[0, 0]
        alike = [
            float(torch.corrcoef(torch.stack([x.flatten(), second.flatten()]))[0, 1]) for x in (there, first)
        ]
        assert alike[0] > 0.97
        assert alike[0] > alike[1]


def test_a_field_of_view_is_empty_outside_and_says_nothing_of_the_map():
    image, masks = blobs()
    config = PairConfig(cropped=1, noise=0.05)
    pair = draw_pair(np.random.default_rng(1), config)
    made = make_pair(image, masks, 6.4, pair)
    for shown, view in zip(made, pair.views, strict=True):
        inside = (
            (CUBE @ torch.tensor(view.box[:, :3].T, dtype=torch.float32))
            .add(torch.tensor(view.box[:, 3], dtype=torch.float32))
            .abs()
            <= 1
        ).all(-1)
        assert not shown[~inside].any()
        assert shown[inside].any()
    assert not np.allclose(pair.views[0].box[:, :3], pair.views[1].box[:, :3])


def test_hiding_rises_with_the_samples():
    config = PairConfig(eased=100)
    assert config.at(0).cropped == config.at(0).noise == 0
    assert config.at(50).cropped == config.cropped / 2
    assert config.at(10**6) == config
    assert config.at(0).shift_mm == config.shift_mm


def test_least_squares_find_the_affine_of_points():
    rng = np.random.default_rng(2)
    numbers = torch.tensor(
        draw_affine(rng, shift_mm=40, turn_deg=60, scale=0.2, shear=0.1), dtype=torch.float32
    )
    world = matrix_of(numbers, NONE)
    second = torch.tensor(rng.uniform(-80, 80, (1, 30, 3)), dtype=torch.float32)
    first = second @ world[:3, :3].T + world[:3, 3]
    first[:, :5] += 300  # seen wrongly, and not trusted
    trust = torch.ones(1, 30)
    trust[:, :5] = 0
    found = between(first, trust, second, torch.ones(1, 30))
    points = second[0].numpy()
    assert mean_displacement_mm(found[0].numpy(), world.numpy(), points) < 3  # the ridge's pull
    untrusted = between(first, torch.zeros(1, 30), second, torch.ones(1, 30))
    assert torch.isfinite(untrusted).all()


def test_an_image_is_no_distance_from_itself():
    net = MadNet((8, 16, 16), keypoints=8).eval()
    image = torch.rand(2, 1, SIZE, SIZE, SIZE)
    with torch.no_grad():
        assert float(net.distance(net(image, image)).max()) < 0.05


def test_the_distance_is_the_mean_displacement_of_the_ball():
    net = MadNet((8, 16, 16), keypoints=8)
    shift = torch.eye(4)[None].clone()
    shift[:, :3, 3] = torch.tensor([3.0, 4.0, 12.0])
    assert float(net.distance(shift)) == pytest.approx(13, abs=1e-3)
    numbers = torch.zeros(1, 12)
    numbers[0, 0] = 6.0  # a tenth of a radian
    turned = net.displaced(matrix_of(numbers, NONE))
    lever = net.ball[:, 1:].norm(dim=1)
    assert torch.allclose(turned[0].norm(dim=-1), 2 * np.sin(0.05) * lever, atol=1e-3)
    assert float(net.ball.norm(dim=1).max()) == pytest.approx(BALL_MM)
    assert float(distance_error(torch.tensor([3.0, 5.0]), torch.tensor([4.0, 2.0]))) == 2
    assert float(displacement_error(turned, turned)) == pytest.approx(0.01, abs=1e-3)


def test_registration_descends_it_like_any_distance():
    """Drawn weights find nothing, but there is a gradient, and the cost falls."""
    torch.manual_seed(0)
    mad = Mad(MadNet((8, 16, 16), keypoints=8))
    image, _ = blobs()
    volume = Volume(image[None, None], torch.ones(1, 1, *image.shape), np.diag([8.0, 8, 8, 1]))
    start = torch.zeros(2, 12)
    start[0, 3:6], start[1, 0] = torch.tensor([24.0, -16.0, 8.0]), 25.0
    centre = torch.full((3,), 8.0 * 13.5)
    few, many = (
        descend(volume, volume, start, centre, mad, Resolution(8.0, 2, steps, 3.0, RIGID))[1]
        for steps in (1, 6)
    )
    assert (many < few).all()
    maps, away = mad.approach(volume, volume, matrix_of(start, centre), steps=1)
    assert maps.shape == (2, 4, 4)
    assert np.isfinite(maps).all()
    assert away[0] <= away[1]


def test_the_recipe_describes_its_network():
    recipe = RECIPES["mad"]
    assert recipe.describe() == {"method": "mad", "recipe": "mad", "widths": [32, 64, 128], "keypoints": 48}
    with pytest.raises(ValueError, match=r"pairs\.noise must be at least 0, got -1"):
        PairConfig(noise=-1)
