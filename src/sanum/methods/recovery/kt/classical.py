"""Reconstructions without a network, by name: each a function of one slice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from ....kspace.encoding import CoilEncoding
from ....kspace.fourier import ifft, padded
from ....kspace.ktsense import kt_sense, prior_of, require_groups
from ....kspace.lowrank import low_rank_sparse
from ....kspace.sense import image_of, sense, view_shared


@dataclass(frozen=True, eq=False)
class SliceProblem:
    """One slice, as solvers want it.

    Parameters
    ----------
    kspace : (C, T, Y, X) complex64 tensor
        Lines ky, pixels x; 0 where nothing was measured.
    encoding : CoilEncoding
        Maps and mask.
    training : (T, Y, X) complex64 tensor, optional
        A movie of low resolution, whose powers are the prior of k-t SENSE.
    """

    kspace: torch.Tensor
    encoding: CoilEncoding
    training: torch.Tensor | None = None


def zero_filled(of: SliceProblem) -> torch.Tensor:
    """Eᴴ y: what was not measured is 0, and energy is missing.

    Parameters
    ----------
    of : SliceProblem
        The slice.
    """
    return of.encoding.adjoint(of.kspace)


def view_sharing(of: SliceProblem) -> torch.Tensor:
    """Each line of the frame that is nearest in time.

    Parameters
    ----------
    of : SliceProblem
        The slice.
    """
    return image_of(view_shared(of.kspace, of.encoding.mask), of.encoding.maps)


def by_sense(of: SliceProblem) -> torch.Tensor:
    """Each frame on its own, by the coils.

    Parameters
    ----------
    of : SliceProblem
        The slice.
    """
    return sense(of.kspace, of.encoding)


def by_kt_sense(of: SliceProblem) -> torch.Tensor:
    """All frames together, by the coils and a prior in x-f space.

    Parameters
    ----------
    of : SliceProblem
        The slice.
    """
    prior = None if of.training is None else prior_of(of.training)
    return kt_sense(of.kspace, of.encoding, prior)


def by_low_rank(of: SliceProblem) -> torch.Tensor:
    """All frames together, by the coils, few ways to change and few frequencies.

    Parameters
    ----------
    of : SliceProblem
        The slice.
    """
    return low_rank_sparse(of.kspace, of.encoding)


CLASSICAL: Mapping[str, Callable[[SliceProblem], torch.Tensor]] = {
    "zero-filled": zero_filled,
    "view-sharing": view_sharing,
    "sense": by_sense,
    "kt-sense": by_kt_sense,
    "low-rank": by_low_rank,
}


def training_image(training: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Movie of fully sampled k-space of fewer lines and samples, on the pixels of the maps, (T, Y, X).

    Parameters
    ----------
    training : (C, T, y, x) complex tensor
        k-space.
    maps : (C, Y, X) complex tensor
        Normalized.
    """
    y, x = maps.shape[1:]
    whole = padded(padded(training, y, -2), x, -1)
    return image_of(ifft(whole, -1), maps)


def centre_training(of: SliceProblem) -> torch.Tensor | None:
    """The same, of the lines that every frame has, where a lattice has them; None: there are none.

    Parameters
    ----------
    of : SliceProblem
        The slice.
    """
    always = list(require_groups(of.encoding.mask).always)
    if len(always) < 4:
        return None
    kept = torch.zeros_like(of.kspace)
    kept[:, :, always] = of.kspace[:, :, always]
    return image_of(kept, of.encoding.maps)
