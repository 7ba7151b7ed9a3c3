"""The parts of ADPD against hand-computed cases: losses, soft maximum, fusion, views, answers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sanum.data.augment import PictureViewParams, apply_views
from sanum.methods.detection.adpd.answers import InferenceConfig, answers
from sanum.methods.detection.adpd.fusion import box_of_map, fuse, suppress
from sanum.methods.detection.adpd.loss import asymmetric, box_terms, giou, grid_terms, pooled, presence
from sanum.methods.detection.adpd.model import GridNet, PictureNet, RegionAnswer, RegionNet, in_boxes
from sanum.methods.detection.adpd.predict import from_square
from sanum.methods.detection.adpd.recipe import RECIPES
from sanum.methods.detection.adpd.source import moved, to_square
from sanum.scan.picture_conform import SquarePlacement


def log(x):
    return math.log(x)


def test_presence_weighs_both_answers_alike():
    """Three there, one not, one unknown: weights 5/4 and 5/2."""
    logits = torch.tensor([[0.0, 0.0, 2.0, 0.0, 9.0]])
    present = torch.tensor([[1, 1, 1, 0, -1]])
    expected = (5 / 4 * (2 * log(2) + log(1 + math.exp(-2))) + 5 / 2 * log(2)) / 4
    assert float(presence(logits, present)) == pytest.approx(expected, rel=1e-6)
    assert float(presence(logits, torch.full((1, 5), -1))) == 0


def test_the_asymmetric_loss():
    """p = .8 that is there, p = .3 and p = .04 that are not, and one that nobody knows."""
    p, target = torch.tensor([0.8, 0.3, 0.04, 0.9]), torch.tensor([1, 0, 0, -1])
    expected = -(0.2 * log(0.8) + 0.25**4 * log(0.75))
    assert float(asymmetric(p, target)) == pytest.approx(expected, rel=1e-5)


def test_regions_that_are_not_there_count_nowhere():
    recipe = replace(RECIPES["adpd"], backbone="small", size=32, width=8)
    torch.manual_seed(0)
    said = RegionAnswer(torch.rand(2, 3, 4), torch.randn(2, 3), torch.randn(2, 3, 2, requires_grad=True))
    batch = {
        "pixels": torch.zeros(2, 1, 32, 32),
        "regions": torch.full((2, 3, 4), 0.5),
        "present": torch.tensor([[1, 0, -1], [1, 1, 0]]),
        "in_region": torch.ones(2, 3, 2, dtype=torch.long),
        "labels": torch.ones(2, 2, dtype=torch.long),
    }
    for told in ("regions", "images"):
        # of the second picture the third region is absent, of the first the second; the third is not known
        total, terms = replace(recipe, told=told).objective(lambda _: said, batch)
        assert float(total.detach()) == pytest.approx(sum(map(float, terms.values())), rel=1e-6)
        (slope,) = torch.autograd.grad(total, said.findings)
        moves = slope.abs().sum(-1) > 0
        unknown = told == "images" and bool(said.present[0, 2] > recipe.inference.present)
        assert moves.tolist() == [[True, False, unknown], [True, True, False]]


def test_the_published_weight_is_that_of_a_batch_of_128():
    recipe = replace(RECIPES["adpd-cam"], backbone="small")
    logits, labels = torch.randn(128, 3), torch.randint(0, 2, (128, 3))
    batch = {"pixels": torch.zeros(128, 1, 1, 1), "labels": labels}
    total, _ = recipe.objective(lambda _: (logits, None), batch)
    assert float(total) == pytest.approx(0.01 * float(asymmetric(logits.sigmoid(), labels)), rel=1e-5)


def test_the_soft_maximum():
    p = torch.tensor(
        [[[0.9], [0.2], [0.6]], [[0.9], [0.2], [0.6]], [[0.9], [0.2], [0.6]]], dtype=torch.float64
    )
    there = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])
    two = math.exp(4.5) + math.exp(1.0)
    found = pooled(p, there, 5.0, over_all=False)[:, 0]
    assert found[:2].tolist() == pytest.approx([log(two / 2) / 5, 0.9])
    assert float(found[2]) == pytest.approx(1e-6)  # no region is there
    published = pooled(p, there, 5.0, over_all=True)[:, 0]
    assert published[:2].tolist() == pytest.approx([log(two / 3) / 5, 0.9 - log(3) / 5])
    assert (published <= found).all()  # small where regions are absent
    low = torch.zeros(1, 3, 1)
    value = pooled(low, there[:1], 5.0, over_all=True)
    assert float(value) == pytest.approx(1e-6)  # log(2/3)/5 is below 0
    near = pooled(p, torch.ones(3, 3, dtype=torch.bool), 500.0, over_all=False)
    assert near[:, 0].tolist() == pytest.approx([0.9] * 3, abs=0.01)  # the maximum
    mean = pooled(p, torch.ones(3, 3, dtype=torch.bool), 1e-4, over_all=False)
    assert mean[:, 0].tolist() == pytest.approx([1.7 / 3] * 3, abs=1e-3)


def test_the_mean_of_maps_in_boxes():
    """Cells count by how much of them is inside; what is outside is no evidence."""
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    boxes = torch.tensor(
        [[[0.25, 0.5, 0.5, 1.0], [0.5, 0.25, 0.5, 0.5], [0.625, 0.75, 0.75, 0.5], [0.5] * 2 + [0] * 2]]
    )
    found = in_boxes(maps, boxes)
    # the left column; half of each upper cell; of the lower cells half of one and the whole other; nothing
    assert found[0, :, 0].tolist() == pytest.approx([2.0, 1.5, 11 / 3, 0.0])
    (slope,) = torch.autograd.grad(found[0, 0, 0], maps)
    assert slope.flatten().tolist() == [0.5, 0.0, 0.5, 0.0]


def test_generalized_iou():
    one = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.1, 0.1, 0.2, 0.2]], dtype=torch.float64)
    other = torch.tensor([[0.6, 0.5, 0.2, 0.2], [0.9, 0.1, 0.2, 0.2]], dtype=torch.float64)
    assert giou(one, one).tolist() == pytest.approx([1, 1])
    assert giou(one, other).tolist() == pytest.approx([1 / 3, -(0.2 - 0.08) / 0.2])
    l1, overlap = box_terms(one, other)
    assert float(l1) == pytest.approx((0.1 + 0.8) / 2)
    assert float(overlap) == pytest.approx((2 / 3 + 1.6) / 2)
    assert [float(x) for x in box_terms(one[:0], one[:0])] == [0, 0]


def test_cells_of_the_grid():
    """One box whose middle is in cell (1, 0) of class 1; the other row is empty."""
    logits = torch.zeros(1, 2, 2, 2)
    boxes = torch.full((1, 2, 2, 2, 4), 0.25)
    target = torch.tensor([[[1, 0.25, 0.75, 0.25, 0.25], [-1, 0, 0, 0, 0]]])
    focal, l1, overlap = grid_terms(logits, boxes, target)
    assert float(focal) == pytest.approx(0.25 * log(2) * (0.25 + 7 * 0.75), rel=1e-6)
    assert float(l1) == pytest.approx(0.5)
    assert 1 < float(overlap) < 2


def test_fusion_is_a_weighted_mean_with_the_highest_score():
    boxes = [[0, 0, 10, 10], [0, 8, 10, 10], [40, 40, 5, 5]]
    made = fuse(boxes, [0.9, 0.6, 0.7], 0.03)
    assert [one.score for one in made] == [0.9, 0.7]
    assert made[0].members == (0, 1)
    assert made[0].box == pytest.approx((0, 8 * 0.4, 10, 10))
    assert [one.members for one in fuse(boxes, [0.9, 0.6, 0.7], 1.0)] == [(0,), (2,), (1,)]
    assert [one.members for one in suppress(boxes, [0.6, 0.9, 0.7], 0.03)] == [(1,), (2,)]
    assert fuse([], [], 0.03) == suppress([], [], 0.03) == []


def test_the_box_of_a_map():
    heat = np.zeros((8, 8), np.float32)
    heat[2:6, 1:4] = 1
    heat[7, 7] = 0.9
    assert box_of_map(heat, 0.5) == pytest.approx((1 / 8, 2 / 8, 3 / 8, 4 / 8), abs=0.02)
    assert box_of_map(np.zeros((4, 4), np.float32), 0.5) is None


def test_thresholds_are_on_logits_and_bilateral_findings_are_kept_if_asked_for():
    class Fixed(RegionNet):
        def __init__(self):
            torch.nn.Module.__init__(self)

        def forward(self, pixels):
            boxes = torch.tensor([[[0.2, 0.5, 0.2, 0.4], [0.8, 0.5, 0.2, 0.4], [0.5, 0.5, 0.2, 0.2]]])
            # a logit of .4 is a probability of .6, and yet not there
            return RegionAnswer(boxes, torch.tensor([[2.0, 3.0, 0.4]]), torch.tensor([[[1.0], [0.1], [5.0]]]))

    (one,) = answers(Fixed(), torch.zeros(1, 1, 4, 4), InferenceConfig())
    assert list(one.regions) == [0, 1]
    assert [(s.regions, round(s.score, 3)) for s in one.spotted] == [((0,), 0.731)]
    assert one.spotted[0].box == pytest.approx((0.1, 0.3, 0.2, 0.4))
    (both,) = answers(Fixed(), torch.zeros(1, 1, 4, 4), InferenceConfig(top=0))
    assert [s.regions for s in both.spotted] == [(0,), (1,)]
    (none,) = answers(Fixed(), torch.zeros(1, 1, 4, 4), InferenceConfig(positive=2.0))
    assert none.spotted == ()


@pytest.mark.parametrize("told", ["cam", "boxes"])
def test_baselines_answer(told):
    torch.manual_seed(0)
    net = (PictureNet("small", 2) if told == "cam" else GridNet("small", 2, width=16)).eval()
    made = answers(net, torch.rand(3, 1, 32, 32), InferenceConfig(positive=-9.0, cell=0.05, top=0))
    assert len(made) == 3
    for one in made:
        assert one.regions == {}
        for spotted in one.spotted:
            x, y, width, height = spotted.box
            assert 0 <= x <= x + width <= 1 + 1e-6
            assert 0 <= y <= y + height <= 1 + 1e-6
            assert 0 <= spotted.score <= 1


def test_boxes_move_as_the_picture_does():
    picture = torch.zeros(1, 1, 64, 64)
    picture[..., 20:40, 12:30] = 1
    boxes = torch.tensor([[[21 / 64, 30 / 64, 18 / 64, 20 / 64]]])
    for view in (
        PictureViewParams(shift=(0.1, -0.05)),
        PictureViewParams(zoom=1.3),
        PictureViewParams(zoom=0.8, shift=(0.05, 0.1), rotate_deg=0.0),
        PictureViewParams(flip=True),
    ):
        seen, _ = apply_views(picture, torch.ones_like(picture), [view])
        rows, columns = (np.flatnonzero((seen[0, 0] > 0.5).any(k).numpy()) for k in (1, 0))
        (x, y, w, h) = moved(boxes, np.array([view.matrix]))[0, 0].tolist()
        found = ((x - w / 2) * 64, (y - h / 2) * 64, (x + w / 2) * 64, (y + h / 2) * 64)
        assert found == pytest.approx((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), abs=0.8)


def test_pixels_and_squares_are_inverse():
    place = SquarePlacement((100, 60), (0, 20, 100, 60), 0.0, 1.0)
    box = np.array([10.0, 20.0, 30.0, 40.0])
    middle = to_square(box, place, 100)
    square = (middle[0] - middle[2] / 2, middle[1] - middle[3] / 2, middle[2], middle[3])
    assert square == pytest.approx((0.3, 0.2, 0.3, 0.4))
    assert from_square(square, place, 100) == pytest.approx(tuple(box))
    assert from_square((0.0, 0.0, 1.0, 1.0), place, 100) == pytest.approx((0, 0, 60, 100))  # cut at the edge


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"width": 12}, "width must be a multiple of 8"),
        ({"size": 8}, "size must be at least 32"),
        ({"hold_out": 0.0}, "hold_out must be above 0"),
        ({"r": 0.0}, "r must be above 0"),
        ({"validate_every": 0}, "validate_every must be at least 1"),
    ],
)
def test_configurations_that_cannot_be(settings, told):
    with pytest.raises(ValueError, match=told):
        replace(RECIPES["adpd"], **settings)
    with pytest.raises(ValueError, match=r"inference\.fuse must be above 0"):
        InferenceConfig(fuse=0.0)
    with pytest.raises(ValueError, match=r"inference\.top must be at least 0"):
        InferenceConfig(top=-1)
