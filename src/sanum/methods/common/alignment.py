"""Two scans laid onto each other, whatever their contrasts and fields of view: `align`, and how sure it is.

Starts are those of the headers and, where it is given, of a network that sees far (`Guide`). Mutual
information is descended from the best of them, coarse to fine (`space.descend`). The map goes from the fixed
scan's world to the moving one's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from ...learn.threads import one_thread
from ...scan import Scan, ScanError
from ...space.affine import REACH_MM, RIGID, matrix_of, mean_displacement_mm, numbers_of
from ...space.descend import LEVELS, Resolution, Volume, cost_of, descend, moved, starts_of, volume_of
from ...space.grid import Grid, apply_affine
from ...space.register import resample_affine
from ...space.similarity import Distance, MutualInformation

Init = Literal["both", "header", "centre"]
INITS: tuple[Init, ...] = ("both", "header", "centre")

TRIED_MM, TRIED_DEG = 12.0, 12.0
"""How far the end is pushed away, to see whether it is found again."""

GUIDED = 3
"""Of a guide's ends, so many are tried."""

TRUST = 0.2
"""Weight of the guide's distance beside the one that is descended, where one end is chosen: a head on its
side can share more information with another than an upright one."""

AGAIN_MM = 4.0
"""So near counts as found again: half of a coarse voxel."""

LEAST_OVERLAP = 0.05
"""Share of the smaller field of view that must lie in the other."""

SURE = 0.5
"""Below it a warning says that the result may be wrong."""

STRETCHED = 1.35
"""A scale of more, or of less than its inverse, is warned of: heads of adults differ by less."""

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
class Aligned:
    """What was found.

    Parameters
    ----------
    world : (4, 4) float64
        Fixed mm → moving mm (RAS).
    sure : float
        Share of six pushes from which the same place is found again.
    similarity : float
        Normalised mutual information at the end, on coarse voxels.
    before : float
        The same at the start that the headers give.
    moved_mm : float
        Mean displacement of the fixed field of view by the map.
    warnings : tuple of str
        What a user should know.
    """

    world: npt.NDArray[np.float64]
    sure: float
    similarity: float
    before: float
    moved_mm: float
    warnings: tuple[str, ...]


def align(
    fixed: Scan,
    moving: Scan,
    *,
    rigid: bool = False,
    init: Init = "both",
    distance: Distance | None = None,
    guide: Guide | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Aligned:
    """The map from the fixed scan's world to the moving one's that makes them most alike.

    Parameters
    ----------
    fixed, moving : Scan
        Of any contrast, grid and field of view.
    rigid : bool
        Turn and shift alone: for two scans of one person.
    init : "both", "header" or "centre"
        Starts: as the headers say, the centres of both fields of view on each other, or both.
    distance : Distance, optional
        What is descended; default mutual information.
    guide : Guide, optional
        Such as `sanum.load("mad")`: its ends are starts too.
    on_step : function
        Called with the name of each step.

    Raises
    ------
    ScanError
        An image has one value everywhere, is flat along an axis, or the two do not overlap at all.
    ValueError
        A distance that knows voxels of one size only.
    """
    if hasattr(distance, "spacing_mm"):
        raise ValueError("this distance knows voxels of one size only: hand it over as guide")
    measure = MutualInformation() if distance is None else distance
    centre = torch.tensor(fixed.grid.centre_mm, dtype=torch.float32)
    levels = tuple(replace(one, free=RIGID) for one in LEVELS) if rigid else LEVELS
    with one_thread():
        on_step("reading both on coarse voxels")
        pairs = [
            (coarse_volume(fixed, level.spacing_mm), coarse_volume(moving, level.spacing_mm))
            for level in levels
        ]
        before = _similarity(*pairs[0], np.eye(4))
        numbers = _starts(fixed.grid, moving.grid, init)
        far = (
            None
            if guide is None
            else _Far(guide, coarse_volume(fixed, guide.spacing_mm), coarse_volume(moving, guide.spacing_mm))
        )
        if far is not None:
            on_step("looking from afar")
            numbers = torch.cat([numbers, far.ends(numbers, centre, rigid=rigid)])
        on_step("choosing among starts")
        numbers = _best(pairs[0], numbers, centre, measure, far, levels[0].kept)
        for level, pair in zip(levels, pairs, strict=True):
            on_step(f"descending on {level.spacing_mm:g} mm")
            numbers, costs = descend(*pair, numbers[: level.kept], centre, measure, level)
            if far is not None and len(numbers) > 1:
                costs = costs + far.cost(numbers, centre)
            numbers = numbers[costs.argsort()]
        world = matrix_of(numbers[0].double(), centre.double()).numpy()
        on_step("trying whether it is found again")
        sure = _sure(pairs[0], numbers[0], centre, measure, replace(levels[0], steps=30))
        after = _similarity(*pairs[0], world)
    points = _corners(fixed.grid)
    moved_mm = float(mean_displacement_mm(world, np.eye(4), points))
    return Aligned(world, sure, after, before, moved_mm, _warnings(sure, after, world))


def resampled(moving: Scan, fixed: Scan, world: npt.NDArray[np.float64]) -> Scan:
    """The moving scan on the fixed one's grid, by a cubic spline; what it does not show has its lowest value.

    Parameters
    ----------
    moving, fixed : Scan
        As of `align`.
    world : (4, 4) float64
        Fixed mm → moving mm.
    """
    voxels = resample_affine(moving.voxels, moving.grid, fixed.grid, world)
    return replace(moving, voxels=voxels, affine=fixed.affine, forms=fixed.forms, warnings=())


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


@dataclass(frozen=True, eq=False)
class _Far:
    """A guide, and both scans as it sees them."""

    guide: Guide
    fixed: Volume
    moving: Volume

    def ends(self, starts: torch.Tensor, centre: torch.Tensor, *, rigid: bool) -> torch.Tensor:
        worlds = self.guide.approach(self.fixed, self.moving, matrix_of(starts, centre))[0]
        kept = [world for world in worlds if np.linalg.det(world) > 0][:GUIDED]  # a mirror image is none
        numbers = [numbers_of(world, centre, rigid=rigid) for world in kept]
        return torch.tensor(np.reshape(numbers, (-1, 12))).to(starts)

    @torch.no_grad()
    def cost(self, numbers: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
        return TRUST * cost_of(self.fixed, self.moving, matrix_of(numbers, centre), self.guide)[0]


def _starts(fixed: Grid, moving: Grid, init: Init) -> torch.Tensor:
    shifts = {"header": np.zeros(3), "centre": moving.centre_mm - fixed.centre_mm}
    return starts_of([shifts[name] for name in (("header", "centre") if init == "both" else (init,))])


def _best(
    pair: tuple[Volume, Volume],
    numbers: torch.Tensor,
    centre: torch.Tensor,
    measure: Distance,
    far: _Far | None,
    kept: int,
) -> torch.Tensor:
    with torch.no_grad():
        rows = [cost_of(*pair, matrix_of(one[None], centre), measure) for one in numbers]
    costs, shares = (torch.cat(each) for each in zip(*rows, strict=True))
    if float(shares.max()) < LEAST_OVERLAP:
        raise ScanError(
            "the two scans do not overlap where their headers put them: lay their centres on each other with "
            "--init centre"
        )
    if far is not None:
        costs = costs + far.cost(numbers, centre)
    return numbers[costs.argsort()[:kept]]


def _sure(
    pair: tuple[Volume, Volume],
    end: torch.Tensor,
    centre: torch.Tensor,
    measure: Distance,
    level: Resolution,
) -> float:
    """Share of pushes, to both sides along each axis, from which the coarse search comes back."""
    pushes = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            push = torch.zeros(12)
            push[axis] = sign * np.deg2rad(TRIED_DEG) * REACH_MM
            push[3 + (axis + 1) % 3] = sign * TRIED_MM
            pushes.append(end + push)
    found = descend(*pair, torch.stack(pushes), centre, measure, level)[0]
    points = _corners(Grid(tuple(pair[0].size), pair[0].affine))  # type: ignore[arg-type]
    ends = matrix_of(found, centre).double().numpy()
    away = mean_displacement_mm(ends, matrix_of(end, centre).double().numpy(), points)
    return float((away < AGAIN_MM).mean())


def _similarity(fixed: Volume, moving: Volume, world: npt.NDArray[np.float64]) -> float:
    with torch.no_grad():
        image, inside = moved(fixed, moving, torch.tensor(world)[None])
        return 1 - float(MutualInformation()(fixed.image, image, inside)[0])


def _corners(grid: Grid) -> npt.NDArray[np.float64]:
    """Points halfway from the centre of a field of view to its corners: about the head's surface."""
    ends: Sequence[float] = (0.25, 0.75)
    places = np.array([[i, j, k] for i in ends for j in ends for k in ends])
    return apply_affine(grid.affine, places * (np.array(grid.shape) - 1))


def _warnings(sure: float, similarity: float, world: npt.NDArray[np.float64]) -> tuple[str, ...]:
    said = []
    if sure < SURE:
        said.append(
            f"only {sure:.0%} of the pushed starts come back to this place (similarity {similarity:.2f}): "
            "look at the picture"
        )
    scales = np.linalg.svd(world[:3, :3], compute_uv=False)
    if scales.max() > STRETCHED or scales.min() < 1 / STRETCHED:
        said.append(
            f"one scan was scaled by {scales.min():.2f} to {scales.max():.2f} to fit the other, which no two "
            "heads need: look at the picture"
        )
    return tuple(said)
