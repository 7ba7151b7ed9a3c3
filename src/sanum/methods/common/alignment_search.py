"""How `align` finds its way: from many starts to one end, coarse to fine, and whether it is found again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from ...scan import Scan, ScanError
from ...space.affine import REACH_MM, RIGID, matrix_of, mean_displacement_mm, numbers_of
from ...space.descend import LEVELS, Resolution, Volume, cost_of, descend, starts_of, volume_of
from ...space.grid import Grid, apply_affine
from ...space.similarity import Distance

Init = Literal["both", "header", "centre"]

AFFINE = 12
"""Numbers of an affine map."""

TRIED_MM, TRIED_DEG = 12.0, 12.0
"""How far the end is pushed away, to see whether it is found again."""

GUIDED = 3
"""Of a guide's ends, so many are tried."""

TRUST = 0.2
"""Weight of the guide's distance beside the one that is descended, where one end is chosen: a head on its
side can share more information with another than an upright one."""

EASED = Resolution(8.0, 1, 40, 1.0)
"""How a guide's end, which has a size of its own, and a rigid end are taken on with all numbers free."""

AGAIN_MM = 4.0
"""So near counts as found again: half of a coarse voxel."""

LEAST_OVERLAP = 0.05
"""Share of the smaller field of view that must lie in the other."""

CT_WINDOW = (-100.0, 300.0)
"""Hounsfield units that are looked at: fat to bone."""


class Guide(Distance, Protocol):
    """What sees from afar where a scan belongs; as a distance, in radii of a head."""

    spacing_mm: float

    def approach(
        self, fixed: Volume, moving: Volume, starts: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Maps (B, 4, 4), fixed mm → moving mm, the best first, and how far off each seems, (B,) in mm.

        Parameters
        ----------
        fixed, moving : Volume
            On voxels of `spacing_mm`.
        starts : (B, 4, 4) float
            Fixed mm → moving mm.
        """
        ...


@dataclass(frozen=True, eq=False)
class Search:
    """Two scans on coarse voxels, and what is descended between them.

    Parameters
    ----------
    pairs : list of (Volume, Volume)
        Fixed and moving, for each of `LEVELS`.
    centre : (3,) float32
        About which the maps turn, in mm.
    measure : Distance
        What is descended.
    guide : (Guide, Volume, Volume), optional
        A network, and both scans as it sees them.
    """

    pairs: list[tuple[Volume, Volume]]
    centre: torch.Tensor
    measure: Distance
    guide: tuple[Guide, Volume, Volume] | None

    @classmethod
    def of(cls, fixed: Scan, moving: Scan, measure: Distance, guide: Guide | None) -> "Search":
        """Both scans, resampled.

        Parameters
        ----------
        fixed, moving : Scan
            Of any contrast, grid and field of view.
        measure : Distance
            What is descended.
        guide : Guide, optional
            Whose ends are starts too.

        Raises
        ------
        ScanError
            An image has one value everywhere, or is flat along an axis.
        """

        def both(spacing_mm: float) -> tuple[Volume, Volume]:
            return coarse_volume(fixed, spacing_mm), coarse_volume(moving, spacing_mm)

        far = None if guide is None else (guide, *both(guide.spacing_mm))
        centre = torch.tensor(fixed.grid.centre_mm, dtype=torch.float32)
        return cls([both(level.spacing_mm) for level in LEVELS], centre, measure, far)

    def starts(self, fixed: Grid, moving: Grid, init: Init, on_step: Callable[[str], None]) -> "_Starts":
        """Those of the headers and of the guide.

        Parameters
        ----------
        fixed, moving : Grid
            Of both scans.
        init : "both", "header" or "centre"
            As of `align`.
        on_step : function
            Called with the name of each step.
        """
        shifts = {"header": np.zeros(3), "centre": moving.centre_mm - fixed.centre_mm}
        numbers = starts_of([shifts[name] for name in (("header", "centre") if init == "both" else (init,))])
        shown = turned = numbers[:0]
        if self.guide is not None:
            on_step("looking from afar")
            worlds = self.guide[0].approach(*self.guide[1:], matrix_of(numbers, self.centre))[0]
            kept = [world for world in worlds if np.linalg.det(world) > 0][:GUIDED]  # a mirror image is none
            shown, turned = (
                torch.tensor(
                    np.reshape([numbers_of(world, self.centre, rigid=rigid) for world in kept], (-1, AFFINE))
                ).to(numbers)
                for rigid in (False, True)
            )
        return _Starts(numbers, turned, shown)

    def run(self, starts: "_Starts", free: int, on_step: Callable[[str], None]) -> torch.Tensor:
        """The end (12,) of the best start.

        A guide's own end is taken on with all its numbers too: where two heads differ in size, turning and
        shifting alone leads away from it.

        Parameters
        ----------
        starts : _Starts
            Of `starts`.
        free : int
            Numbers that move: 6 is rigid, 12 affine.
        on_step : function
            Called with the name of each step.

        Raises
        ------
        ScanError
            In no start the two overlap.
        """
        on_step("choosing among starts")
        numbers = self._best(torch.cat([starts.told, starts.turned if free == RIGID else starts.shown]))
        for level, pair in zip(LEVELS, self.pairs, strict=True):
            on_step(f"descending on {level.spacing_mm:g} mm")
            moves = replace(level, free=min(level.free, free))
            numbers = self._descended(pair, numbers[: level.kept], moves)
            if level is LEVELS[0] and free == AFFINE and len(starts.shown):
                numbers = self._ordered(torch.cat([numbers, self._descended(pair, starts.shown[:1], EASED)]))
        return numbers[0]

    def better(self, freed: torch.Tensor, rigid: torch.Tensor) -> bool:
        """Whether an affine's end is another place than a rigid one's, and the better one.

        Two people's heads differ in size, and then one on its side can be more like the other than an upright
        one. So the rigid end is judged by the affine next to it.

        Parameters
        ----------
        freed, rigid : (12,) float
            Of `run`.
        """
        eased = self._descended(self.pairs[0], rigid[None], EASED)
        costs = self._costs(torch.stack([freed, eased[0]]))
        return bool(costs[0] < costs[1]) and float(self._away(freed, eased)[0]) > AGAIN_MM

    def turned(self, freed: torch.Tensor) -> torch.Tensor:
        """Turn and shift (12,) nearest to an affine over what the fixed scan shows.

        Parameters
        ----------
        freed : (12,) float
            An affine's.
        """
        fixed = self.pairs[-1][0]
        bright = fixed.image[0, 0].numpy()
        places = np.argwhere(bright > bright.mean())
        middle = apply_affine(fixed.affine, places.mean(0))
        world = matrix_of(freed.double(), self.centre.double()).numpy()
        about = torch.tensor(numbers_of(world, middle, rigid=True))
        nearest = matrix_of(about, torch.tensor(middle)).numpy()
        return torch.tensor(numbers_of(nearest, self.centre)).to(freed)

    def sure(self, end: torch.Tensor, free: int) -> float:
        """Share of pushes, to both sides along each axis, from which the coarse search comes back.

        Parameters
        ----------
        end : (12,) float
            Of `run`.
        free : int
            Numbers that move.
        """
        pushes = []
        for axis in range(3):
            for sign in (-1.0, 1.0):
                push = torch.zeros(AFFINE)
                push[axis] = sign * np.deg2rad(TRIED_DEG) * REACH_MM
                push[3 + (axis + 1) % 3] = sign * TRIED_MM
                pushes.append(end + push)
        level = replace(LEVELS[0 if free == RIGID else 1], steps=30)
        found = descend(*self.pairs[0], torch.stack(pushes), self.centre, self.measure, level)[0]
        return float((self._away(end, found) < AGAIN_MM).mean())

    def _descended(
        self, pair: tuple[Volume, Volume], numbers: torch.Tensor, level: Resolution
    ) -> torch.Tensor:
        """Ends (B, 12), the best first."""
        ends, costs = descend(*pair, numbers, self.centre, self.measure, level)
        return ends[(costs + self._far(ends)).argsort()] if len(ends) > 1 else ends

    def _ordered(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers[self._costs(numbers).argsort()]

    @torch.no_grad()
    def _costs(self, numbers: torch.Tensor) -> torch.Tensor:
        cost = cost_of(*self.pairs[0], matrix_of(numbers, self.centre), self.measure)[0]
        return cost + self._far(numbers)

    @torch.no_grad()
    def _far(self, numbers: torch.Tensor) -> torch.Tensor:
        """What the guide adds, (B,)."""
        if self.guide is None:
            return torch.zeros(len(numbers))
        guide, fixed, moving = self.guide
        return TRUST * cost_of(fixed, moving, matrix_of(numbers, self.centre), guide)[0]

    def _away(self, end: torch.Tensor, others: torch.Tensor) -> npt.NDArray[np.floating]:
        """Mean displacements (B,) between maps, in mm."""
        fixed = self.pairs[0][0]
        points = corners(Grid(tuple(fixed.size), fixed.affine))  # type: ignore[arg-type]
        first, second = (matrix_of(one, self.centre).double().numpy() for one in (end, others))
        return mean_displacement_mm(second, first, points)

    def _best(self, numbers: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            maps = matrix_of(numbers, self.centre)
            rows = [cost_of(*self.pairs[0], one[None], self.measure) for one in maps]
        costs, shares = (torch.cat(each) for each in zip(*rows, strict=True))
        if float(shares.max()) < LEAST_OVERLAP:
            raise ScanError(
                "the two scans do not overlap where their headers put them: lay their centres on each other "
                "with --init centre"
            )
        return numbers[(costs + self._far(numbers)).argsort()[: LEVELS[0].kept]]


@dataclass(frozen=True, eq=False)
class _Starts:
    """Numbers (N, 12) that headers tell, and a guide's ends, best first: turn and shift alone, and all."""

    told: torch.Tensor
    turned: torch.Tensor
    shown: torch.Tensor


def coarse_volume(scan: Scan, spacing_mm: float) -> Volume:
    """What registration sees of a scan: a CT between fat and bone.

    Parameters
    ----------
    scan : Scan
        Of any contrast.
    spacing_mm : float
        Edge of the voxels.

    Raises
    ------
    ScanError
        It has one value everywhere, or is flat along an axis.
    """
    voxels = scan.voxels
    if min(voxels.shape) < 2:
        raise ScanError("one slice alone has no place in a volume: give scans of two slices or more")
    if scan.contrast == "CT":
        voxels = np.clip(voxels, *CT_WINDOW)
    try:
        return volume_of(voxels, scan.grid, spacing_mm)
    except ValueError as error:
        raise ScanError(str(error)) from error


def corners(grid: Grid) -> npt.NDArray[np.float64]:
    """Points halfway from the centre of a field of view to its corners: about the head's surface, in mm.

    Parameters
    ----------
    grid : Grid
        Of the field of view.
    """
    ends = (0.25, 0.75)
    places = np.array([[i, j, k] for i in ends for j in ends for k in ends])
    return apply_affine(grid.affine, places * (np.array(grid.shape) - 1))
