"""Normal ageing: wide ventricles and sulci, bright caps of the ventricles, iron; draw, then apply.

Old heads are few in training sets. The ventricles of a young one are widened by a smooth flow that leaves
the brain's border where it is, so that tissue is squeezed and nothing tears: the healthy target shows them
wide too, for that is how this anatomy looks.

Volumes of the lateral ventricles grow from about 20 mL at 40 years to 50 mL at 80, and reach 150 mL in
healthy old people (Walhovd et al. 2011, Neurobiol Aging 32:916). Caps and thin rims of up to some 3 mm are
found in most people over 60 and are not called a disease (Fazekas et al. 1987, AJR 149:351, grade 1).
Iron: Hallgren and Sourander 1958, J Neurochem 3:41.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..types import FloatArray
from .anatomy import Anatomy
from .drift import drift

REACH_MM = 18.0  # over which the flow towards the ventricles falls by a factor e
BORDER_MM = 12.0  # from the brain's border, within which the flow fades to nothing
STEP_MM = 0.5
DEEP_MM = 10.0  # around the ventricles: no sulci there
_DIRECTIONS: "WeakKeyDictionary[Anatomy, npt.NDArray[np.float16]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class AgeingParams:
    """How old a head looks.

    Parameters
    ----------
    widening_mm : float
        How far the walls of the ventricles move.
    sulci : float
        Share of the way from a voxel's intensity to the least of its neighbours', in the cortex.
    caps : float
        Brightness of the ventricles' rim, in units of the white matter.
    caps_mm : float
        Its width: σ of its profile in mm.
    iron : float
        What the pallidum loses in T2w, in units of the white matter; other nuclei less.
    """

    widening_mm: float = 0.0
    sulci: float = 0.0
    caps: float = 0.0
    caps_mm: float = 1.0
    iron: float = 0.0


def draw_ageing(rng: np.random.Generator) -> AgeingParams:
    """A head as young as it is in nearly four of ten samples, else up to about 95 years.

    The oldest have ventricles of some 150 mL.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    """
    age = max(0.0, float(rng.uniform(-0.6, 1.0)))  # 0: as it is, 1: the oldest
    return AgeingParams(
        widening_mm=float(age * rng.uniform(0.6, 1.0) * 14.0),
        sulci=float(age * rng.uniform(0, 0.7)),
        caps=float(rng.uniform(0, 0.15) + age * rng.uniform(0, 0.45)),
        caps_mm=float(rng.uniform(0.8, 1.5) + age * rng.uniform(0, 1.5)),
        iron=float(rng.uniform(0, 0.08) + age * rng.uniform(0, 0.25)),
    )


def widening(anatomy: Anatomy, widening_mm: float) -> FloatArray:
    """Displacement (X, Y, Z, 3) in voxels: where to read the head so that its ventricles are wider.

    Each voxel follows, backwards, a flow of unit speed towards the nearest ventricle. Its stream lines meet
    in the middle of the ventricles and do not pass through them.

    Parameters
    ----------
    anatomy : Anatomy
        Of a head.
    widening_mm : float
        How far the walls move.
    """
    steps = max(1, round(widening_mm / STEP_MM))
    out = np.zeros((*anatomy.grid.shape, 3), np.float32)
    if widening_mm > 0:
        if anatomy not in _DIRECTIONS:  # half floats: there are many heads
            _DIRECTIONS[anatomy] = towards_ventricles(anatomy).astype(np.float16)
        drift(_DIRECTIONS[anatomy].astype(np.float32), steps, np.float32(widening_mm / steps), out)
    return out


def towards_ventricles(anatomy: Anatomy) -> FloatArray:
    """Direction to the ventricles (X, Y, Z, 3), in voxels per mm, shorter far from them and near the skull.

    Parameters
    ----------
    anatomy : Anatomy
        Of a head.
    """
    spacing = np.asarray(anatomy.grid.spacing_mm)
    near = sum(
        share * ndimage.gaussian_filter(anatomy.ventricles.astype(np.float32), mm / spacing, truncate=3)
        for share, mm in ((1.0, 2.0), (0.5, 5.0), (0.25, 12.0))
    )
    slope = np.stack(np.gradient(near, *spacing), axis=-1)
    size = np.linalg.norm(slope, axis=-1, keepdims=True)
    distance = anatomy.from_ventricles_mm
    # in the fluid the slope vanishes along the middle, towards which everything flows
    direction = slope / (size + 0.02 * np.exp(-distance / 3.0)[..., None] + 1e-6)
    speed = np.exp(-distance / REACH_MM) * np.clip(anatomy.depth_mm / BORDER_MM, 0, 1)
    out: FloatArray = (direction * speed[..., None] / spacing).astype(np.float32)
    return out


def with_wide_sulci(anatomy: Anatomy, share: float) -> FloatArray:
    """T1w (X, Y, Z) whose gyri are thinner, away from the ventricles and the deep nuclei.

    Parameters
    ----------
    anatomy : Anatomy
        Of a head.
    share : float
        As of `AgeingParams.sulci`.
    """
    if share <= 0:
        return anatomy.t1w
    box = ndimage.find_objects(anatomy.brain.astype(np.uint8))[0]
    own = anatomy.t1w[box]
    cross = ndimage.generate_binary_structure(3, 1)
    least = ndimage.minimum_filter(own, footprint=cross)
    where = anatomy.brain[box] & (anatomy.groups[box] == 0) & (anatomy.from_ventricles_mm[box] > DEEP_MM)
    out = anatomy.t1w.copy()
    out[box] = own - np.float32(share) * (own - least) * where
    return out


def caps_profile(from_ventricles_mm: FloatArray, params: AgeingParams) -> FloatArray:
    """Brightness of the ventricles' rim (X, Y, Z), in units of the white matter.

    Parameters
    ----------
    from_ventricles_mm : (X, Y, Z) float32
        Distance to the ventricles.
    params : AgeingParams
        Of `draw_ageing`.
    """
    profile: FloatArray = params.caps * np.exp(-((from_ventricles_mm / params.caps_mm) ** 2))
    return profile
