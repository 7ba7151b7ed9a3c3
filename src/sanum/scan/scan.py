"""`Scan`: voxels and where they are."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..space.grid import Grid
from .contrast import Decided, DecidedBy
from .forms import Forms


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume with its geometry; immutable.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Intensities, in the unit the source gives.
    affine : (4, 4) float64
        Voxel index to world millimetres (RAS+, as in NIfTI).
    contrast : str or None
        What it is, if known: one of `sanum.scan.contrast.CONTRASTS`, or the BIDS suffix of another kind of
        scan, such as "T2starw".
    path : Path or None
        Where it was read from.
    warnings : tuple of str
        What a user should know about this scan; carried into the results.
    forms : Forms or None
        Both transforms of the NIfTI header that it came from, which files on its grid get too. None where
        there was none, and wherever `affine` is not the one of `forms`: then one transform says all.
    contrast_by : str
        Who said what the contrast is; "nobody" also where the scan came with it, from memory.
    description : str
        Written into the header of its file (descrip); up to 79 characters of ASCII.
    """

    voxels: npt.NDArray[Any]
    affine: npt.NDArray[np.float64]
    contrast: str | None = None
    path: Path | None = None
    warnings: tuple[str, ...] = ()
    forms: Forms | None = None
    contrast_by: DecidedBy = "nobody"
    description: str = ""

    def __post_init__(self) -> None:
        grid = Grid(self.voxels.shape, self.affine)
        view = self.voxels.view()
        view.setflags(write=False)
        object.__setattr__(self, "voxels", view)
        object.__setattr__(self, "affine", grid.affine)
        if self.forms is not None and not np.array_equal(self.forms.affine, grid.affine):
            object.__setattr__(self, "forms", None)
        object.__setattr__(self, "contrast_by", self.decided.by)

    def __repr__(self) -> str:
        size = " × ".join(str(n) for n in self.voxels.shape)
        spacing = " × ".join(f"{s:.3g}" for s in self.grid.spacing_mm)
        name = f", {self.path.name}" if self.path else ""
        contrast = self.contrast or "contrast unknown"
        return f"Scan({size} voxels of {spacing} mm, {self.voxels.dtype}, {contrast}{name})"

    @property
    def grid(self) -> Grid:
        """Shape and affine."""
        return Grid(self.voxels.shape, self.affine)

    @property
    def decided(self) -> Decided:
        """The contrast and who said so."""
        return Decided(self.contrast, self.contrast_by)

    def with_contrast(self, decided: Decided) -> "Scan":
        """The same scan with what somebody said of its contrast.

        Parameters
        ----------
        decided : Decided
            The contrast, and who said so.
        """
        return replace(self, contrast=decided.contrast, contrast_by=decided.by)

    def with_voxels(self, voxels: npt.NDArray[Any]) -> "Scan":
        """The same geometry with other values.

        Parameters
        ----------
        voxels : (X, Y, Z) array
            Of the same shape.
        """
        if voxels.shape != self.voxels.shape:
            raise ValueError(f"expected voxels of shape {self.voxels.shape}, got {voxels.shape}")
        return replace(self, voxels=voxels)

    def warn(self, message: str) -> "Scan":
        """The same scan with one more warning.

        Parameters
        ----------
        message : str
            What a user should know.
        """
        return replace(self, warnings=(*self.warnings, message))
