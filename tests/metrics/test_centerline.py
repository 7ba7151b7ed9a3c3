import numpy as np
import pytest
import torch
from monai.losses import DeepSupervisionLoss, DiceLoss

from sanum.metrics.centerline import TopologyLoss, centerline_dice, skeleton_distance
from sanum.nets.skeleton import skeletonize

VESSEL = np.zeros((1, 1, 11, 24), np.float32)
VESSEL[..., 4:7, 2:22] = 1
VESSEL = torch.from_numpy(VESSEL)
BROKEN = VESSEL.clone()
BROKEN[..., 11:13] = 0


def as_mask(x):
    return x[0, 0].numpy() > 0.5


def test_the_score_by_hand():
    # thin lines are their own skeletons: 6 of 8 found are true, 6 of 12 true are found
    found, truth = np.zeros((7, 20), bool), np.zeros((7, 20), bool)
    truth[3, 2:14] = True
    found[3, 8:16] = True
    assert centerline_dice(found, truth) == pytest.approx(2 * 0.75 * 0.5 / 1.25)
    assert centerline_dice(truth, truth) == 1
    assert centerline_dice(truth, np.roll(truth, 2, 0)) == 0
    assert centerline_dice(np.stack([truth] * 3), np.stack([truth] * 3).astype(np.int8)) == 1


def test_a_gap_costs_more_than_the_same_voxels_at_the_end():
    shorter = VESSEL.clone()
    shorter[..., 20:22] = 0
    loss = TopologyLoss(alpha=1.0)
    assert loss(BROKEN, VESSEL) > loss(shorter, VESSEL) > loss(VESSEL, VESSEL) >= 0
    scores = [centerline_dice(as_mask(found), as_mask(VESSEL)) for found in (BROKEN, shorter)]
    assert scores[0] < scores[1]


def test_at_alpha_0_it_is_the_dice_loss_and_at_1_one_minus_the_score():
    p = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 3, (2, 1, 8, 9), generator=torch.Generator().manual_seed(1))
    for how in ({"softmax": True}, {"sigmoid": True, "include_background": False}):
        ours, theirs = TopologyLoss(to_onehot_y=True, alpha=0, **how), DiceLoss(to_onehot_y=True, **how)
        torch.testing.assert_close(ours(p, labels), theirs(p, labels))
    loss = TopologyLoss(alpha=1.0)(BROKEN, VESSEL)
    assert loss.item() == pytest.approx(1 - centerline_dice(as_mask(BROKEN), as_mask(VESSEL)), abs=1e-5)
    halves = TopologyLoss(alpha=0.3)(BROKEN, VESSEL)
    assert halves.item() == pytest.approx(
        0.7 * DiceLoss()(BROKEN, VESSEL).item() + 0.3 * loss.item(), abs=1e-5
    )


def test_it_stands_where_a_loss_of_monai_does():
    logits = [(8 * VESSEL - 4).bfloat16().requires_grad_(), torch.zeros(1, 1, 5, 12, requires_grad=True)]
    deep = DeepSupervisionLoss(TopologyLoss(sigmoid=True, num_iter=3))
    loss = deep(logits, VESSEL)
    loss.backward()
    assert 0 < loss < 1
    assert all(x.grad.isfinite().all() and x.grad.abs().sum() > 0 for x in logits)


def test_descending_it_closes_the_gap():
    logits = (6 * BROKEN - 3).requires_grad_()
    loss = TopologyLoss(sigmoid=True, alpha=0.9, generator=torch.Generator().manual_seed(0))
    for _ in range(25):
        (slope,) = torch.autograd.grad(loss(logits, VESSEL), logits)
        logits = (logits.detach() - 0.3 * slope.sign()).requires_grad_()
    found = as_mask(logits.detach().sigmoid())
    assert centerline_dice(found, as_mask(VESSEL)) == 1


def test_what_is_beside_the_object_is_neither_pushed_nor_pulled_for_itself():
    # a true line and a false one, three voxels wide, so that some are peeled off
    truth, p = torch.zeros(2, 1, 1, 9, 14)
    truth[..., 2, 2:12], p[..., 2, 2:12], p[..., 6:9, 2:12] = 1, 0.9, 0.9
    x = (0.1 + 0.8 * p).requires_grad_()
    slope = torch.autograd.grad(TopologyLoss(alpha=1.0)(x, truth), x)[0][0, 0]
    line = skeletonize((p > 0.5).float())[0, 0] > 0
    assert (slope[6:9][line[6:9]] > 0).all()
    assert (slope[5:9, 1:13][~line[5:9, 1:13]] == 0).all()
    assert (slope[4] > 0).all()  # an island here would be a new line
    assert (slope[2, 2:12] < 0).all()


def rod(y, z):
    """A soft rod along x, (y, z) voxels from the middle; gradients flow to y and z."""
    k, j, i = torch.meshgrid(*[torch.arange(n) for n in (14, 15, 16)], indexing="ij")
    from_axis = ((j - 7 - y) ** 2 + (k - 6 - z) ** 2 + 1e-6).sqrt()
    ends = torch.sigmoid(4 * (i - 2.5)) * torch.sigmoid(4 * (13.5 - i))
    return (torch.sigmoid(2 * (3.2 - from_axis)) * ends)[None, None]


def test_the_distance_is_that_of_the_lines_in_millimetres():
    fixed = torch.zeros(1, 1, 7, 9, 12)
    fixed[..., 3, 4, 1:11] = 1
    assert skeleton_distance(fixed, fixed) == 0
    assert skeleton_distance(fixed.roll(2, 3), fixed) == pytest.approx(2)
    assert skeleton_distance(fixed.roll(2, 2), fixed, spacing_mm=(1.5, 1, 1)) == pytest.approx(3)


def test_descending_the_distance_lays_one_rod_on_the_other():
    """All points of the moving line are equally far away: the gradient comes through the border alone."""
    fixed = (rod(torch.tensor(0.0), torch.tensor(0.0)) > 0.5).float()
    shift, noise = torch.tensor([3.0, -2.0], requires_grad=True), torch.Generator().manual_seed(0)
    for _ in range(16):
        distance = skeleton_distance(rod(*shift), fixed, generator=noise)
        (slope,) = torch.autograd.grad(distance, shift)
        shift = (shift.detach() - 0.3 * slope / slope.norm()).requires_grad_()
    assert shift.norm() < 0.7


def test_an_empty_prediction_and_an_empty_truth_have_finite_gradients():
    for p, y in ((0 * VESSEL, VESSEL), (VESSEL, 0 * VESSEL), (0 * VESSEL, 0 * VESSEL)):
        x = p.clone().requires_grad_()
        loss = TopologyLoss()(x, y)
        loss.backward()
        assert loss.isfinite()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: centerline_dice(as_mask(VESSEL), np.zeros((11, 24))), "the mask truth is empty"),
        (lambda: centerline_dice(np.full((4, 4), 0.5), np.ones((4, 4))), "found has other values"),
        (lambda: centerline_dice(np.ones((4, 5)), np.ones((4, 4))), "they must be the same"),
        (lambda: centerline_dice(np.ones((2, 5)), np.ones((2, 5))), "3 elements or more"),
        (lambda: TopologyLoss(alpha=2), "alpha must be in"),
        (lambda: skeleton_distance(VESSEL, 0 * VESSEL), "one of them is empty"),
        (lambda: skeleton_distance(0 * VESSEL, VESSEL), "one of them is empty"),
        (lambda: skeleton_distance(VESSEL, VESSEL[..., 1:]), "they must be the same"),
        (lambda: skeleton_distance(VESSEL, VESSEL, spacing_mm=(1, 1, 1)), "needs 2 numbers, not 3"),
        (lambda: TopologyLoss(sigmoid=True, softmax=True), "choose one"),
        (lambda: TopologyLoss(softmax=True)(VESSEL, VESSEL), "two channels or more"),
        (
            lambda: TopologyLoss(to_onehot_y=True)(VESSEL.repeat(1, 2, 1, 1), VESSEL.repeat(1, 2, 1, 1)),
            "one channel",
        ),
        (lambda: TopologyLoss()(VESSEL, VESSEL[..., 1:]), "they must be the same"),
        (lambda: TopologyLoss()(VESSEL, 0.5 * VESSEL), "mask of 0 and 1"),
        (lambda: TopologyLoss()(8 * VESSEL, VESSEL), "use sigmoid or softmax"),
    ],
)
def test_bad_input_gets_a_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call()
