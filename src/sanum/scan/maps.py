"""Reading results and truths, which need not look like a head, and laying them over a scan."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.nifti1 import Nifti1Header
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from ..space.grid import Grid, apply_affine
from .absent import require_content
from .errors import ScanError
from .names import EXTENSIONS, printable
from .nifti import forms_of, opened
from .read import BROKEN_FILE
from .scan import Scan

_OPENED = tuple(ending for ending in EXTENSIONS if ending.startswith((".nii", ".mg")))


def read_map(path: Path, *, dtype: npt.DTypeLike | None = None) -> Scan:
    """A map or a mask as it was written; `read` refuses what shows no head, and a mask may be empty.

    Parameters
    ----------
    path : Path
        A volume that nibabel reads.
    dtype : dtype, optional
        Of the voxels; default as in the file.

    Raises
    ------
    ScanError
        It is missing, damaged or no image.
    """
    require_content(path)
    try:
        if path.name.lower().endswith(_OPENED):
            with opened(path) as (proxy, header, _):
                return _as_written(proxy, header, header.get_best_affine, dtype)
        image: Any = nib.load(path)
        return _as_written(image.dataobj, image.header, lambda: image.affine, dtype)
    except ScanError:
        raise
    except BROKEN_FILE as error:
        raise ScanError(f"{printable(path.name)} cannot be read: {error}") from error


def _as_written(proxy: Any, header: Any, affine_of: Any, dtype: npt.DTypeLike | None) -> Scan:
    voxels = np.asanyarray(proxy, dtype=dtype)
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    if not isinstance(header, Nifti1Header):
        return Scan(voxels, affine_of())
    forms, usable, _ = forms_of(header)
    return Scan(voxels, forms.affine, forms=forms if usable else None)


def read_map_on(path: Path, grid: Grid, *, scan: str, dtype: npt.DTypeLike | None = None) -> Scan:
    """As `read_map`, in the order of a grid; see `in_order_of`.

    Parameters
    ----------
    path : Path
        As of `read_map`.
    grid : Grid
        Of the scan that it belongs to.
    scan : str
        Name of that scan's file, for messages.
    dtype : dtype, optional
        As of `read_map`.
    """
    return in_order_of(read_map(path, dtype=dtype), grid, name=path.name, scan=scan)


def in_order_of(one: Scan, grid: Grid, *, name: str, scan: str) -> Scan:
    """A map with its voxels in the order of a grid on which it lies: axes swapped and reversed, no more.

    Parameters
    ----------
    one : Scan
        The map.
    grid : Grid
        Of the scan that it belongs to.
    name, scan : str
        Of both, for the message.

    Raises
    ------
    ScanError
        They do not lie on one grid; it says what differs.
    """
    if one.grid.same_as(grid):
        return one
    turn = io_orientation(np.linalg.inv(grid.affine) @ one.affine)
    voxels = apply_orientation(np.asarray(one.voxels), turn)
    turned = Grid(voxels.shape, one.affine @ inv_ornt_aff(turn, one.voxels.shape))
    if not turned.same_as(grid):
        raise ScanError(
            f"{printable(name)} is not on the grid of {printable(scan)}: {_difference(turned, grid)}; "
            "resample it to the scan"
        )
    return Scan(voxels, grid.affine)


def _difference(one: Grid, other: Grid) -> str:
    """What differs between grids whose axes are in one order."""
    out = []
    if one.shape != other.shape:
        out.append(f"it has {_by(one.shape)} voxels in place of {_by(other.shape)}")
    if np.abs(one.spacing_mm - other.spacing_mm).max() > 1e-3:
        out.append(f"its voxels are {_by(one.spacing_mm)} mm in place of {_by(other.spacing_mm)}")
    cosines = np.sum(one.affine[:3, :3] * other.affine[:3, :3], axis=0) / (one.spacing_mm * other.spacing_mm)
    if (angle := float(np.degrees(np.arccos(np.clip(cosines.min(), -1, 1))))) > 0.01:
        out.append(f"its axes are turned by {angle:.3g}°")
    corners = [apply_affine(grid.affine, np.zeros(3)) for grid in (one, other)]
    if (away := float(np.linalg.norm(corners[0] - corners[1]))) > 1e-3:
        out.append(f"its first voxel lies {away:.3g} mm away")
    return ", ".join(out) or "its voxels lie a little apart"


def _by(numbers: Any) -> str:
    return " × ".join(f"{n:.4g}" for n in numbers)
