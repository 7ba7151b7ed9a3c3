import numpy as np
import pytest
import torch

from sanum.methods.anatomy.brain_id.recipe import BRAIN_ID
from sanum.methods.common.views import views


@pytest.fixture(scope="module")
def batch(tiny, sample):
    return {name: x[None] for name, x in sample(tiny(BRAIN_ID)).items()}


@pytest.mark.full
def test_it_learns_one_sample(tiny, overfit):
    losses, _, _ = overfit(tiny(BRAIN_ID))
    assert losses[-1] < 0.6 * losses[0]


def test_no_two_views_are_alike(batch):
    """That they show one head, `tests/synth/test_views.py` says."""
    scans, brain = views(batch)[:, 0].numpy(), batch["brain"][0, 0].numpy() > 0
    assert scans.shape == (4, *brain.shape)
    for n, one in enumerate(scans):
        for other in scans[n + 1 :]:
            assert np.abs(one - other)[brain].mean() > 0.05


def test_the_severe_views_are_noisier(anatomy):
    rng = np.random.default_rng(0)
    drawn = [BRAIN_ID.sampling.draw_views(rng, anatomy, spacing_mm=2.0) for _ in range(20)]
    mild, *severe = zip(*[[v.corruption.noise_sigma for v in views] for views in drawn], strict=True)
    assert max(mild) < min(map(min, severe))
    assert BRAIN_ID.sampling.level == "mild"


def test_views_of_several_heads_stay_in_order(batch):
    two = {name: torch.cat([x, 2 * x]) for name, x in batch.items()}
    scans = views(two)
    assert torch.equal(scans[:4], views(batch))
    assert torch.equal(scans[4:], 2 * views(batch))


def test_the_loss_by_hand(tiny, batch):
    """A guide that is right and a task that says 1 everywhere."""
    recipe = tiny(BRAIN_ID)
    t1w, volume = batch["t1w"], batch["brain"].sum()
    four = t1w.expand(4, -1, -1, -1, -1)
    loss, terms = recipe.loss(lambda scans: (four, torch.ones_like(scans)), batch)
    assert terms["guide"] == terms["guide gradient"] == 0
    torch.testing.assert_close(terms["task"], (1 - t1w).abs().sum() / volume)
    steps = sum(t1w.diff(dim=d).abs().sum() for d in (2, 3, 4))
    torch.testing.assert_close(terms["task gradient"], steps / (3 * volume))
    torch.testing.assert_close(loss, terms["task"] + terms["task gradient"])


def test_the_task_leaves_the_features_alone(tiny, anatomy):
    torch.manual_seed(0)
    model = tiny(BRAIN_ID).build([anatomy])
    model(torch.rand(1, 1, 16, 16, 16))[1].sum().backward()
    assert all(p.grad is None for p in model.net.parameters())
    assert model.task.weight.grad.abs().sum() > 0
