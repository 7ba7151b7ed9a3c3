"""The objectives: critic and generator (Wasserstein, with gradient penalty), and the encoder's three."""

from collections.abc import Callable
from typing import Literal

import torch

from ...common.residual import squared_error
from .model import FAnoGan

Terms = dict[str, torch.Tensor]
Encoding = Literal["izi_f", "izi", "ziz"]


def gradient_penalty(
    critic: Callable[[torch.Tensor], torch.Tensor],
    real: torch.Tensor,
    fake: torch.Tensor,
    mix: torch.Tensor,
) -> torch.Tensor:
    """Mean over the batch of (‖∇D(x̃)‖ − 1)², x̃ = a x + (1 − a) x̂; the norm is over all but the batch.

    Parameters
    ----------
    critic : function
        D: images (B, …) → (B,).
    real, fake : (B, …) float
        x and x̂.
    mix : (B,) float
        a, one for each image.
    """
    a = mix.reshape(-1, *[1] * (real.ndim - 1))
    between = (a * real + (1 - a) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: torch.Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def critic_loss(
    net: FAnoGan, real: torch.Tensor, code: torch.Tensor, mix: torch.Tensor, weight: float
) -> tuple[torch.Tensor, Terms]:
    """Mean D(G(z)) − mean D(x) + λ penalty; its terms: mean D(x) − mean D(G(z)), and λ penalty.

    The critic computes in single precision, whatever is set around: the penalty is of a gradient's length.

    Parameters
    ----------
    net : FAnoGan
        Its critic learns.
    real : (B, C, S, S) float
        x.
    code : (B, Z) float
        z.
    mix : (B,) float
        See `gradient_penalty`.
    weight : float
        λ.
    """
    with torch.no_grad():
        fake = net.generator(code).float()
    with torch.autocast(real.device.type, enabled=False):
        distance = net.critic(real).mean() - net.critic(fake).mean()
        penalty = weight * gradient_penalty(net.critic, real, fake, mix)
    return penalty - distance, {"distance": distance.detach(), "penalty": penalty.detach()}


def generator_loss(net: FAnoGan, code: torch.Tensor) -> tuple[torch.Tensor, Terms]:
    """−mean D(G(z)); it has no further terms.

    Parameters
    ----------
    net : FAnoGan
        Its generator learns.
    code : (B, Z) float
        z.
    """
    return -net.critic(net.generator(code)).mean(), {}


def feature_error(net: FAnoGan, image: torch.Tensor, made: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Mean of (f(x) − f(x̂))², (B,); f is what the critic's last layer sees. Where x is not valid, x̂ is x.

    Parameters
    ----------
    net : FAnoGan
        Its critic in evaluation mode.
    image, made : (B, C, S, S) float
        x and x̂.
    valid : (B, 1, S, S) float
        1 where the image is.
    """
    inside = torch.where(valid > 0, made, image)
    return (net.critic.features(image) - net.critic.features(inside)).square().mean(1)


def encoder_loss(
    net: FAnoGan,
    image: torch.Tensor,
    valid: torch.Tensor,
    code: torch.Tensor,
    kind: Encoding,
    kappa: float,
) -> tuple[torch.Tensor, Terms]:
    """By `kind`; generator and critic are set to evaluation mode, for they stand still.

    Parameters
    ----------
    net : FAnoGan
        Its encoder learns.
    image : (B, C, S, S) float
        x.
    valid : (B, 1, S, S) float
        1 where the image is.
    code : (B, Z) float
        z, of "ziz".
    kind : "izi_f", "izi" or "ziz"
        Mean (x − G(E(x)))² + κ mean (f(x) − f(G(E(x))))²; the first term alone; mean (z − E(G(z)))².
    kappa : float
        κ.
    """
    net.generator.eval()
    net.critic.eval()
    if kind == "ziz":
        error = (code - net.encoder(net.generator(code))).square().mean()
        return error, {"code": error.detach()}
    made = net(image)
    error = squared_error(image, made, valid).mean()
    if kind == "izi":
        return error, {"image": error.detach()}
    features = kappa * feature_error(net, image, made, valid).mean()
    return error + features, {"image": error.detach(), "features": features.detach()}
