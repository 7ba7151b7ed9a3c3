"""Two witnesses, one probability: the network's learned map, and the residual in the scan's own contrast.

The network knows what lesions look like and where they are, on voxels of 2 mm; the residual sees on the
scan's own voxels that tissue is not as bright as its anatomy says. One small rule weighs both.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import ndimage, special

from ..scan import Scan
from ..space.grid import at_spacing
from ..space.resample import resample
from ..types import FloatArray, Mask, Slices
from .grids import ScanMaps
from .residual import Residual, own_contrast_residual

FINEST_MM = 0.8  # voxels that a residual is computed on; it is smooth over 1.2 mm
MANY = 8_000_000  # voxels of the brain's box, above which finer ones are left out
LEAST_P = 1e-3  # below, a probability is 0: maps of many small numbers do not compress
_SURE = 6.0  # log-odds of the network and z of the residual beyond which neither says more


@dataclass(frozen=True)
class Rule:
    """How the two are weighed: log-odds = base + network · logit(p) + residual · z⁺ + both · p z*.

    z⁺ is z in the direction of lesions: tissue that is unusual in that way is suspect by itself. Where the
    network speaks too, brightness will do in any contrast (z* is the larger of z and z⁺): blood and fat are
    bright in T1w. Darkness will not, for it is what ventricles have that the anatomy lacks. All weights but
    `base` are at least 0, so that neither witness can speak against itself. Where the residual says
    nothing (fluid, the brain's border, no fit), the network stands alone, less `alone`.

    The numbers of `RULE`: `network` and `residual` are near those of least log loss on the four patients of
    development whose lesions are known (0.44 and 0.96; 0.43 to 0.49 and 0.73 to 1.03 where each is left out).
    `both` is by hand, for none of them has a lesion that is bright in T1w. `base` is that of the log loss,
    -3.4, and 0.8 more: few voxels are lesion, and Dice is best below even odds. `bench/witnesses.py learn`
    learns all of them anew for other weights, from made scans too; these were not learned from made ones.

    Parameters
    ----------
    base : float
        Log-odds where both say nothing.
    network : float
        Weight of the network's log-odds, which are clipped to ±6.
    residual : float
        Weight of z⁺, at most 6.
    both : float
        Weight of the product of the network's p and z*, at most 6.
    alone : float
        Log-odds that the network alone loses.
    """

    base: float
    network: float
    residual: float
    both: float
    alone: float


THRESHOLD = 0.5
PROMISE = "at most 1 mL in 9 of 10 healthy T1w"
"""Split-conformal, α = 0.1, on 13 healthy T1w of IXI: log-odds of -0.9 keep 0.5 mL, and `THRESHOLD` is at 0.

These people were in the network's training, which flatters; of 8 that were not, the worst has 0.7 mL. No
other contrast could be calibrated: there are no healthy scans of one.
"""

RULE = Rule(base=-2.6, network=0.4, residual=1.0, both=0.25, alone=0.0)


@dataclass(frozen=True, eq=False)
class Parts:
    """What each witness says, where the brain is.

    Parameters
    ----------
    box : three slices
        The part of the scan's grid.
    network : (X, Y, Z) float32
        The network's probability of an anomaly.
    residual : (X, Y, Z) float32
        Signed z, bright above 0; 0 where nothing is said.
    """

    box: Slices
    network: FloatArray
    residual: FloatArray

    def on_grid(self, name: Literal["network", "residual"], like: Scan) -> Scan:
        """One of them on the whole grid, 0 outside of the brain.

        Parameters
        ----------
        name : "network" or "residual"
            Which.
        like : Scan
            Has the grid.
        """
        voxels = np.zeros(like.voxels.shape, np.float32)
        voxels[self.box] = self.network if name == "network" else self.residual
        return like.with_voxels(voxels)


@dataclass(frozen=True, eq=False)
class Testimony:
    """What both say together, and each by itself.

    Parameters
    ----------
    anomaly : Scan
        Probability in [0, 1].
    mask : Scan
        Where it is above the threshold, 0 or 1, uint8.
    parts : Parts or None
        Each by itself; None without a brain.
    how : str
        Who was heard, and what the threshold keeps.
    warnings : tuple of str
        Why the residual was left out.
    """

    anomaly: Scan
    mask: Scan
    parts: Parts | None
    how: str
    warnings: tuple[str, ...]


def hear_both(scan: Scan, maps: ScanMaps, contrast: str | None) -> Testimony:
    """Both witnesses heard on the scan's own grid.

    Parameters
    ----------
    scan : Scan
        As `scan.intensity.with_background_at_zero` gives it.
    maps : ScanMaps
        What the network made of it, on the same grid.
    contrast : str or None
        Of the scan, one of `scan.contrast.CONTRASTS`: says whether lesions are bright, dark, or either.
    """
    network, brain = maps.anomaly, maps.brain
    mask = np.zeros(scan.voxels.shape, np.uint8)
    if not (found := ndimage.find_objects(np.asarray(brain.voxels > 0).view(np.uint8))):
        return Testimony(network, network.with_voxels(mask), None, "no brain", ())
    box: Slices = found[0]
    heard = _residual(scan, maps, box, ct=contrast == "CT")
    p = np.where(brain.voxels[box] > 0, network.voxels[box], np.float32(0))
    anomaly = np.zeros(scan.voxels.shape, np.float32)
    if heard.failure is None:
        q = fused(p, heard.z, heard.said, contrast)
        q[(q < LEAST_P) | (brain.voxels[box] == 0)] = 0
        who, warnings = "network and own contrast", tuple[str, ...]()
    else:
        q, who = p, "network alone"
        warnings = (f"the anomaly map is the network's alone: {heard.failure}",)
    anomaly[box], mask[box] = q, q > THRESHOLD
    return Testimony(
        network.with_voxels(anomaly),
        network.with_voxels(mask),
        Parts(box, p, heard.z),
        f"{who}; mask above {THRESHOLD:g}: {PROMISE}",
        warnings,
    )


def fused(
    p: FloatArray, z: FloatArray, said: FloatArray, contrast: str | None, rule: Rule = RULE
) -> FloatArray:
    """Probability of an anomaly from both witnesses; it rises with each.

    Parameters
    ----------
    p : (X, Y, Z) float32
        The network's probability.
    z : (X, Y, Z) float32
        Of the residual, signed.
    said : (X, Y, Z) float32
        In [0, 1], how far the residual may speak.
    contrast : str or None
        Of the scan: where its lesions lie.
    rule : Rule
        The weights.
    """
    odds = np.clip(special.logit(np.clip(p, 1e-6, 1 - 1e-6)), -_SURE, _SURE)
    lesion = np.minimum(evidence(z, contrast), _SURE)
    bright = np.maximum(lesion, np.minimum(z, _SURE))
    together = rule.base + rule.network * odds + rule.residual * lesion + rule.both * p * bright
    out: FloatArray = special.expit(said * together + (1 - said) * (odds - rule.alone)).astype(np.float32)
    return out


def evidence(z: FloatArray, contrast: str | None) -> FloatArray:
    """How far z departs in the direction of lesions, at least 0.

    Dark in T1w; bright in T2w, FLAIR, PD and DWI; either in all else: contrast agents and blood make a T1w
    bright, fresh strokes an ADC dark and old ones bright, CT has infarcts and blood.

    Parameters
    ----------
    z : (X, Y, Z) float32
        Of the residual.
    contrast : str or None
        One of `scan.contrast.CONTRASTS`, or another BIDS suffix.
    """
    return np.asarray(np.maximum.reduce([np.maximum(sign * z, 0) for sign in lesion_signs(contrast)]))


def lesion_signs(contrast: str | None) -> tuple[int, ...]:
    """Where lesions lie in a contrast: (1,) bright, (-1,) dark, (1, -1) either.

    Parameters
    ----------
    contrast : str or None
        One of `scan.contrast.CONTRASTS`, or another BIDS suffix.

    Examples
    --------
    >>> lesion_signs("T1w"), lesion_signs("FLAIR"), lesion_signs("CT"), lesion_signs(None)
    ((-1,), (1,), (1, -1), (1, -1))
    """
    return _SIGNS.get(contrast or "", (1, -1))


_SIGNS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("T1w", "UNIT1"), (-1,)),
    **dict.fromkeys(("T2w", "FLAIR", "PD", "DWI", "T2starw"), (1,)),
}


def _residual(scan: Scan, maps: ScanMaps, box: Slices, *, ct: bool) -> Residual:
    """The residual in a box; of very fine voxels by way of coarser ones."""
    here = scan.grid.part(box)
    parts = [np.asarray(s.voxels[box]) for s in (scan, maps.anatomy, maps.brain)]
    coarse = at_spacing(here, np.maximum(here.spacing_mm, FINEST_MM))
    if parts[0].size <= MANY or coarse.shape == here.shape:
        return own_contrast_residual(*_typed(parts), here.spacing_mm, ct=ct)
    parts = [resample(part, here, coarse) for part in parts]
    heard = own_contrast_residual(*_typed(parts), coarse.spacing_mm, ct=ct)
    z, said = (resample(x, coarse, here) for x in (heard.z, heard.said))
    return replace(heard, z=z, said=said)


def _typed(parts: list[FloatArray]) -> tuple[FloatArray, FloatArray, Mask]:
    image, anatomy, brain = parts
    return image, anatomy.astype(np.float32), brain > 0.5
