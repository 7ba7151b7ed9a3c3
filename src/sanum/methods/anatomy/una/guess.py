"""First guess: what a scan of any contrast would look like as a T1w, in closed form.

An average T1w anatomy T̄ in the model's box, with P̄ the share of brains that reach a voxel, gives for each
intensity i of the scan the T1w intensity that it most likely stands for,

    G(i) = E[T̄(x) | I(x) = i],   x weighted by P̄(x)⁴,

on a histogram of linear bins over the intensities of the brain. Averaging over misaligned anatomies pulls G
towards its mean, so it is stretched to the mean and standard deviation of a T1w brain. The network thus never
has to find out which modality it was given; what G gets wrong, it corrects. Ours; the idea is that of
intensity mapping by joint histograms, here with an average anatomy in the place of a second image.
"""

import torch

from ....space.sums import steady_sum
from ....synth.box import DEFAULT_BOX

BINS = 24
FINE_BINS, TOP, TAIL = 240, 1.5, 0.005  # the bins span the brain's intensities but for 0.5 % at each end
MEAN, SPREAD = 0.83, 0.20  # of a T1w brain whose white matter is 1
EMPTY = 0.02  # scaled intensity up to which a voxel shows nothing


def first_guess(
    pair: torch.Tensor, prior: torch.Tensor, spacing_mm: float = DEFAULT_BOX.spacing_mm
) -> torch.Tensor:
    """T1w-like images (B, 2, X, Y, Z) of the scan and its mirror image.

    Parameters
    ----------
    pair : (B, 2, X, Y, Z)
        The mapping is found on the scan and applied to both.
    prior : (B, 2, X, Y, Z)
        T̄ (white matter near 1) and P̄ in the same box.
    spacing_mm : float
        Of the voxels.
    """
    little = (DEFAULT_BOX.spacing_mm / spacing_mm) ** 3  # 8 mm³ in voxels: an empty bin gets the mean
    guesses = []
    for scan, (mean, share) in zip(pair.float(), prior, strict=True):
        weight = share**4 * (scan[0] > EMPTY)
        low, high = _span(scan[0], weight)
        place = ((scan - low) / (high - low) * (BINS - 1)).clamp(0, BINS - 1 - 1e-4)
        k = place.long()
        f = place - k
        bins = torch.cat([k[0].flatten(), k[0].flatten() + 1])
        votes = torch.cat([(weight * (1 - f[0])).flatten(), (weight * f[0]).flatten()])
        count = votes.new_zeros(BINS).index_add_(0, bins, votes)
        total = votes.new_zeros(BINS).index_add_(0, bins, votes * mean.flatten().repeat(2))
        curve = (total + little * MEAN) / (count + little)
        guess = curve[k] * (1 - f) + curve[k + 1] * f
        all_of_it = steady_sum(weight).clamp_min(little)
        middle = steady_sum(weight * guess[0]) / all_of_it
        spread = (steady_sum(weight * (guess[0] - middle) ** 2) / all_of_it).sqrt().clamp_min(0.005)
        guesses.append((MEAN + SPREAD * (guess - middle) / spread) * (scan > EMPTY))
    return torch.stack(guesses).clamp(0, 1.6)


def _span(scan: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Intensities between which all but TAIL of the weight lies on either side."""
    place = (scan / TOP * FINE_BINS).long().clamp(0, FINE_BINS - 1)
    share = weight.new_zeros(FINE_BINS).index_add_(0, place.flatten(), weight.flatten()).cumsum(0)
    share = share / share[-1].clamp_min(1e-6)
    low = (share < TAIL).sum()
    high = (share < 1 - TAIL).sum() + 1
    return low * TOP / FINE_BINS, torch.maximum(high, low + 6) * TOP / FINE_BINS
