import pytest
import torch

from sanum.methods.anatomy.una.guess import MEAN, SPREAD, first_guess

CONTRASTS = {
    "T1w": lambda t: 0.8 * t,
    "T2w": lambda t: 1.0 - 0.7 * t,
    "folded, as FLAIR": lambda t: 1 - 2 * (t - 0.8).abs(),
    "low and narrow": lambda t: 0.3 + 0.1 * t,
}


@pytest.fixture(scope="module")
def anatomy():
    """T1w (24³) of smooth tissue from 0.3 to 1.05, and a prior (1, 2, …): a blurred copy and its share."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 8, 8, 8, generator=g)
    t1w = 0.3 + 0.75 * torch.nn.functional.interpolate(coarse, size=(24, 24, 24), mode="trilinear")[0, 0]
    blurred = torch.nn.functional.avg_pool3d(t1w[None], 3, 1, padding=1, count_include_pad=False)[0]
    return t1w, torch.stack([blurred, torch.ones_like(t1w)])[None]


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
    guess = first_guess(torch.full((2, 2, 24, 24, 24), value), anatomy[1].expand(2, -1, -1, -1, -1))
    assert torch.isfinite(guess).all()
    assert guess.min() >= 0


def test_a_batch_equals_its_items(anatomy):
    t1w, average = anatomy
    x = torch.stack([torch.stack([t1w, t1w]), torch.stack([1 - t1w, t1w])])
    both = first_guess(x, average.expand(2, -1, -1, -1, -1))
    torch.testing.assert_close(both, torch.cat([first_guess(i[None], average) for i in x]))


def test_bins_follow_the_brain_not_the_skull(anatomy):
    """A scan whose brain takes a sixtieth of the intensities, as a CT on a scale of bone."""
    t1w, average = anatomy
    scan = 0.5 + 0.02 * t1w
    share = torch.ones(24, 24, 24)
    share[:3] = 0
    scan[:3] = 1.5
    prior = torch.stack([average[0, 0], share])[None]
    guess = first_guess(torch.stack([scan, scan])[None], prior)[0, 0, 3:]
    assert torch.corrcoef(torch.stack([guess.ravel(), t1w[3:].ravel()]))[0, 1] > 0.8


def test_beyond_the_brains_intensities_the_guess_goes_no_further(anatomy):
    t1w, average = anatomy
    scan = 0.2 + 0.5 * t1w
    guess = first_guess(torch.stack([scan, torch.full_like(scan, 1.4)])[None], average)[0]
    assert guess[1].min() == guess[1].max()
    assert guess[1, 0, 0, 0].item() == pytest.approx(guess[0].max().item(), abs=0.05)


def test_eight_voxels_of_1_mm_count_as_one_of_2_mm(anatomy):
    t1w, average = anatomy
    scan = torch.stack([1 - 0.7 * t1w, t1w])[None]
    scan[0, 0, 0, 0, 0] = 0.9  # alone in its bin
    finer = [torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest") for x in (scan, average)]
    found = first_guess(*finer, spacing_mm=1.0)
    torch.testing.assert_close(found[:, :, ::2, ::2, ::2], first_guess(scan, average), atol=1e-4, rtol=0)
