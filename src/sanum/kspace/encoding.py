"""What a scanner measures of a moving image: y = M F S x, its adjoint, and images that agree with it."""

from dataclasses import dataclass

import torch

from .fourier import fft, ifft


@dataclass(frozen=True, eq=False)
class CoilEncoding:
    """E = M F S of Cartesian parallel imaging; ‖E‖ ≤ 1 as maps are normalized.

    Parameters
    ----------
    maps : (C, Y, X) complex tensor
        S, normalized.
    mask : (T, Y) bool tensor
        M: lines that are measured in each frame.
    """

    maps: torch.Tensor
    mask: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """E x, (C, T, Y, X): lines ky, pixels x; 0 where nothing is measured.

        Parameters
        ----------
        x : (T, Y, X) complex tensor
            The image.
        """
        return fft(self.maps[:, None] * x, -2) * self.mask[:, :, None]

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """Eᴴ y, (T, Y, X): what is called the zero-filled image.

        Parameters
        ----------
        y : (C, T, Y, X) complex tensor
            k-space; what is not measured is not looked at.
        """
        return torch.einsum("cyx,ctyx->tyx", self.maps.conj(), ifft(y * self.mask[:, :, None], -2))

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        """Eᴴ E x, (T, Y, X): faster than both in turn, as where the origin lies cancels out.

        Parameters
        ----------
        x : (T, Y, X) complex tensor
            The image.
        """
        lines = torch.fft.ifftshift(self.mask, 1)[:, :, None]
        back = torch.fft.ifft(torch.fft.fft(self.maps[:, None] * x, dim=-2) * lines, dim=-2)
        seen: torch.Tensor = (self.maps.conj()[:, None] * back).sum(0)
        return seen

    def consistent(self, x: torch.Tensor, y: torch.Tensor, nu: torch.Tensor | float = 0.0) -> torch.Tensor:
        """The image with its k-space drawn to what was measured, coil by coil, (T, Y, X).

        k ← k (1 − M (1 − ν)) + y M (1 − ν); as S̄ S adds up to 1, this is x + (1 − ν) Eᴴ (y − E x).

        Parameters
        ----------
        x : (T, Y, X) complex tensor
            A prediction.
        y : (C, T, Y, X) complex tensor
            What was measured.
        nu : float or tensor
            0: measured lines are put in as they are, with their noise; 1: nothing is done.
        """
        return x + (1 - nu) * (self.adjoint(y) - self.normal(x))


def coils_consistent(
    images: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, nu: torch.Tensor | float = 0.0
) -> torch.Tensor:
    """Images of coils with their k-space drawn to what was measured, (…, C, T, Y, X).

    k ← k (1 − M (1 − ν)) + y M (1 − ν), each coil on its own: with ν = 0 what was measured is there exactly.
    Combined, this is `CoilEncoding.consistent`, if the images are S x of one x.

    Parameters
    ----------
    images : (…, C, T, Y, X) complex tensor
        A prediction.
    y : (…, C, T, Y, X) complex tensor
        What was measured.
    mask : (…, T, Y) bool tensor
        Where.
    nu : float or tensor
        As of `CoilEncoding.consistent`.
    """
    lines = mask[..., None, :, :, None]
    return images + (1 - nu) * ifft((y - fft(images, -2)) * lines, -2)
