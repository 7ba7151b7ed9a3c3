"""Diffusion as methods share it: shares of the image under noise, the steps back, and MONAI's U-Net.

x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, with times t from 0 (the image; ᾱ_0 = 1) to T.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from ...extras import needs_extra

OFFSET = 0.008
"""s of the cosine schedule."""
MOST_BETA = 0.999
"""Largest share that a step takes away where the noise is found: else x_0 is not determined at T."""
GROUPS = 8
"""Of group norm, at most."""


def cosine_shares(steps: int, most: float = 1.0) -> torch.Tensor:
    """ᾱ of times 0 to T, (T + 1,): cos²((t/T + s)/(1 + s) · π/2), over that of 0 (Nichol and Dhariwal 2021).

    Parameters
    ----------
    steps : int
        T.
    most : float
        Largest 1 − ᾱ_t/ᾱ_{t−1}; 1: at T there is nothing but noise.

    Examples
    --------
    >>> [round(share, 2) for share in cosine_shares(2).tolist()]
    [1.0, 0.49, 0.0]
    """
    t = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    f = torch.cos((t + OFFSET) / (1 + OFFSET) * math.pi / 2).square()
    kept = (f[1:] / f[:-1]).clamp_min(1 - most)
    return torch.cat([torch.ones(1), kept.cumprod(0)]).float()


def preserving_shares(steps: int, low: float = 0.1, high: float = 20.0) -> torch.Tensor:
    """ᾱ of times 0 to T, (T + 1,): exp(−a τ − (b − a) τ²/2), τ = t/T, for few large steps (Xiao et al. 2022).

    Parameters
    ----------
    steps : int
        T.
    low, high : float
        a and b, the noise per unit time at its begin and end.
    """
    t = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    return torch.exp(-low * t - (high - low) * t.square() / 2).float()


def times_back(steps: int, count: int) -> list[int]:
    """Times from T to 0 of a sampler, as evenly spaced as whole numbers are.

    Parameters
    ----------
    steps : int
        T.
    count : int
        Steps of the sampler, at most T.

    Examples
    --------
    >>> times_back(10, 4)
    [10, 8, 5, 2, 0]
    """
    return [round(steps * (count - n) / count) for n in range(count + 1)]


def noised(clean: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """x_t = √ᾱ x_0 + √(1 − ᾱ) ε.

    Parameters
    ----------
    clean, noise : (B, …) float
        x_0 and ε.
    share : (B,) or () float
        ᾱ_t.
    """
    share = like(share, clean)
    return share.sqrt() * clean + (1 - share).sqrt() * noise


def clean_of(now: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """x_0 = (x_t − √(1 − ᾱ) ε) / √ᾱ: `noised` undone.

    Parameters
    ----------
    now, noise : (B, …) float
        x_t and ε.
    share : (B,) or () float
        ᾱ_t, above 0.
    """
    share = like(share, now)
    return (now - (1 - share).sqrt() * noise) / share.sqrt()


def ddim_step(
    now: torch.Tensor, clean: torch.Tensor, share: torch.Tensor, later: torch.Tensor
) -> torch.Tensor:
    """x_s = √ᾱ_s x_0 + √(1 − ᾱ_s) ε, with ε = (x_t − √ᾱ_t x_0) / √(1 − ᾱ_t) (Song et al. 2021; η = 0).

    Parameters
    ----------
    now, clean : (B, …) float
        x_t, and x_0 as the network finds it.
    share, later : (B,) or () float
        ᾱ_t, below 1, and ᾱ_s.
    """
    share = like(share, now)
    noise = (now - share.sqrt() * clean) / (1 - share).sqrt()
    return noised(clean, noise, later)


def posterior(
    now: torch.Tensor, clean: torch.Tensor, share: torch.Tensor, later: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (B, …) and standard deviation of q(x_s | x_t, x_0), s < t (Ho et al. 2020, eq. 7, for any step).

    Parameters
    ----------
    now, clean : (B, …) float
        x_t and x_0.
    share, later : (B,) or () float
        ᾱ_t, below 1, and ᾱ_s.
    """
    share, later = like(share, now), like(later, now)
    kept = share / later
    mean = (later.sqrt() * (1 - kept) * clean + kept.sqrt() * (1 - later) * now) / (1 - share)
    return mean, ((1 - kept) * (1 - later) / (1 - share)).sqrt()


def like(share: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Shares of the images of a batch, with as many axes as they have.

    Parameters
    ----------
    share : (B,) or () float
        Of each image, or of all.
    image : (B, …) float
        Of as many axes as wanted.
    """
    return share.reshape(share.shape + (1,) * (image.ndim - share.ndim))


def diffusion_unet(
    dims: int, before: int, after: int, widths: Sequence[int], *, attention: bool = True
) -> nn.Module:
    """MONAI's `DiffusionModelUNet`: images (B, before, *spatial) and times (B,) → (B, after, *spatial).

    Parameters
    ----------
    dims : 2 or 3
        Spatial axes; sides are multiples of 2 to the power of the halvings.
    before, after : int
        Channels of the input and the output.
    widths : sequence of int
        Channels before and after each halving.
    attention : bool
        At the last level.
    """
    with needs_extra("a network of diffusion", "monai"):
        from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
    net: nn.Module = DiffusionModelUNet(
        spatial_dims=dims,
        in_channels=before,
        out_channels=after,
        num_res_blocks=1,
        channels=widths,
        attention_levels=[False] * (len(widths) - 1) + [attention],
        num_head_channels=widths[-1],
        norm_num_groups=math.gcd(GROUPS, *widths),
    )
    return net


def require_halvings(patch: Sequence[int], widths: Sequence[int]) -> None:
    """Raise ValueError if the U-Net cannot halve a patch as often as it wants to.

    Parameters
    ----------
    patch : sequence of int
        Its sides.
    widths : sequence of int
        As of `diffusion_unet`.
    """
    multiple = 2 ** (len(widths) - 1)
    if any(n % multiple for n in patch):
        raise ValueError(
            f"patch must be multiples of {multiple}, got {tuple(patch)}: widths has {len(widths)}"
        )
