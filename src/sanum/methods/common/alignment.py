"""Two scans laid onto each other, whatever their contrasts and fields of view: `align`, and how sure it is.

Mutual information is descended from several starts on coarse voxels (`space.descend`), then by ITK on fine
ones (`space.register.refine_affine`). The map goes from the fixed scan's world to the moving one's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from ...learn.threads import one_thread
from ...scan import Scan, ScanError
from ...space.affine import REACH_MM, RIGID, matrix_of, mean_displacement_mm
from ...space.descend import LEVELS, Resolution, Volume, cost_of, descend, starts_of, volume_of
from ...space.grid import Grid, apply_affine, covering
from ...space.register import refine_affine, resample_affine
from ...space.resample import resample
from ...space.similarity import Distance, MutualInformation

Init = Literal["both", "header", "centre"]
INITS: tuple[Init, ...] = ("both", "header", "centre")

FINE_MM = 2.5
"""Voxels on which ITK refines: it halves them once more on its first level."""

TRIED_MM, TRIED_DEG = 12.0, 12.0
"""How far the end is pushed away, to see whether it is found again."""

RIGID_LEVELS = tuple(replace(one, free=RIGID) for one in (*LEVELS, Resolution(3.0, 1, 25, 0.5)))
"""ITK's refinement is affine; without it there is one level more."""

AGAIN_MM = 4.0
"""So near counts as found again: half of a coarse voxel."""

LEAST_OVERLAP = 0.05
"""Share of the smaller field of view that must lie in the other."""

SURE = 0.5
"""Below it a warning says that the result may be wrong."""

CT_WINDOW = (-100.0, 300.0)
"""Hounsfield units that are looked at: fat to bone."""


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
        What is descended on coarse voxels; default mutual information.
    on_step : function
        Called with the name of each step.

    Raises
    ------
    ScanError
        An image has one value everywhere, is flat along an axis, or the two do not overlap at all.
    """
    measure = MutualInformation() if distance is None else distance
    centre = torch.tensor(fixed.grid.centre_mm, dtype=torch.float32)
    levels = RIGID_LEVELS if rigid else LEVELS
    with one_thread():
        on_step("reading both on coarse voxels")
        pairs = [(_volume(fixed, level.spacing_mm), _volume(moving, level.spacing_mm)) for level in levels]
        before = _similarity(*pairs[0], np.eye(4))
        numbers = _starts(fixed.grid, moving.grid, init)
        on_step("choosing among starts")
        numbers = _best(pairs[0], numbers, centre, measure, levels[0].kept)
        for level, pair in zip(levels, pairs, strict=True):
            on_step(f"descending on {level.spacing_mm:g} mm")
            numbers, costs = descend(*pair, numbers[: level.kept], centre, measure, level)
            numbers = numbers[costs.argsort()]
        coarse = matrix_of(numbers[0].double(), centre.double()).numpy()
        on_step("refining")
        world = coarse if rigid else _refined(fixed, moving, coarse)
        on_step("trying whether it is found again")
        sure = _sure(pairs[0], numbers[0], centre, measure, replace(levels[0], steps=30))
        after = _similarity(*pairs[0], world)
    points = _corners(fixed.grid)
    moved_mm = float(mean_displacement_mm(world, np.eye(4), points))
    return Aligned(world, sure, after, before, moved_mm, _warnings(sure, after))


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


def _volume(scan: Scan, spacing_mm: float) -> Volume:
    voxels = scan.voxels
    if min(voxels.shape) < 2:
        raise ScanError("one slice alone has no place in a volume: give scans of two slices or more")
    if scan.contrast == "CT":
        voxels = np.clip(voxels, *CT_WINDOW)
    try:
        return volume_of(voxels, scan.grid, spacing_mm)
    except ValueError as error:
        raise ScanError(str(error)) from error


def _starts(fixed: Grid, moving: Grid, init: Init) -> torch.Tensor:
    shifts = {"header": np.zeros(3), "centre": moving.centre_mm - fixed.centre_mm}
    return starts_of([shifts[name] for name in (("header", "centre") if init == "both" else (init,))])


def _best(
    pair: tuple[Volume, Volume], numbers: torch.Tensor, centre: torch.Tensor, measure: Distance, kept: int
) -> torch.Tensor:
    with torch.no_grad():
        rows = [cost_of(*pair, matrix_of(one[None], centre), measure) for one in numbers]
    costs, shares = (torch.cat(each) for each in zip(*rows, strict=True))
    if float(shares.max()) < LEAST_OVERLAP:
        raise ScanError(
            "the two scans do not overlap where their headers put them: lay their centres on each other with "
            "--init centre"
        )
    return numbers[costs.argsort()[:kept]]


def _refined(fixed: Scan, moving: Scan, coarse: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    parts = []
    for scan in (fixed, moving):
        voxels = np.clip(scan.voxels, *CT_WINDOW) if scan.contrast == "CT" else scan.voxels
        grid = covering(scan.grid, max(FINE_MM, float(scan.grid.spacing_mm.min())))
        parts.append((resample(voxels, scan.grid, grid, fill=float(np.min(voxels))), grid))
    (a, grid_a), (b, grid_b) = parts
    inside = resample(np.ones(fixed.grid.shape, np.uint8), fixed.grid, grid_a, antialias=False) > 0.5
    fine = refine_affine(a, grid_a, b, grid_b, coarse, region=inside)
    pair = _volume(fixed, FINE_MM), _volume(moving, FINE_MM)
    return max(fine, coarse, key=lambda end: _similarity(*pair, end))  # the way of ITK may lead astray


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
    goal = descend(*pair, end[None], centre, measure, level)[0]
    found = descend(*pair, torch.stack(pushes), centre, measure, level)[0]
    points = _corners(Grid(tuple(pair[0].size), pair[0].affine))  # type: ignore[arg-type]
    ends = matrix_of(found, centre).double().numpy()
    away = mean_displacement_mm(ends, matrix_of(goal, centre)[0].double().numpy(), points)
    return float((away < AGAIN_MM).mean())


def _similarity(fixed: Volume, moving: Volume, world: npt.NDArray[np.float64]) -> float:
    with torch.no_grad():
        cost, _ = cost_of(fixed, moving, torch.tensor(world)[None], MutualInformation())
    return 1 - float(cost[0])


def _corners(grid: Grid) -> npt.NDArray[np.float64]:
    """Points halfway from the centre of a field of view to its corners: about the head's surface."""
    ends: Sequence[float] = (0.25, 0.75)
    places = np.array([[i, j, k] for i in ends for j in ends for k in ends])
    return apply_affine(grid.affine, places * (np.array(grid.shape) - 1))


def _warnings(sure: float, similarity: float) -> tuple[str, ...]:
    if sure >= SURE:
        return ()
    return (
        f"only {sure:.0%} of the pushed starts come back to this place (similarity {similarity:.2f}): look "
        "at the picture",
    )
