"""Two witnesses, one probability: the network's learned map, and the residual in the scan's own contrast.

The network knows what lesions look like and where they are, on voxels of 2 mm; the residual sees on the
scan's own voxels that tissue is not as bright as its anatomy says. One small rule weighs both, where the
weights have one.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy import special

from ..scan import Scan
from ..scan.intensity import with_background_at_zero
from ..space.components import bounds_of
from ..space.grid import Grid, at_spacing
from ..space.resample import resample
from ..types import Affine, AnyArray, FloatArray, Slices
from .evidence import SURE, Evidence, evidence, weigh_surroundings
from .grids import ANOMALY_THRESHOLD, ScanMaps
from .residual import Residual, own_contrast_residual
from .rule import Rule

FINEST_MM = 0.8  # voxels that a residual is computed on; it is smooth over 1.2 mm
MANY = 8_000_000  # voxels of the brain's box, above which finer ones are left out
LEAST_P = 1e-3  # below, a probability is 0: maps of many small numbers do not compress
NO_RULE = "network alone: these weights have no rule"
_SLAB = 1_000_000  # voxels that are weighed at once


@dataclass(frozen=True, eq=False)
class Heard:
    """A residual in the brain's box.

    Parameters
    ----------
    residual : Residual
        On `grid`.
    anatomy : (X, Y, Z) float32
        On it too.
    grid : Grid
        The scan's own part, or a coarser one.
    """

    residual: Residual
    anatomy: FloatArray
    grid: Grid


@dataclass(frozen=True, eq=False)
class Parts:
    """What each witness says.

    Parameters
    ----------
    scan : Scan
        The input.
    maps : ScanMaps
        What the network made of it, on the same grid.
    contrast : str or None
        Of the scan.
    heard : Heard or None
        The residual; None: it was not needed, and is made when looked at.
    """

    scan: Scan
    maps: ScanMaps
    contrast: str | None
    heard: Heard | None = field(default=None, repr=False)

    @property
    def network(self) -> Scan:
        """The network's probability of an anomaly."""
        return self.maps.anomaly

    @cached_property
    def residual(self) -> Scan:
        """Signed z, bright above 0; 0 where nothing is said, and everywhere without a fit."""
        voxels = np.zeros(self.scan.voxels.shape, np.float32)
        if (box := brain_box(self.maps)) is not None:
            heard = self.heard or residual_in(self.scan, self.maps, box, self.contrast)
            voxels[box] = on(heard.residual.z, heard.grid, self.scan.grid.part(box))
        return self.maps.anomaly.with_voxels(voxels)


@dataclass(frozen=True, eq=False)
class Testimony:
    """What both say together, and each by itself.

    Parameters
    ----------
    anomaly : Scan
        Probability in [0, 1].
    mask : Scan
        Where it is above 0.5: 0 or 1, uint8.
    parts : Parts
        Each by itself.
    how : str
        Who was heard, and what the mask keeps.
    warnings : tuple of str
        Why the residual was left out.
    """

    anomaly: Scan
    mask: Scan
    parts: Parts
    how: str
    warnings: tuple[str, ...] = ()

    @property
    def scatter(self) -> float | None:
        """Of the scan around its anatomy (`Residual.scatter`); None if the residual was not asked."""
        return None if self.parts.heard is None else self.parts.heard.residual.scatter


def hear_both(
    scan: Scan, maps: ScanMaps, contrast: str | None, rule: Rule | None, across: Affine
) -> Testimony:
    """Both witnesses heard on the scan's own grid; the network alone where there is no rule.

    Parameters
    ----------
    scan : Scan
        The input.
    maps : ScanMaps
        What the network made of it, on the same grid.
    contrast : str or None
        Of the scan, one of `scan.contrast.CONTRASTS`: says whether lesions are bright, dark, or either.
    rule : Rule or None
        Of the network's weights.
    across : (4, 4) float64
        Reflection of the head in world mm: nuclei and ageing are alike on both sides of it.
    """
    parts = Parts(scan, maps, contrast)
    if rule is None or (box := brain_box(maps)) is None:
        return Testimony(maps.anomaly, maps.anomaly_mask, parts, NO_RULE if rule is None else "no brain")
    heard = residual_in(scan, maps, box, contrast)
    parts = replace(parts, heard=heard)
    if heard.residual.failure is not None:
        why = f"the anomaly map is the network's alone: {heard.residual.failure}"
        return Testimony(maps.anomaly, maps.anomaly_mask, parts, "network alone", (why,))
    found = weigh_surroundings(heard.residual.z, heard.residual.said, heard.grid, across, contrast)
    here = scan.grid.part(box)
    p = on(np.asarray(maps.anomaly.voxels)[box], here, heard.grid)
    q = on(fused(p, found, contrast, rule), heard.grid, here)
    q[(q < LEAST_P) | (np.asarray(maps.brain.voxels)[box] == 0)] = 0
    anomaly, mask = np.zeros(maps.brain.voxels.shape, np.float32), np.zeros(maps.brain.voxels.shape, np.uint8)
    anomaly[box], mask[box] = q, q > ANOMALY_THRESHOLD
    return Testimony(
        maps.anomaly.with_voxels(anomaly),
        maps.anomaly.with_voxels(mask),
        parts,
        f"network and own contrast; mask: {rule.promise(contrast)}",
    )


def fused(p: FloatArray, found: Evidence, contrast: str | None, rule: Rule) -> FloatArray:
    """Probability of an anomaly from both witnesses, 0.5 at the mask's border; it rises with each.

    Parameters
    ----------
    p : (X, …) float32
        The network's probability.
    found : Evidence
        What the residual says, of the same shape.
    contrast : str or None
        Of the scan: where its lesions lie.
    rule : Rule
        The weights.
    """
    out = np.empty(p.shape, np.float32)
    step = max(1, _SLAB * p.shape[0] // max(p.size, 1))
    for first in range(0, p.shape[0], step):
        here = slice(first, first + step)
        parts = (found.z, found.said, found.around, found.other)
        out[here] = _fused(p[here], Evidence(*(x[here] for x in parts)), contrast, rule)
    return out


def _fused(p: FloatArray, found: Evidence, contrast: str | None, rule: Rule) -> FloatArray:
    odds, terms = log_odds(p), terms_of(found, contrast)
    weights = (rule.residual, rule.around, rule.one_sided)
    together = rule.base + rule.network * odds
    together += sum(w * term for w, term in zip(weights, terms, strict=True))
    alone = rule.alone_base + rule.alone * odds
    shift = rule.promise(contrast).shift
    return np.asarray(special.expit(found.said * together + (1 - found.said) * alone + shift), np.float32)


def log_odds(p: FloatArray) -> FloatArray:
    """Log-odds of a probability, at most 6 either way.

    Parameters
    ----------
    p : (X, …) float32
        The network's.
    """
    return np.asarray(np.clip(special.logit(np.clip(p, 1e-6, 1 - 1e-6)), -SURE, SURE), np.float32)


def terms_of(found: Evidence, contrast: str | None) -> tuple[FloatArray, ...]:
    """What `Rule` weighs by `residual`, `around` and `one_sided`.

    Parameters
    ----------
    found : Evidence
        What the residual says.
    contrast : str or None
        Of the scan.
    """
    lesion = np.minimum(evidence(found.z, contrast), np.float32(SURE))
    return lesion, found.around, np.maximum(lesion - found.other, 0)


def brain_box(maps: ScanMaps) -> Slices | None:
    """The part of the grid that has the brain; None without one.

    Parameters
    ----------
    maps : ScanMaps
        On the scan's grid.
    """
    return bounds_of(np.asarray(maps.brain.voxels) > 0)


def residual_in(scan: Scan, maps: ScanMaps, box: Slices, contrast: str | None) -> Heard:
    """The residual in a box; of very fine voxels on coarser ones, for it is smooth and takes memory.

    Parameters
    ----------
    scan : Scan
        The input.
    maps : ScanMaps
        On the same grid.
    box : three slices
        Of `brain_box`.
    contrast : str or None
        Of the scan.
    """
    here = scan.grid.part(box)
    coarse = at_spacing(here, np.maximum(here.spacing_mm, FINEST_MM))
    grid = here if np.prod(here.shape) <= MANY or coarse.shape == here.shape else coarse
    image, anatomy, brain = (
        on(np.asarray(s.voxels)[box], here, grid)
        for s in (with_background_at_zero(scan), maps.anatomy, maps.brain)
    )
    found = own_contrast_residual(image, anatomy, brain > 0.5, grid.spacing_mm, ct=contrast == "CT")
    return Heard(found, anatomy, grid)


def on(voxels: AnyArray, source: Grid, target: Grid) -> FloatArray:
    """Voxels read on another grid; as they are where the two are one.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        On `source`.
    source, target : Grid
        Of the same place.
    """
    if source.same_as(target):
        return np.asarray(voxels, np.float32)
    return resample(voxels, source, target)
