"""What makes voxels and an affine a usable scan: the checks that every format goes through."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .contrast import Decided
from .errors import ScanError, SeveralVolumesError
from .forms import Forms
from .scan import Scan

MOST_VOXELS_AN_AXIS = 1500
MOST_VOXELS = 10**9
SPACING_MM = (0.1, 20.0)
LEAST_DETERMINANT = 1e-3
"""Of three axes of unit length: below it they do not span a volume."""

MOST_DEFLATED = 1032
"""Deflate shrinks at most this many times; a header that claims more lies."""

MOST_BESIDE = 16 << 20
"""Bytes that may stand before the voxels (NIfTI's extensions) and after them (MGH's footer)."""

MOST_CHANNELS = 8
"""Axes of at most this length before three longer ones are channels, not slices."""

UNKNOWN_SIDES = (
    "the file gives no orientation (no sform, no qform or the like): left and right are not known, and "
    "neither is where the scan lies"
)


def check_shape(shape: Sequence[int], what: str) -> None:
    """Refuse what is no volume, and sizes that no brain scan has, before anything is allocated.

    Parameters
    ----------
    shape : (n,) int
        The first three are the volume's; what follows is left to `pick_volume`.
    what : str
        Name for the message.

    Raises
    ------
    ScanError
        Fewer than 3 axes, an axis of fewer than 2 voxels or more than 1500, more than 1e9 voxels; channels
        before the volume, or slices that are stored as volumes.
    """
    size = " × ".join(str(n) for n in shape)
    volume = [int(n) for n in shape[:3]]
    _refuse_other_orders([int(n) for n in shape], what)
    if len(volume) < 3 or min(volume) < 2:
        raise ScanError(
            f"{what} is {size} voxels, a single slice or less: expected a 3D volume; give the whole scan"
        )
    if max(volume) > MOST_VOXELS_AN_AXIS or int(np.prod(volume, dtype=object)) > MOST_VOXELS:
        raise ScanError(
            f"{what} claims {size} voxels: expected at most {MOST_VOXELS_AN_AXIS} along an axis and 1e9 in "
            "all; check its header or resample it"
        )


def _refuse_other_orders(shape: list[int], what: str) -> None:
    """Refuse a volume whose axes are not the first three: whose the geometry is, is open."""
    size = " × ".join(str(n) for n in shape)
    while shape and shape[-1] == 1:
        shape.pop()
    first = next((n for n, length in enumerate(shape) if length > MOST_CHANNELS), len(shape))
    if len(shape) > 3 and first > 0 and len(shape) - first == 3:
        axes = "axis is" if first == 1 else f"{first} axes are"
        raise ScanError(
            f"{what} is {size} voxels: the first {axes} no part of the volume but of channels, as MONAI and "
            "TorchIO have them; save it as X × Y × Z, with the affine of these three"
        )
    inner = [length for length in shape[:3] if length == 1]
    if len(shape) == 4 and len(inner) == 1 and shape[3] > MOST_CHANNELS:
        raise ScanError(
            f"{what} is {size} voxels, a single slice many times: expected a 3D volume; if these are the "
            "slices of one, save it as X × Y × Z, with the affine of these three"
        )


def pick_volume(shape: Sequence[int], volume: int | None, what: str) -> int | None:
    """Which volume of a file to read: None where it has only one.

    Parameters
    ----------
    shape : (n,) int
        Whole shape, n ≥ 3; trailing axes of length 1 count as none.
    volume : int or None
        The user's choice, from 0.
    what : str
        Name for the message.

    Raises
    ------
    ScanError
        Several volumes and no choice; a choice out of range; more than four axes.
    """
    extra = [int(n) for n in shape[3:]]
    while extra and extra[-1] == 1:
        extra.pop()
    if len(extra) > 1:
        size = " × ".join(str(n) for n in shape)
        raise ScanError(f"{what} is {size}, vectors or a series of them: expected one value a voxel")
    count = extra[0] if extra else 1
    if count < 1:
        raise ScanError(f"{what} has no volumes: expected a 3D scan")
    if volume is None:
        if count > 1:
            raise SeveralVolumesError(
                f"{what} has {count} volumes where one 3D scan was expected: choose one with --volume k, "
                f"k from 0 to {count - 1}"
            )
        return None
    if not 0 <= volume < count:
        has = "one volume" if count == 1 else f"{count} volumes"
        raise ScanError(f"{what} has {has}: expected --volume from 0 to {count - 1}, got {volume}")
    return volume if count > 1 else None


def check_dtype(dtype: np.dtype[Any], what: str) -> None:
    """Refuse colour and complex images by name.

    Parameters
    ----------
    dtype : dtype
        Of the voxels in the file.
    what : str
        The file, for the message.
    """
    if dtype.fields is not None or dtype.subdtype is not None:
        raise ScanError(f"{what} is a colour (RGB) image: expected one grey value a voxel")
    if dtype.kind == "c":
        raise ScanError(f"{what} is a complex image: expected real values; give its magnitude")
    if dtype.kind not in "biuf":
        raise ScanError(f"{what} holds {dtype} values: expected integers or floating-point numbers")


def check_affine(affine: npt.NDArray[Any] | None, what: str) -> npt.NDArray[np.float64]:
    """Affine as (4, 4) float64, or `ScanError` where it is missing, singular or of impossible spacing.

    Parameters
    ----------
    affine : (4, 4) float or None
        Voxel index to world mm.
    what : str
        The file, for the message.
    """
    if affine is None:
        raise ScanError(
            f"{what} has no affine: expected voxel-to-world geometry; convert it to NIfTI with one"
        )
    affine = np.asarray(affine, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ScanError(f"{what} has an affine that is not 4 × 4 finite numbers: repair its header")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if (spacing == 0).any() or abs(np.linalg.det(affine[:3, :3] / spacing)) < LEAST_DETERMINANT:
        raise ScanError(
            f"{what} has a singular affine, its three axes do not span a volume: repair its header"
        )
    if spacing.min() < SPACING_MM[0] * (1 - 1e-6) or spacing.max() > SPACING_MM[1] * (1 + 1e-6):
        size = " × ".join(f"{s:.4g}" for s in spacing)
        raise ScanError(
            f"{what} has voxels of {size} mm: expected {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm along each "
            "axis; check the unit in its header"
        )
    return affine


def usable_scan(
    voxels: npt.NDArray[Any],
    affine: npt.NDArray[Any] | None,
    *,
    contrast: Decided,
    path: Path | None,
    what: str,
    warnings: tuple[str, ...] = (),
    forms: Forms | None = None,
    ours: bool = False,
) -> Scan:
    """Build a checked `Scan`: finite, not constant, native dtype.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Integers keep their dtype; floating-point values become float32.
    affine : (4, 4) array or None
        Voxel index to world mm, RAS+.
    contrast : Decided
        What it is, and who said so.
    path, warnings, forms
        As in `Scan`.
    what : str
        Name for messages.
    ours : bool
        Nobody else has `voxels`, so that they may be written to.

    Raises
    ------
    ScanError
        Anything that `check_shape`, `check_dtype` or `check_affine` refuses; no finite voxel; all the same.
    """
    check_shape(voxels.shape, what)
    pick_volume(voxels.shape, None, what)
    check_dtype(voxels.dtype, what)
    affine = check_affine(affine, what)
    voxels = _plain(voxels.reshape(voxels.shape[:3]))
    low, high = voxels.min(), voxels.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = np.isfinite(voxels)
        broken = voxels.size - int(finite.sum())
        if broken == voxels.size:
            raise ScanError(
                f"{what} has no finite voxel (all NaN or infinite): expected an image; convert it anew"
            )
        low, high = voxels.min(where=finite, initial=np.inf), voxels.max(where=finite, initial=-np.inf)
        background = voxels.dtype.type(0 if low <= 0 <= high else low)
        voxels = voxels if ours else voxels.copy(order="K")
        np.copyto(voxels, background, where=np.logical_not(finite, out=finite))
        warnings = (*warnings, f"{broken} voxels were NaN or infinite and were set to {background:g}")
    if low == high:
        raise ScanError(f"{what} is constant, every voxel is {low:g}: expected an image that shows something")
    scan = Scan(voxels, affine, path=path, warnings=warnings, forms=forms)
    return scan.with_contrast(contrast)


def _plain(voxels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Native byte order; truth values as uint8, floating point as float32 (too large becomes infinite)."""
    voxels = np.asarray(voxels)
    if voxels.dtype.kind == "b":
        return voxels.astype(np.uint8)
    if voxels.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return voxels.astype(np.float32, copy=False)
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
