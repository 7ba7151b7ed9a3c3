import pytest
import torch

from sanum.methods.una.guess import MEAN, SPREAD, first_guess

CONTRASTS = {
    "T1w": lambda t: 0.8 * t,
    "T2w": lambda t: 1.0 - 0.7 * t,
    "folded, as FLAIR": lambda t: 1 - 2 * (t - 0.8).abs(),
    "low and narrow": lambda t: 0.3 + 0.1 * t,
}


@pytest.fixture(scope="module")
def anatomy():
    """T1w (24³) of smooth tissue between 0.3 and 1.05, an average that is a blurred copy, and its share."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 8, 8, 8, generator=g)
    t1w = 0.3 + 0.75 * torch.nn.functional.interpolate(coarse, size=(24, 24, 24), mode="trilinear")[0, 0]
    blurred = torch.nn.functional.avg_pool3d(t1w[None], 3, 1, padding=1, count_include_pad=False)[0]
    return t1w, torch.stack([blurred, torch.ones_like(t1w)])


@pytest.mark.parametrize("contrast", list(CONTRASTS))
def test_any_contrast_comes_out_as_a_t1w(anatomy, contrast):
    t1w, average = anatomy
    scan = CONTRASTS[contrast](t1w)
    guess = first_guess(torch.stack([scan, scan.flip(0)])[None], average)[0]
    assert (
        torch.corrcoef(torch.stack([guess[0].ravel(), t1w.ravel()]))[0, 1] > 0.8
    )  # two tissues of one intensity stay one
    assert guess[0].mean().item() == pytest.approx(MEAN, abs=0.02)
    assert guess[0].std().item() == pytest.approx(SPREAD, abs=0.03)
    torch.testing.assert_close(guess[1], guess[0].flip(0))


def test_the_mirror_image_goes_through_the_mapping_of_the_scan(anatomy):
    t1w, average = anatomy
    x = torch.stack([1 - 0.7 * t1w, t1w])[None]
    guess = first_guess(x, average)
    torch.testing.assert_close(guess[:, 0], first_guess(x[:, [0, 0]], average)[:, 1])
    assert torch.corrcoef(torch.stack([guess[0, 1].ravel(), t1w.ravel()]))[0, 1] < 0


def test_where_the_scan_shows_nothing_the_guess_is_0(anatomy):
    t1w, average = anatomy
    x = torch.stack([t1w, t1w])[None].clone()
    x[..., :5] = 0
    assert first_guess(x, average)[..., :5].abs().max() == 0


@pytest.mark.parametrize("value", [0.0, 0.5, 1.5])
def test_a_flat_scan_gives_finite_values(anatomy, value):
    guess = first_guess(torch.full((2, 2, 24, 24, 24), value), anatomy[1])
    assert torch.isfinite(guess).all()
    assert guess.min() >= 0


def test_a_batch_equals_its_items(anatomy):
    t1w, average = anatomy
    x = torch.stack([torch.stack([t1w, t1w]), torch.stack([1 - t1w, t1w])])
    torch.testing.assert_close(first_guess(x, average), torch.cat([first_guess(i[None], average) for i in x]))
