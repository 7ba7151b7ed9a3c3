"""Centred orthonormal Fourier transforms: the origin is at index n // 2 on both sides; norms are kept."""

import torch


def fft(x: torch.Tensor, *dims: int) -> torch.Tensor:
    """Forward transform along axes; its adjoint and its inverse are `ifft`.

    X(k) = n^(−1/2) Σ_j x(j) exp(−2πi (j − n//2)(k − n//2) / n)

    Parameters
    ----------
    x : complex tensor
        Of any shape.
    dims : int
        Axes.

    Examples
    --------
    >>> x = torch.zeros(8, dtype=torch.complex64)
    >>> x[4] = 1
    >>> bool((fft(x, 0) - 8**-0.5).abs().max() < 1e-6)
    True
    """
    moved: torch.Tensor = torch.fft.fftn(torch.fft.ifftshift(x, dims), dim=dims, norm="ortho")
    return moved.roll([x.shape[d] // 2 for d in dims], dims)


def ifft(x: torch.Tensor, *dims: int) -> torch.Tensor:
    """Inverse transform along axes.

    Parameters
    ----------
    x : complex tensor
        Of any shape.
    dims : int
        Axes.
    """
    moved: torch.Tensor = torch.fft.ifftn(torch.fft.ifftshift(x, dims), dim=dims, norm="ortho")
    return moved.roll([x.shape[d] // 2 for d in dims], dims)


def padded(x: torch.Tensor, size: int, dim: int) -> torch.Tensor:
    """The same low frequencies in a larger k-space: zeros around the centre.

    Parameters
    ----------
    x : tensor
        k-space of few lines.
    size : int
        Length of the result along `dim`; at least that of `x`.
    dim : int
        Axis.
    """
    have = x.shape[dim]
    if have > size:
        raise ValueError(f"k-space of {have} lines cannot be padded to {size}: it has more already")
    shape = list(x.shape)
    shape[dim] = size
    out = x.new_zeros(shape)
    out.narrow(dim, size // 2 - have // 2, have).copy_(x)
    return out
