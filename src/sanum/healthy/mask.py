"""A lesion mask that the user has: inside it the scan is not looked at, and the anomaly is certain.

What the network sees there says `filling`; the voxels of the mask have no say in what is predicted.
"""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..methods.common.anatomy import Maps
from ..scan import Scan, ScanError, read
from ..scan.intensity import border_value
from ..scan.maps import in_order_of, read_map
from ..scan.names import printable
from ..scan.read import Reading
from ..space.components import bounds_of
from ..space.grid import Grid
from ..space.resample import resample
from ..types import Affine
from .compose import Compose, compose
from .filling import interpolated
from .grids import ScanMaps, to_scan_grid
from .rule import Rule
from .witness import Testimony, hear_both

BESIDE = 8  # voxels around the brain
LARGEST_SHARE = 0.5  # of the brain: what is hidden must be less than what is shown


class Given(Reading, total=False):
    """What is given with a scan: how it is read, where the lesion is, and how much time there is.

    Parameters
    ----------
    mask : path, nibabel image, Scan or (X, Y, Z) array, optional
        The lesion, where it is known: above 0.5, on the grid of the scan.
    fast : bool, optional
        Stop at 2 mm; see `refine.finest`.
    """

    mask: Any
    fast: bool


@dataclass(frozen=True, eq=False)
class Lesion:
    """A lesion that the user has drawn.

    Parameters
    ----------
    mask : Scan
        Bool voxels.
    name : str
        Of its file, for messages and the record.
    """

    mask: Scan
    name: str

    def hidden(self, scan: Scan) -> Scan:
        """The scan with the mask's voxels interpolated from those around.

        Parameters
        ----------
        scan : Scan
            On the grid of the mask.
        """
        voxels = np.asarray(scan.voxels, dtype=np.float32)
        return scan.with_voxels(interpolated(voxels, np.asarray(self.mask.voxels), scan.grid.spacing_mm))

    def turned(self, turn: Affine) -> "Lesion":
        """The same voxels elsewhere in the world.

        Parameters
        ----------
        turn : (4, 4)
            World map.
        """
        return replace(self, mask=replace(self.mask, affine=turn @ self.mask.affine))

    def on(self, grid: Grid) -> "Lesion":
        """The mask on another grid, or this one.

        Parameters
        ----------
        grid : Grid
            Over the same field of view.
        """
        if self.mask.grid.same_as(grid):
            return self
        voxels = resample(np.asarray(self.mask.voxels), self.mask.grid, grid, antialias=False) > 0.5
        return replace(self, mask=Scan(voxels, grid.affine))

    def marked(self, there: ScanMaps) -> ScanMaps:
        """Maps whose anomaly is certain in the mask; what was found elsewhere stays.

        Parameters
        ----------
        there : ScanMaps
            On the grid of the mask.

        Raises
        ------
        ScanError
            The mask leaves less than half of the brain to look at.
        """
        inside, brain = np.asarray(self.mask.voxels), np.asarray(there.brain.voxels) > 0
        share = float((inside & brain).sum()) / max(int(brain.sum()), 1)
        if share > LARGEST_SHARE:
            raise ScanError(
                f"{self.name} covers {share:.0%} of the brain: at most half of it can be told from the rest"
            )
        sure = np.where(inside, np.float32(1), np.asarray(there.anomaly.voxels))
        mask = np.where(inside, np.uint8(1), np.asarray(there.anomaly_mask.voxels))
        return replace(
            there,
            anomaly=there.anomaly.with_voxels(sure),
            anomaly_mask=there.anomaly_mask.with_voxels(mask),
        )


def read_with_mask(source: Any, given: Given) -> tuple[Scan, Lesion | None]:
    """A scan and its lesion, if one is given.

    Parameters
    ----------
    source : path, nibabel image or Scan
        As of `sanum.read`.
    given : Given
        Choices of reading, and the mask.

    Raises
    ------
    ScanError
        The scan or the mask cannot be used; one sentence says why.
    """
    reading = dict(given)
    mask, _ = reading.pop("mask", None), reading.pop("fast", None)
    scan = read(source, **cast("Reading", reading))
    return scan, None if mask is None else lesion_in(mask, scan)


def lesion_in(source: Any, scan: Scan) -> Lesion:
    """The lesion on a scan's grid.

    Parameters
    ----------
    source : path, nibabel image, Scan or (X, Y, Z) array
        A mask, 0 and 1; of probabilities those above 0.5. Its axes may be swapped and reversed against the
        scan's; else it lies on the same grid.
    scan : Scan
        As it was read.

    Raises
    ------
    ScanError
        On another grid, empty, or larger than half of what the scan shows.
    """
    name, one = _as_scan(source, scan)
    of_scan = scan.path.name if scan.path else "the scan"
    inside = np.asarray(in_order_of(one, scan.grid, name=name, scan=of_scan).voxels) > 0.5
    if not inside.any():
        raise ScanError(f"{name} is empty: a mask has at least one voxel above 0.5; or leave it out")
    value = border_value(scan.voxels)
    shown = np.asarray(scan.voxels) != value if value is not None else np.ones(inside.shape, bool)
    if (share := float(inside.sum() / (shown | inside).sum())) > LARGEST_SHARE:
        raise ScanError(f"{name} covers {share:.0%} of what the scan shows: a mask marks the lesion alone")
    return Lesion(Scan(inside, scan.affine), name)


def _as_scan(source: Any, scan: Scan) -> tuple[str, Scan]:
    """Name for messages, and the mask with its grid."""
    if isinstance(source, str | PathLike):
        return printable(Path(source).name), read_map(Path(source))
    if isinstance(source, Scan):
        return (printable(source.path.name) if source.path else "the mask"), source
    if hasattr(source, "dataobj"):
        return "the mask", Scan(np.asarray(source.dataobj), source.affine)
    voxels = np.asarray(source)
    if voxels.shape != scan.voxels.shape:
        raise ScanError(
            f"the mask has the shape {voxels.shape} in place of {scan.voxels.shape}: an array needs the "
            "scan's voxels; give a file or an image, which say where they are"
        )
    return "the mask", Scan(voxels, scan.affine)


def back_with(
    lesion: Lesion | None,
    maps: Maps,
    grid: Grid,
    scan: Scan,
    contrast: str | None,
    rule: Rule | None,
    across: Affine,
) -> tuple[ScanMaps, Testimony]:
    """Maps back on a scan's grid, with the anomaly that both witnesses tell; a lesion is hidden, then marked.

    Parameters
    ----------
    lesion : Lesion, optional
        On the grid of the scan.
    maps : Maps
        On the model grid.
    grid : Grid
        The model grid.
    scan : Scan
        Gives the grid and the foreground.
    contrast, rule, across
        As of `hear_both`.
    """
    shown = scan if lesion is None else lesion.hidden(scan)
    there = to_scan_grid(maps, grid, shown)
    heard = hear_both(shown, there, contrast, rule, across)
    there = replace(there, anomaly=heard.anomaly, anomaly_mask=heard.mask)
    return (there if lesion is None else lesion.marked(there)), heard


def put_together(kind: Compose, scan: Scan, there: ScanMaps, lesion: Lesion | None) -> Scan:
    """What `compose` makes of a scan and its maps; with a lesion, which alone is replaced or put back.

    Parameters
    ----------
    kind : str
        As of `compose`.
    scan : Scan
        On the grid of the maps.
    there : ScanMaps
        With the anatomy as it was predicted.
    lesion : Lesion, optional
        On that grid.
    """
    if lesion is None:
        return compose(kind, scan, there.anatomy, there.anomaly_mask, there.brain)
    own = scan if kind == "keep-lesion" else lesion.hidden(scan)
    return compose(kind, own, there.anatomy, lesion.mask, there.brain, is_drawn=True)


def kept_in_report(scan: Scan, there: ScanMaps, lesion: Lesion | None) -> Scan:
    """As `put_together` with "keep-healthy", of the brain's box alone: a picture in a third of the time.

    Parameters
    ----------
    scan, there, lesion
        As of `put_together`.
    """
    if (found := bounds_of(np.asarray(there.brain.voxels) > 0)) is None:
        return there.anatomy
    x, y, z = (slice(max(s.start - BESIDE, 0), s.stop + BESIDE) for s in found)
    x, y, z = (slice(s.start, min(s.stop, n)) for s, n in zip((x, y, z), scan.grid.shape, strict=True))
    box = x, y, z
    affine = scan.grid.part(box).affine

    def part(one: Scan) -> Scan:
        return replace(one, voxels=np.asarray(one.voxels)[box], affine=affine)

    maps = ScanMaps(**{name: part(one) for name, one in vars(there).items()})
    made = put_together("keep-healthy", part(scan), maps, lesion and replace(lesion, mask=part(lesion.mask)))
    if made is maps.anatomy:
        return there.anatomy
    whole = np.zeros(scan.grid.shape, np.float32)  # memory for the box alone, which holds all anatomy
    whole[box] = made.voxels
    return there.anatomy.with_voxels(whole)
