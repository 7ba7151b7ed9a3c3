"""Fitting a latent to an image. No labels come near it: they are not among the arguments.

A latent that is fitted for too long copies the image better and segments it worse; so the number of steps is
chosen on validation subjects, once, and used again for every scan.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch

from .loss import latent_size, reconstruction
from .model import LATENT_STD, Nisf

CHECKED = (0, 10, 25, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2000)
"""Steps after which validation looks."""

COMPARED = 512
"""Points by which learned latents are compared as places to start from."""


@dataclass(frozen=True)
class LatentConfig:
    """How a latent is fitted.

    Parameters
    ----------
    steps : int
        Most that validation tries; taken where nothing was held out.
    learning_rate : float
        Of Adam, for the latent.
    points : int
        Of a step.
    start : "fresh" or "nearest"
        A draw from N(0, 1e-4²), as published; or the learned latent that fits the image best.
    weights_too : bool
        Fit the weights as well, in a copy. The authors' code does so; the paper fits the latent alone.
    weights_rate : float
        Of Adam, for the weights.
    l_h : float
        Weight of the mean square of the latent.
    """

    steps: int = 800
    learning_rate: float = 1e-2
    points: int = 2000
    start: Literal["fresh", "nearest"] = "fresh"
    weights_too: bool = False
    weights_rate: float = 1e-4
    l_h: float = 1e-4

    def __post_init__(self) -> None:
        for name, least in (
            ("steps", 1),
            ("points", 1),
            ("learning_rate", 0),
            ("weights_rate", 0),
            ("l_h", 0),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"latent.{name} must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen of a subject.

    Parameters
    ----------
    points : (N, 5) float32 tensor
        Coordinates, in the field of the prior.
    image : (N,) float32 tensor
        Intensities in [0, 1].
    """

    points: torch.Tensor
    image: torch.Tensor


def fit_latent(
    model: Nisf,
    seen: Seen,
    config: LatentConfig,
    steps: int,
    *,
    watch: Callable[[int, Nisf, torch.Tensor], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[Nisf, torch.Tensor]:
    """Network and latent (1, width) of an image; the same bits each time: points are drawn from a fixed seed.

    Parameters
    ----------
    model : Nisf
        Learned; stays as it is.
    seen : Seen
        The image.
    config : LatentConfig
        How.
    steps : int
        How long.
    watch : function, optional
        Gets the number of steps, the network and the latent at each of `CHECKED`, to measure them.
    on_step : function, optional
        Gets how many of how many steps are done.
    """
    device = model.field.device
    draws = torch.Generator().manual_seed(0)
    points, image = seen.points.to(device), seen.image.to(device)
    net = deepcopy(model) if config.weights_too else model
    net.requires_grad_(config.weights_too)
    latent = _start(net, points, image, config, draws).requires_grad_()
    groups = [{"params": [latent], "lr": config.learning_rate}]
    if config.weights_too:
        own = [p for name, p in net.named_parameters() if not name.startswith("latents")]
        groups.append({"params": own, "lr": config.weights_rate})
    optimizer = torch.optim.Adam(groups)
    for step in range(steps):
        if watch and step in CHECKED:
            watch(step, net, latent.detach())
        chosen = torch.randint(len(points), (config.points,), generator=draws).to(device)
        intensity, _ = net(points[chosen][None], latent)
        loss = reconstruction(intensity, image[chosen][None]) + config.l_h * latent_size(latent)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if on_step:
            on_step(step + 1, steps)
    if watch and steps in CHECKED:
        watch(steps, net, latent.detach())
    return net.requires_grad_(False), latent.detach()


@torch.no_grad()
def _start(
    model: Nisf, points: torch.Tensor, image: torch.Tensor, config: LatentConfig, draws: torch.Generator
) -> torch.Tensor:
    width = model.latents.embedding_dim
    if config.start == "fresh":
        return (torch.randn(1, width, generator=draws) * LATENT_STD).to(points.device)
    chosen = torch.randint(len(points), (COMPARED,), generator=draws).to(points.device)
    learned = model.latents_of(torch.arange(model.latents.num_embeddings, device=points.device))
    errors = [
        reconstruction(model(points[chosen][None], one[None])[0], image[chosen][None]) for one in learned
    ]
    return learned[int(torch.stack(errors).argmin())][None].clone()
