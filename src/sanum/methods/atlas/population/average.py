"""Means over subjects at a template's voxels, one subject in memory at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ....space.deform import displacement_at
from ....space.grid import Grid
from ....space.velocity import Lattice, compose, jacobian
from ....types import FloatArray, Mask
from .lay import World, add_labels, places, read_at, seen_at
from .members import Member
from .prepared import read_labels
from .subject_files import SubjectFiles
from .sums import Sums

GAIN = (0.7, 1.4)
"""Between these a subject's brightness is matched to the template's."""

FADE = 4
"""Voxels of the template over which a subject's weight falls to 0 where its field of view ends."""


@dataclass(frozen=True, eq=False)
class Fit:
    """How one subject lies on the template.

    Parameters
    ----------
    world : (4, 4) float64
        Template mm → subject mm, after the velocity.
    velocity : (1, 3, *points) tensor or None
        Coefficients; None: at rest.
    """

    world: World
    velocity: torch.Tensor | None = None


def average(
    fits: Mapping[Member, Fit],
    work: SubjectFiles,
    grid: Grid,
    lattice: Lattice,
    *,
    like: tuple[FloatArray, Mask] | None = None,
    codes: Sequence[int] = (),
    on_item: Callable[[int], None] = lambda _: None,
) -> Sums:
    """Sums of all subjects on a template that the mean velocity has been taken out of.

    Parameters
    ----------
    fits : mapping of Fit
        By member.
    work : SubjectFiles
        Where prepared scans are.
    grid : Grid
        Of the template.
    lattice : Lattice
        Of the velocities.
    like : tuple of (X, Y, Z) float32 and bool, optional
        The template before this one, and where it shows something: brightness is matched to it.
    codes : sequence of int
        Labels that are added up.
    on_item : function
        Called with the number of subjects that are done.
    """
    sums = Sums.none(grid.shape, len(codes))
    fade_mm = FADE * float(grid.spacing_mm.min())
    back = undone([fit.velocity for fit in fits.values()], lattice)
    for done, (member, fit) in enumerate(fits.items(), 1):
        shift = displacement(fit, lattice, back)
        sums.shift = shift[0] if sums.shift is None else sums.shift + shift[0]
        scan = work.image(member)
        at = places(scan.grid, fit.world, grid, shift)
        image, weight = read_at(np.asarray(scan.voxels, np.float32), at), seen_at(scan.grid, at, fade_mm)
        if like is not None:
            image *= gain_of(image, *like)
        sums.image.add(image, weight)
        sums.weight += weight
        sums.squares += weight.astype(np.float64) ** 2
        determinant = jacobian(shift)[0].clamp_min(1e-3).log() + np.log(abs(np.linalg.det(fit.world[:3, :3])))
        sums.growth.add(determinant.numpy(), weight)
        if sums.counts is not None and member.labels is not None:
            labels = read_labels(member.labels, scan.grid, member.path.name)
            at = places(labels.grid, fit.world, grid, shift)
            add_labels(sums.counts, rows_of(labels.voxels, codes), at, weight)
        sums.number += 1
        on_item(done)
    return sums


def seen_roughly(subject: Grid, world: World, grid: Grid) -> torch.Tensor:
    """How surely a subject's field of view holds a template's voxels (1, 1, X, Y, Z), by an affine.

    Parameters
    ----------
    subject : Grid
        Of the subject.
    world : (4, 4) float64
        Template mm → subject mm.
    grid : Grid
        Of the template.
    """
    at = places(subject, world, grid, torch.zeros(1, 3, *grid.shape))
    return torch.from_numpy(seen_at(subject, at, FADE * float(grid.spacing_mm.min())))[None, None]


def undone(velocities: Sequence[torch.Tensor | None], lattice: Lattice) -> torch.Tensor:
    """Displacement (1, 3, X, Y, Z) of minus the mean velocity: from an unbiased template to the one before.

    Parameters
    ----------
    velocities : sequence of tensor or None
        Coefficients; none is at rest.
    lattice : Lattice
        Of them.
    """
    known = [v for v in velocities if v is not None]
    if not known:
        return torch.zeros(1, len(lattice.shape), *lattice.shape)
    return displacement_at(-sum(known, lattice.zeros()) / len(velocities), lattice)


def displacement(fit: Fit, lattice: Lattice, back: torch.Tensor) -> torch.Tensor:
    """Displacement (1, 3, X, Y, Z) from the unbiased template to a subject, before its affine.

    Parameters
    ----------
    fit : Fit
        Of the subject, to the template before.
    lattice : Lattice
        Of the velocity.
    back : (1, 3, X, Y, Z) tensor
        Of `undone`.
    """
    return back if fit.velocity is None else compose(back, displacement_at(fit.velocity, lattice))


def gain_of(image: FloatArray, like: FloatArray, region: Mask) -> float:
    """Factor that gives an image the brightness of another one (median ratio), within `GAIN`.

    Parameters
    ----------
    image, like : (X, Y, Z) float32
        On one grid.
    region : (X, Y, Z) bool
        Where both show something.
    """
    bright = region & (like > 0.5 * float(np.percentile(like[region], 95))) & (image > 0.05)
    if bright.sum() < 100:
        return 1.0
    return float(np.clip(np.median(like[bright] / image[bright]), *GAIN))


def rows_of(labels: npt.NDArray[np.int32], codes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Row of each voxel's label among `codes`, −1 for others.

    Parameters
    ----------
    labels : (X, Y, Z) int
        Label map.
    codes : sequence of int
        Sorted.
    """
    known = np.asarray(codes)
    row = np.searchsorted(known, labels).clip(0, len(known) - 1)
    found: npt.NDArray[np.int64] = np.where(known[row] == labels, row, -1)
    return found
