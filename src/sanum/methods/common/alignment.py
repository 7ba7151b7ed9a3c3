"""Two scans laid onto each other, whatever their contrasts and fields of view: `align`, and how sure it is.

Starts are those of the headers and, where it is given, of a network that sees far (`Guide`). Mutual
information is descended from the best of them, coarse to fine (`space.descend`). The map goes from the fixed
scan's world to the moving one's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from ...learn.threads import one_thread
from ...scan import Scan
from ...space.affine import RIGID, matrix_of, mean_displacement_mm
from ...space.descend import Volume, moved
from ...space.register import resample_affine
from ...space.similarity import Distance, MutualInformation
from .alignment_search import AFFINE, Guide, Init, Search, corners

INITS: tuple[Init, ...] = ("both", "header", "centre")

SURE = 0.5
"""Below it a warning says that the result may be wrong."""

STRETCHED = 1.35
"""A scale of more, or of less than its inverse, is warned of: heads of adults differ by less."""

OTHER_SIZE = (
    "the two heads are alike only where one may change in size, as those of two people: turn and shift are "
    "those of the best affine"
)


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
    with one_thread():
        on_step("reading both on coarse voxels")
        search = Search.of(fixed, moving, MutualInformation() if distance is None else distance, guide)
        before = _similarity(*search.pairs[0], np.eye(4))
        starts = search.starts(fixed.grid, moving.grid, init, on_step)
        free = RIGID if rigid else AFFINE
        end = search.run(starts, free, on_step)
        on_step("trying whether it is found again")
        sure, said = search.sure(end, free), []
        if rigid and sure < SURE:
            on_step("letting the size change")
            freed = search.run(starts, AFFINE, on_step)
            if search.better(freed, end):
                sure, end, said = search.sure(freed, AFFINE), search.turned(freed), [OTHER_SIZE]
        world = matrix_of(end.double(), search.centre.double()).numpy()
        after = _similarity(*search.pairs[0], world)
    moved_mm = float(mean_displacement_mm(world, np.eye(4), corners(fixed.grid)))
    return Aligned(world, sure, after, before, moved_mm, (*said, *_warnings(sure, after, world)))


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


def _similarity(fixed: Volume, moving: Volume, world: npt.NDArray[np.float64]) -> float:
    with torch.no_grad():
        image, inside = moved(fixed, moving, torch.tensor(world)[None])
        return 1 - float(MutualInformation()(fixed.image, image, inside)[0])


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
