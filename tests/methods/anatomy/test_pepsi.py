import math

import numpy as np
import pytest
import torch

from sanum.methods.anatomy.pepsi.loss import objective
from sanum.methods.anatomy.pepsi.model import Pepsi, PepsiPrediction, Segmenter
from sanum.methods.anatomy.pepsi.recipe import PEPSI


@pytest.mark.full
def test_it_learns_one_sample(tiny, overfit):
    losses, _, _ = overfit(tiny(PEPSI))
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("number", range(3))
def test_the_targets_show_the_lesion_dark_and_bright(tiny, sample, number):
    item = sample(tiny(PEPSI), number)
    healthy, (t1w, flair) = item["t1w"][0], item["sick"]
    lesion, brain, p = item["lesion"][0] > 0, item["brain"][0] > 0, item["p"][0]
    assert lesion.any()
    assert not item["sick"][:, ~brain].any()
    well = brain & (p == 0)
    torch.testing.assert_close(t1w[well], healthy[well], atol=1e-4, rtol=0)
    core = p > 0.5
    assert (t1w - healthy)[core].mean() < -0.1
    # what the FLAIR would be without it is one curve of the T1w
    order = np.argsort(healthy[well].numpy())
    without = np.interp(healthy.numpy(), healthy[well].numpy()[order], flair[well].numpy()[order])
    assert (flair.numpy() - without)[core].mean() > 0.05


def test_the_loss_by_hand():
    """T1w right, FLAIR wrong by 0.2 everywhere; segmenters that know nothing, on half a box of lesion."""
    brain, targets = torch.ones(1, 1, 8, 8, 8), torch.rand(1, 2, 8, 8, 8)
    lesion = torch.zeros_like(brain)
    lesion[:, :, :4] = 1
    images = targets.clone()
    images[:, 1] += 0.2
    zero = torch.zeros_like(images)
    loss, terms = objective(PepsiPrediction(images, zero, zero), targets, lesion, brain)
    assert float(terms["T1w"]) == float(terms["T1w gradient"]) == 0
    assert float(terms["FLAIR"]) == pytest.approx(0.2, rel=1e-4)
    assert float(terms["FLAIR gradient"]) == pytest.approx(0, abs=1e-5)
    dice = (2 * 128 + 100) / (256 + 256 + 100)  # probability ½ everywhere against 256 voxels, or against ½
    for name in ("T1w", "FLAIR"):
        for part in ("pathology", "segmenter"):
            assert float(terms[f"{name} {part}"]) == pytest.approx(math.log(2) + 1 - dice, rel=1e-5)
    assert float(loss) == pytest.approx(sum(float(t) for t in terms.values()), rel=1e-6)


def test_the_pathology_term_moves_the_images_and_not_the_segmenters():
    torch.manual_seed(0)
    model = Pepsi((4, 8))
    model(torch.rand(1, 1, 16, 16, 16)).pathology.sum().backward()
    assert all(p.grad is None for p in model.segmenters.parameters())
    assert model.read.weight.grad.abs().sum() > 0


def test_a_segmenter_learns_from_true_images(tiny, sample):
    item = sample(tiny(PEPSI))
    torch.manual_seed(0)
    net = Segmenter()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    image, lesion = item["sick"][None, 1:], item["lesion"][None]
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(image), lesion)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    probability = net(image).sigmoid()
    assert probability[lesion > 0].mean() > 5 * probability[(lesion == 0) & (item["brain"][None] > 0)].mean()


def test_features_are_of_length_one():
    torch.manual_seed(0)
    length = Pepsi((4, 8)).features(torch.rand(1, 1, 16, 16, 16)).norm(dim=1)
    assert length.max() <= 1 + 1e-5
    assert length.mean() > 0.9
