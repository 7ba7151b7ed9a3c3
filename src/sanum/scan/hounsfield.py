"""Whether values are Hounsfield units: a CT is told by them, whatever its name."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .contrast import ASKS_USER, Decided
from .scan import Scan

HOUNSFIELD_BELOW = -5.0
"""A CT has voxels below this: fat is near -100 HU and air at -1000; stripped templates reach -25."""

_AIR_HU, _FAT_HU, _SOFT_HU, _BONE_HU = -900.0, (-150.0, -20.0), (0.0, 80.0), 300.0
_LEAST = {"fat": 0.003, "soft": 0.05, "bone": 0.005}  # of the voxels of a head
_LEVELS = 20  # of measured air
_SAMPLED = 500_000  # voxels


def contrast_by_values(scan: Scan, asked: str | None = None) -> Scan:
    """The scan with the contrast that its values allow: "CT" if they are a head's Hounsfield units.

    Parameters
    ----------
    scan : Scan
        With the contrast that its name or its tags say.
    asked : str, optional
        What the user says that it is, which overrules all else; "unknown" for nothing.
    """
    if asked is None and scan.contrast_by == "user":  # read before
        return scan
    low, high = scan.voxels.min(), scan.voxels.max()
    belied = f"its values ({low:g} … {high:g}) are not Hounsfield units"
    if asked is not None:
        scan = replace(scan, warnings=tuple(one for one in scan.warnings if not one.endswith(ASKS_USER)))
        said = scan.with_contrast(Decided(None if asked == "unknown" else asked, "user"))
        if asked == "CT" and not is_hounsfield(scan.voxels):
            return said.warn(f"named CT but {belied}: taken as CT, as asked for")
        if against := _against(contrast_by_values(scan).decided, asked):
            return said.warn(f"{against}: taken as {_of(asked)}, as asked for")
        return said
    if scan.contrast == "CT" and not is_hounsfield(scan.voxels):
        told = f"named CT but {belied}: treated as a scan of unknown contrast"
        return scan.with_contrast(Decided(None, "values")).warn(told)
    if scan.contrast == "CT" or not shows_head_in_hounsfield(scan.voxels):
        return scan
    out, named = scan.with_contrast(Decided("CT", "values")), scan.contrast
    return out.warn(f"named {named} but its values are Hounsfield units: treated as CT") if named else out


def _against(found: Decided, asked: str) -> str | None:
    """What contradicts a user, in words; who says nothing, or less, does not."""
    if found.contrast in (None, asked) or (found.contrast, asked) == ("T1w", "T1wCE"):
        return None  # not everybody writes the agent down
    if asked == "unknown" and found.contrast != "CT":
        return None
    return {
        "file name": f"its name says {found.contrast}",
        "sidecar": f"the JSON file beside it is of a {found.contrast}",
        "DICOM header": f"its DICOM header is of a {found.contrast}",
        "values": "its values are Hounsfield units",
    }.get(found.by, f"it is given as {found.contrast}")


def _of(contrast: str) -> str:
    return "a scan of unknown contrast" if contrast == "unknown" else contrast


def shows_head_in_hounsfield(voxels: npt.NDArray[Any]) -> bool:
    """Whether values (X, Y, Z) have what a head in Hounsfield units has: air, soft tissue and bone.

    Fails for a stripped brain, whose values other scans have too: only its name says that it is a CT.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Finite values.
    """
    if not voxels.min() <= _AIR_HU or not voxels.max() >= _BONE_HU:
        return False
    step = max(1, round((voxels.size / _SAMPLED) ** (1 / 3)))
    x = np.asarray(voxels[::step, ::step, ::step], dtype=np.float32)

    def share(low: float, high: float) -> float:
        return float(((x > low) & (x < high)).mean())

    air = x[x < _AIR_HU]
    measured = share(*_FAT_HU) > _LEAST["fat"] or len(np.unique(air[:100_000])) >= _LEVELS
    return bool(
        air.size > 2 * x.size * share(_AIR_HU, -200)  # noise around 0 has all between
        and measured  # what is padded by -1000 has one value of air, and no fat
        and share(*_SOFT_HU) > _LEAST["soft"]
        and share(_BONE_HU, np.inf) > _LEAST["bone"]
    )


def is_hounsfield(voxels: npt.NDArray[Any]) -> bool:
    """Whether finite values (X, Y, Z) can be Hounsfield units.

    They reach below -5, above 20, and at least 1 % of the voxels lie in (0, 100], where brain, blood and
    fluid are. Holds for raw heads (air at -1000, padding at -3024) and for stripped brains on a background
    of 0; fails for 8-bit and 0…1 copies, values stored with 1024 added, and z-scores.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Finite values.
    """
    if voxels.min() >= HOUNSFIELD_BELOW or voxels.max() <= 20:
        return False
    soft = sum(np.count_nonzero((part > 0) & (part <= 100)) for part in voxels.T)
    return soft / voxels.size >= 0.01
