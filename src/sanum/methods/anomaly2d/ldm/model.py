"""The networks, of MONAI: an autoencoder, and a U-Net that finds the noise in its latents."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from ....extras import needs_extra
from ....nets.strided import side_after
from ...common.diffusion import GROUPS, diffusion_unet
from ...common.residual import squared_error
from .standard import Tables, tables_of

BETAS = 0.0015, 0.0195
"""First and last variance of the noise that a step adds; their roots grow linearly."""


class Ldm(nn.Module):
    """Image (B, C, S, S) → what the way back from each of K levels of noise makes of it, (B, K, C, S, S).

    The noise is the same for each image, and part of the weights.

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of halvings of both networks.
    autoencoder_widths : sequence of int
        Channels of the autoencoder before and after each halving.
    latent : int
        Channels of the latent.
    unet_widths : sequence of int
        Channels of the U-Net before and after each halving; the last level has attention.
    schedule : (int, int)
        T, and steps of the sampler over all of them.
    starts : sequence of int
        Where the ways back begin, multiples of the sampler's stride.
    bounds : (float, float), optional
        Least and largest value of an image.
    """

    scale: torch.Tensor
    noise: torch.Tensor
    error_mean: torch.Tensor
    error_deviation: torch.Tensor
    residual_mean: torch.Tensor
    residual_deviation: torch.Tensor

    def __init__(
        self,
        channels: int,
        size: int,
        autoencoder_widths: Sequence[int],
        latent: int,
        unet_widths: Sequence[int],
        schedule: tuple[int, int],
        starts: Sequence[int],
        bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        more = len(unet_widths) - 1
        side = side_after(size, len(autoencoder_widths) - 1 + more) << more
        self.starts, self.bounds = tuple(starts), bounds
        self.stride = schedule[0] // schedule[1]
        self.autoencoder, self.unet = _networks(channels, autoencoder_widths, latent, unet_widths)
        self.scheduler = _scheduler(schedule)
        count = len(self.starts)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("noise", torch.randn(count, latent, side, side))
        self.register_buffer("error_mean", torch.zeros(count))
        self.register_buffer("error_deviation", torch.ones(count))
        self.register_buffer("residual_mean", torch.zeros(count, size, size))
        self.register_buffer("residual_deviation", torch.ones(count, size, size))

    def latent_of(self, image: torch.Tensor) -> torch.Tensor:
        """Scaled mean of the latent, (B, L, s, s).

        Parameters
        ----------
        image : (B, C, S, S)
            As the recipe says.
        """
        latent: torch.Tensor = self.autoencoder.encode(image)[0] * self.scale
        return latent

    def noised(self, latent: torch.Tensor, start: int) -> torch.Tensor:
        """√ᾱₜ z + √(1 − ᾱₜ) ε, with the kept noise of a start.

        Parameters
        ----------
        latent : (B, L, s, s)
            Scaled z.
        start : int
            Place in the list of starts.
        """
        share = self.scheduler.alphas_cumprod[self.starts[start]]
        mixed: torch.Tensor = share**0.5 * latent + (1 - share) ** 0.5 * self.noise[start]
        return mixed

    def restored(self, image: torch.Tensor, which: Sequence[int] | None = None) -> torch.Tensor:
        """Images (B, K, C, S, S) after the ways back; those that are at the same t go on together.

        Parameters
        ----------
        image : (B, C, S, S)
            As the recipe says.
        which : sequence of int, optional
            Places in the list of starts; default all.
        """
        latent, chosen = self.latent_of(image), range(len(self.starts)) if which is None else which
        order = sorted(chosen, key=lambda place: -self.starts[place])
        now = self.noised(latent, order[0])
        for t in range(self.starts[order[0]], -1, -self.stride):
            joining = [place for place in order[1:] if self.starts[place] == t]
            now = torch.cat([now, *(self.noised(latent, place) for place in joining)])
            times = torch.full((now.shape[0],), t, device=now.device)
            now = self.scheduler.step(self.unet(now, times), t, now)[0]
        made = self.autoencoder.decode(now / self.scale)
        if self.bounds is not None:
            made = made.clamp(*self.bounds)
        ways = made.reshape(len(order), image.shape[0], *made.shape[1:])
        return torch.stack([ways[order.index(place)] for place in chosen], 1)

    def compared(self, image: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean squared errors (B, K), and residuals |x − x̂|, mean over channels, (B, K, S, S).

        Parameters
        ----------
        image : (B, C, S, S)
            x.
        valid : (B, 1, S, S) float
            1 where the image is.
        """
        made = self.restored(image)
        errors = torch.stack([squared_error(image, one, valid) for one in made.unbind(1)], 1)
        return errors, (made - image[:, None]).abs().mean(2)

    def standardised(
        self, errors: torch.Tensor, residuals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (B,) and maps (B, S, S): in standard deviations of normal images, mean over the starts.

        Parameters
        ----------
        errors, residuals : tensor
            As of `compared`.
        """
        scores = (errors - self.error_mean) / self.error_deviation
        maps = (residuals - self.residual_mean) / self.residual_deviation
        return scores.mean(1), maps.mean(1)

    @torch.no_grad()
    def rescale(self, images: Iterable[torch.Tensor]) -> None:
        """Let latents have standard deviation 1 over these images.

        Parameters
        ----------
        images : iterable of (B, C, S, S) tensor
            All to learn from, some at a time.
        """
        latents = torch.cat([self.autoencoder.encode(image)[0] for image in images])
        self.scale.copy_(1 / latents.std(correction=0).clamp_min(1e-6))

    @torch.no_grad()
    def compare(self, parts: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Keep means and standard deviations of the errors and residuals of normal images.

        Parameters
        ----------
        parts : iterable of tensor, tensor
            Images, and where they are, as of `compared`.
        """
        found: Tables = tables_of((*self.compared(image, valid), valid) for image, valid in parts)
        for name, new in vars(found).items():
            getattr(self, name).copy_(new)


def _networks(
    channels: int, autoencoder_widths: Sequence[int], latent: int, unet_widths: Sequence[int]
) -> tuple[Any, Any]:
    with needs_extra("ldm", "monai"):
        from monai.networks.nets.autoencoderkl import AutoencoderKL
    autoencoder = AutoencoderKL(
        spatial_dims=2,
        in_channels=channels,
        out_channels=channels,
        num_res_blocks=1,
        channels=autoencoder_widths,
        attention_levels=[False] * len(autoencoder_widths),
        latent_channels=latent,
        norm_num_groups=math.gcd(GROUPS, *autoencoder_widths),
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    )
    return autoencoder, diffusion_unet(2, latent, latent, unet_widths)


def _scheduler(schedule: tuple[int, int]) -> Any:
    """DDIM; its own list of times is not used: rounded, it does not agree with its steps."""
    with needs_extra("ldm", "monai"):
        from monai.networks.schedulers.ddim import DDIMScheduler
    made = DDIMScheduler(
        schedule[0], "scaled_linear_beta", clip_sample=False, beta_start=BETAS[0], beta_end=BETAS[1]
    )
    made.set_timesteps(schedule[1])
    return made
