"""The network: an autoencoder, what describes an image by it, and which Gaussian that belongs to."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from ....nets.dense_autoencoder import DenseAutoencoder
from .mixture import Mixture, energy, mixture_of

HIDDEN = (32, 64, 32)
"""Numbers in the layers of the network that shares points out."""

TINY = 1e-6
"""Least norm of an image: a relative distance is finite."""

LEAST_VARIANCE = 1e-8
"""Added to the variance of each dimension of z; relative distances differ little."""


class Dagmm(nn.Module):
    """Image (B, C, S, S) → its reconstruction, its point z (B, D), and its shares γ (B, K).

    z is a few numbers of the code, the relative distance ‖x − x̂‖ / ‖x‖ and 1 − cos(x, x̂).

    Parameters
    ----------
    channels : int
        Of the image.
    size : int
        S, a multiple of 2 to the power of the number of widths.
    widths : sequence of int
        Channels after each halving.
    code : int
        Numbers of the autoencoder's code.
    reduced : int
        Numbers of the code that z has: D = reduced + 2.
    gaussians : int
        K.
    standardise : bool
        Each dimension of z has mean 0 and variance 1: over the batch in training, later over all
        training images.
    """

    share: torch.Tensor
    mean: torch.Tensor
    factor: torch.Tensor

    def __init__(
        self,
        channels: int,
        size: int,
        widths: Sequence[int],
        code: int = 128,
        *,
        reduced: int = 3,
        gaussians: int = 2,
        standardise: bool = True,
    ) -> None:
        super().__init__()
        size_of_z = reduced + 2
        self.autoencoder = DenseAutoencoder(channels, size, widths, code, dropout=0.0)
        self.reduce = nn.Linear(code, reduced)
        self.standard = (
            nn.BatchNorm1d(size_of_z, eps=LEAST_VARIANCE, affine=False) if standardise else nn.Identity()
        )
        self.estimate = nn.Sequential(
            *(
                layer
                for before, after in pairwise((size_of_z, *HIDDEN))
                for layer in (nn.Linear(before, after), nn.BatchNorm1d(after), nn.LeakyReLU(0.2))
            ),
            nn.Linear(HIDDEN[-1], gaussians),
            nn.Softmax(1),
        )
        self.register_buffer("share", torch.full((gaussians,), 1 / gaussians))
        self.register_buffer("mean", torch.zeros(gaussians, size_of_z))
        self.register_buffer("factor", torch.eye(size_of_z).repeat(gaussians, 1, 1))

    def forward(
        self, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See the class.

        Parameters
        ----------
        image : (B, C, S, S)
            In [-1, 1], or as the recipe says.
        valid : (B, 1, S, S) float
            1 where the image is.
        """
        made, raw = self._described(image, valid)
        with torch.autocast(raw.device.type, enabled=False):  # Gaussians want every digit
            z = self.standard(raw)
            return made, z, self.estimate(z)

    def energy(self, z: torch.Tensor) -> torch.Tensor:
        """Energy (B,) float64, by the Gaussians of all training images.

        Parameters
        ----------
        z : (B, D)
            As `forward` gave it.
        """
        kept = Mixture(*(x.cpu().double() for x in (self.share, self.mean, self.factor)))
        return energy(z, kept)

    @torch.no_grad()
    def settle(self, parts: Iterable[tuple[torch.Tensor, torch.Tensor]], jitter: float) -> None:
        """Keep means and variances of z, and then the Gaussians, of all training images.

        Parameters
        ----------
        parts : iterable of tensor, tensor
            Images and where they are, as of `forward`.
        jitter : float
            Added to the diagonals of the covariances.
        """
        raw = torch.cat([self._described(image, valid)[1] for image, valid in parts])
        if isinstance(self.standard, nn.BatchNorm1d):
            self.standard.running_mean = raw.mean(0)
            self.standard.running_var = raw.var(0, correction=0)
        z = self.standard(raw)
        found = mixture_of(z, self.estimate(z), jitter)
        for buffer, new in zip((self.share, self.mean, self.factor), vars(found).values(), strict=True):
            buffer.copy_(new)

    def _described(self, image: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        code = self.autoencoder.code_of(image)
        made, code = self.autoencoder.image_of(code).to(image), code.to(image)
        with torch.autocast(image.device.type, enabled=False):
            return made, self._point(image, made, code, valid)

    def _point(
        self, image: torch.Tensor, made: torch.Tensor, code: torch.Tensor, valid: torch.Tensor
    ) -> torch.Tensor:
        x, other = (image * valid).flatten(1), (made * valid).flatten(1)
        distance = (x - other).norm(dim=1) / x.norm(dim=1).clamp_min(TINY)
        # by the distance of unit vectors: the cosine itself, near 1, has few digits of what is left to 1
        away = (F.normalize(x, eps=TINY) - F.normalize(other, eps=TINY)).square().sum(1) / 2
        return torch.cat([self.reduce(code), distance[:, None], away[:, None]], 1)
