"""The objectives: the autoencoder's, and that of the network that finds the noise."""

import torch

from .model import Ldm

Terms = dict[str, torch.Tensor]


def kl_from_standard(mu: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½ ∑ (μ² + σ² − log σ² − 1), (B,).

    Parameters
    ----------
    mu, sigma : (B, L, s, s) float
        Of the latent.
    """
    return 0.5 * (mu.square() + sigma.square() - 2 * sigma.log() - 1).sum((1, 2, 3))


def autoencoder_loss(
    net: Ldm, image: torch.Tensor, valid: torch.Tensor, kl_weight: float
) -> tuple[torch.Tensor, Terms]:
    """Mean |x̂ − x| over valid pixels and channels + λ KL, and both terms.

    Parameters
    ----------
    net : Ldm
        Its autoencoder learns.
    image : (B, C, S, S) float
        x.
    valid : (B, 1, S, S) float
        1 where the image is.
    kl_weight : float
        λ.
    """
    made, mu, sigma = net.autoencoder(image)
    count = valid.sum((1, 2, 3)).clamp_min(1) * image.shape[1]
    away = (((made - image).abs() * valid).sum((1, 2, 3)) / count).mean()
    kl = kl_weight * kl_from_standard(mu.float(), sigma.float()).mean()
    return away + kl, {"l1": away.detach(), "kl": kl.detach()}


def noise_loss(net: Ldm, latent: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Mean of (ε − ε̂(zₜ, t))² of each image, (B,).

    Parameters
    ----------
    net : Ldm
        Its U-Net learns.
    latent : (B, L, s, s) float
        Scaled z.
    noise : (B, L, s, s) float
        ε.
    times : (B,) int
        t.
    """
    found = net.unet(net.scheduler.add_noise(latent, noise, times), times)
    error: torch.Tensor = (found - noise).square().mean((1, 2, 3))
    return error
