import torch

from sanum.methods.anatomy.synthsr.recipe import SYNTHSR


def test_it_learns_one_sample(tiny, overfit):
    losses, _, _ = overfit(tiny(SYNTHSR))
    assert losses[-1] < 0.5 * losses[0]


def test_its_heads_are_healthy_and_its_scans_are_made_up(tiny, sample):
    recipe = tiny(SYNTHSR)
    for number in range(3):
        assert not sample(recipe, number)["lesion"].any()
    assert recipe.sampling.real == 0
    assert "views" not in sample(recipe)


def test_the_loss_is_of_the_scan_alone(tiny, sample):
    """0 for a network that gives the truth, |1 − T| for one that gives 1; the mirror image is not seen."""
    recipe = tiny(SYNTHSR)
    batch = {name: x[None] for name, x in sample(recipe).items()}
    seen = []

    def truth(scan):
        seen.append(scan)
        return batch["t1w"]

    assert recipe.loss(truth, batch)[0] == 0
    assert torch.equal(seen[0], batch["image"][:, :1])
    wanted = (1 - batch["t1w"]).abs().sum() / batch["brain"].sum()
    torch.testing.assert_close(recipe.loss(torch.ones_like, batch)[0], wanted)
