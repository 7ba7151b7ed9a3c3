"""A box: how many voxels of which size, wherever it is put."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import Shape
from .grid import Grid


@dataclass(frozen=True)
class Box:
    """So many isotropic voxels along x, y and z; `grid` puts them at a place in the world.

    Parameters
    ----------
    shape : (3,) int
        Voxels along x (right), y (front) and z (up), at least one.
    spacing_mm : float
        Edge of a voxel in mm, above 0.

    Raises
    ------
    ValueError
        A shape or a spacing that is no box.

    Examples
    --------
    >>> box = Box((80, 96, 80), 2.0)
    >>> box.size_mm, box.voxel_ml
    ((160.0, 192.0, 160.0), 0.008)
    """

    shape: Shape
    spacing_mm: float

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"a box of {shape} voxels, expected three numbers of at least 1")
        spacing = float(self.spacing_mm)
        if not 0 < spacing < np.inf:
            raise ValueError(f"a box of voxels of {spacing} mm, expected a finite size above 0")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "spacing_mm", spacing)

    @property
    def size_mm(self) -> tuple[float, float, float]:
        """Length of its edges along x, y and z in mm."""
        x, y, z = (n * self.spacing_mm for n in self.shape)
        return x, y, z

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return self.spacing_mm**3 / 1000

    def grid(self, centre_mm: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Grid:
        """Axis-aligned RAS grid of the box.

        Parameters
        ----------
        centre_mm : (3,) float
            World position of its middle in mm.
        """
        affine = np.diag([self.spacing_mm, self.spacing_mm, self.spacing_mm, 1.0])
        half = self.spacing_mm * (np.array(self.shape) - 1) / 2
        affine[:3, 3] = np.asarray(centre_mm, dtype=np.float64) - half
        return Grid(self.shape, affine)

    def at_spacing(self, spacing_mm: float) -> "Box":
        """Box of the same size, as nearly as whole voxels allow, in voxels of another size.

        Parameters
        ----------
        spacing_mm : float
            Edge of its voxels in mm.
        """
        x, y, z = (round(n * self.spacing_mm / spacing_mm) for n in self.shape)
        return Box((x, y, z), spacing_mm)

    def require_multiple(self, multiple: int) -> None:
        """Raise `ValueError` unless a network that halves its maps some times can take the box.

        Parameters
        ----------
        multiple : int
            What every number of voxels must be a multiple of.
        """
        if any(n % multiple for n in self.shape):
            raise ValueError(f"a box of {self.shape} voxels, expected multiples of {multiple}")
