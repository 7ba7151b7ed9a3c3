"""Means over subjects at a template's voxels, one subject in memory at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from ....space.deform import displacement_at
from ....space.grid import Grid
from ....space.velocity import Lattice, compose, jacobian
from ....types import FloatArray, Mask
from .jobs import SubjectFiles
from .lay import World, add_labels, places, read_at
from .members import Member
from .prepared import read_labels

GAIN = (0.7, 1.4)
"""Between these a subject's brightness is matched to the template's."""


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


@dataclass(eq=False)
class Sums:
    """What is added up; all maps (X, Y, Z).

    Parameters
    ----------
    first, second : float64
        Of the intensities, and of their squares.
    counts : (K, X, Y, Z) float32 tensor or None
        Shares of labels.
    jacobians : list of float16
        Logarithm of each subject's volume over the template's.
    shift : (3, X, Y, Z) float32 tensor or None
        Of the displacements from the template to the subjects, before their affines.
    number : int
        Subjects so far.
    """

    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    counts: torch.Tensor | None = None
    jacobians: list[npt.NDArray[np.float16]] = field(default_factory=list)
    shift: torch.Tensor | None = None
    number: int = 0

    @property
    def mean(self) -> FloatArray:
        """Of the intensities."""
        return (self.first / self.number).astype(np.float32)

    @property
    def spread(self) -> FloatArray:
        """Standard deviation over subjects (n − 1)."""
        variance = (self.second - self.first**2 / self.number) / (self.number - 1)
        return np.sqrt(np.maximum(variance, 0)).astype(np.float32)

    def left_vox(self, region: Mask) -> float:
        """Mean length of the mean displacement: 0 where nobody pulls the template more than the others.

        Parameters
        ----------
        region : (X, Y, Z) bool
            Where it is looked at.
        """
        if self.shift is None:
            return 0.0
        return float((self.shift / self.number).norm(dim=0).numpy()[region].mean())

    @property
    def shares(self) -> FloatArray | None:
        """Of the labels, in [0, 1]."""
        return None if self.counts is None else (self.counts / self.number).numpy()


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
    sums = Sums(np.zeros(grid.shape), np.zeros(grid.shape))
    if codes:
        sums.counts = torch.zeros(len(codes), *grid.shape)
    back = undone([fit.velocity for fit in fits.values()], lattice)
    for done, (member, fit) in enumerate(fits.items(), 1):
        shift = displacement(fit, lattice, back)
        sums.shift = shift[0] if sums.shift is None else sums.shift + shift[0]
        scan = work.image(member)
        image = read_at(np.asarray(scan.voxels, np.float32), places(scan.grid, fit.world, grid, shift))
        if like is not None:
            image *= gain_of(image, *like)
        sums.first += image
        sums.second += image.astype(np.float64) ** 2
        determinant = jacobian(shift)[0].clamp_min(1e-3).log() + np.log(abs(np.linalg.det(fit.world[:3, :3])))
        sums.jacobians.append(determinant.numpy().astype(np.float16))
        if sums.counts is not None and member.labels is not None:
            labels = read_labels(member.labels, scan.grid, member.path.name)
            at = places(labels.grid, fit.world, grid, shift)
            add_labels(sums.counts, rows_of(labels.voxels, codes), at, 1.0)
        sums.number += 1
        on_item(done)
    return sums


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
