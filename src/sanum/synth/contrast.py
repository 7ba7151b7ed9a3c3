"""Images of random modality from a bias-corrected T1w: intensity as a function of tissue.

Between fluid, grey and white matter the partial volume follows from the T1w intensity, so a new modality is a
piecewise linear function of it with the new tissue means at the old ones; nuclei get offsets, the rest of
the head its own function. The T1w's texture is kept, scaled by the slope; another texture may be added, with
a width for each tissue.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..scan.contrast import Contrast
from ..types import FloatArray
from .box import DEFAULT_BOX
from .kernels import recolour

Preset = Literal["t1w", "free", "dwi", "t2w", "flair", "pd", "ct", "t1ce", "adc"]
PRESETS: dict[Preset, float] = {
    "t1w": 0.50,
    "free": 0.13,
    "dwi": 0.03,
    "t2w": 0.12,
    "flair": 0.12,
    "pd": 0.03,
    "ct": 0.07,
}
RARER: dict[Preset, float] = {"t1ce": 0.06, "adc": 0.03}
"""Drawn in the world alone (world.py), beside `PRESETS`."""
CALLED: dict[Preset, Contrast] = {
    "t1w": "T1w",
    "t1ce": "T1wCE",
    "t2w": "T2w",
    "flair": "FLAIR",
    "pd": "PD",
    "dwi": "DWI",
    "adc": "ADC",
    "ct": "CT",
    "free": "unknown",
}
"""What a network is told."""
DARKER: dict[Preset, bool] = {
    "t1w": True,
    "t1ce": True,
    "ct": True,
    "t2w": False,
    "flair": False,
    "pd": False,
    "dwi": False,
    "adc": True,
}
"""Whether anomalies are darker than white matter, as a rule (acute ones for DWI and ADC)."""

# ranges of (fluid, grey, white) on a 0–1 scale; CT is HU / 80
_RANGES: dict[Preset, tuple[tuple[float, float], ...]] = {
    "free": ((0.08, 1.0), (0.08, 1.0), (0.08, 1.0)),
    "dwi": ((0.02, 0.15), (0.45, 0.8), (0.35, 0.7)),
    "t2w": ((0.8, 1.1), (0.42, 0.72), (0.25, 0.5)),
    "flair": ((0.03, 0.3), (0.5, 0.8), (0.38, 0.68)),
    "pd": ((0.6, 1.0), (0.7, 0.95), (0.5, 0.75)),
    "ct": ((0.05, 0.18), (0.40, 0.52), (0.31, 0.42)),
    "adc": ((0.9, 1.2), (0.28, 0.36), (0.24, 0.33)),
}
# of a FLAIR, as a share of white matter: cortex (0.65 to 1.22 over real ones), mesial temporal lobe
_FLAIR_CORTEX, _FLAIR_MESIAL = (0.92, 1.32), (0.0, 0.18)
# groups of nuclei (labels.GROUPS) alike enough to share an offset now and then; 0 is the cortex
_ALIKE = ((1, 2), (2, 3), (3, 0), (4, 5), (6, 0), (8, 0))
# share of the pallidum's iron in each group; the red nucleus, nigra and dentate are parts of theirs
_IRON = (0.0, 0.2, 0.7, 0.45, 1.0, 0.35, 0.0, 0.25, 0.0)
_IRON_SHOWS: dict[Preset, float] = {"t2w": 1.0, "flair": 0.6, "dwi": 0.8, "pd": 0.5}
HEAD_KNOTS = np.array([0.0, 0.12, 0.35, 0.75, 1.2, 2.0])


@dataclass(frozen=True)
class ContrastParams:
    """Parameters of one modality, on a scale where a bright tissue is about 1.

    Parameters
    ----------
    preset : Preset
        Name of the modality.
    tissue : (3,) float
        Intensity of fluid, grey and white matter.
    groups : (9,) float
        Offset of each group of nuclei (`labels.GROUPS`); the first is that of no group.
    head : tuple of float
        Intensity at `HEAD_KNOTS` outside of the brain.
    above : float
        Slope above white matter.
    below : float
        Slope below fluid, in units of that between fluid and grey matter.
    widths : (4,) float
        σ of a correlated texture in fluid, grey matter, white matter and head.
    smoothness_mm : float
        σ of its correlation in mm.
    seed : int
        Of the texture.
    """

    preset: Preset
    tissue: tuple[float, float, float]
    groups: tuple[float, ...]
    head: tuple[float, ...]
    above: float
    below: float
    widths: tuple[float, float, float, float]
    smoothness_mm: float
    seed: int


def draw_preset(rng: np.random.Generator) -> Preset:
    """One preset with the probabilities of `PRESETS`.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    """
    names = list(PRESETS)
    return names[int(rng.choice(len(names), p=list(PRESETS.values())))]


def draw_contrast(
    rng: np.random.Generator, preset: Preset, t1_means: npt.ArrayLike, *, world: bool = False
) -> ContrastParams:
    """Parameters of one modality.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    preset : Preset
        Name of the modality.
    t1_means : (3,) float
        The T1w's own means of fluid, grey and white matter.
    world : bool
        Cortex and mesial temporal lobe of a FLAIR, and fat of any modality, as they are in people.
    """
    t1w_like = preset in ("t1w", "t1ce")
    if t1w_like:
        means = np.asarray(t1_means, dtype=float)
        tissue = means + rng.normal(0, [0.05, 0.03, 0.0])
        if rng.random() < 0.2:  # spin echo: grey matter nearer to white, fluid to grey
            tissue[1] += rng.uniform(0, 0.6) * (tissue[2] - tissue[1])
            tissue[0] += rng.uniform(0, 0.3) * (tissue[1] - tissue[0])
        head = HEAD_KNOTS * rng.uniform(0.7, 1.3, HEAD_KNOTS.size)
        offset, texture = 0.01, rng.uniform(0, 0.01)
    else:
        tissue = np.array([rng.uniform(*r) for r in _RANGES[preset]])
        if preset in ("flair", "ct", "dwi") and tissue[2] > tissue[1]:
            tissue[1:] = tissue[:0:-1]
        head = rng.uniform(0.0, 1.2, HEAD_KNOTS.size)
        head[0] = 0.0
        if preset == "ct":
            head[1:] = [1.5, *rng.uniform(0.2, 0.8, 3), rng.uniform(0, 0.1)]
        offset = 0.02 if preset == "ct" else 0.05
        texture = rng.uniform(0, 0.05)
    groups = rng.normal(0, offset, 9)
    groups[0] = 0
    if preset in ("t2w", "flair"):
        iron = rng.uniform(0, 0.2)  # most in the pallidum, less in putamen, thalamus and caudate
        groups[4] -= iron
        groups[1:4] -= iron * rng.uniform(0, [0.8, 1.0, 0.6])
    slope = float(rng.uniform(0.5, 1.0) if t1w_like else rng.uniform(-0.3, 0.6))
    # a real T1w is darker still below the mean of its fluid; an image made from it may be flatter there
    below = slope * (float(rng.uniform(0.3, 1.0)) if t1w_like else 0.3)
    smoothness, seed = float(rng.uniform(0.3, 1.0)), int(rng.integers(2**31))
    own = np.random.default_rng([seed, 1])  # what was added later, so that the draws above stay as they were
    if preset == "t1w" and own.random() < 0.3:
        # without fat suppression fat is far brighter than white matter
        head = head * np.interp(HEAD_KNOTS, [0.6, 1.3], [1.0, own.uniform(1.0, 2.5)])
    if preset == "free":
        for one, other in _ALIKE:
            if own.random() < 0.3:
                groups[one] = groups[other]
    if world and preset != "ct" and own.random() < 0.3:  # fat, near the coils and not suppressed
        head = head * np.interp(HEAD_KNOTS, [0.6, 1.3], [1.0, own.uniform(1.0, 3.0)])
    if world and preset == "flair":
        tissue[1] = tissue[2] * own.uniform(*_FLAIR_CORTEX)
        groups[8] += tissue[2] * own.uniform(*_FLAIR_MESIAL)
    return ContrastParams(
        preset=preset,
        tissue=tuple(map(float, tissue)),  # type: ignore[arg-type]
        groups=tuple(map(float, groups)),
        head=tuple(map(float, head)),
        above=slope,
        below=below,
        widths=tuple(map(float, texture * own.uniform(0.5, 1.5, 4))),  # type: ignore[arg-type]
        smoothness_mm=2 * smoothness,
        seed=seed,
    )


def with_iron(params: ContrastParams, iron: float) -> ContrastParams:
    """Parameters whose nuclei are darker by iron, where the modality shows it.

    Parameters
    ----------
    params : ContrastParams
        Of `draw_contrast`.
    iron : float
        What the pallidum loses in a T2w, in units of the white matter.
    """
    shown = iron * _IRON_SHOWS.get(params.preset, 0.0) * params.tissue[2]
    if not shown:
        return params
    return replace(params, groups=tuple(g - shown * s for g, s in zip(params.groups, _IRON, strict=True)))


def own_contrast(t1_means: npt.ArrayLike) -> ContrastParams:
    """Parameters that do not change a T1w up to intensity 2.

    Parameters
    ----------
    t1_means : (3,) float
        Means of fluid, grey and white matter.
    """
    fluid, grey, white = (float(m) for m in np.asarray(t1_means))
    head = tuple(map(float, HEAD_KNOTS))
    return ContrastParams("t1w", (fluid, grey, white), (0.0,) * 9, head, 1.0, 1.0, (0.0,) * 4, 1.0, 0)


def typical_flair() -> ContrastParams:
    """The FLAIR in the middle of what is drawn, without texture, 0 outside of the brain."""
    tissue = tuple(sum(r) / 2 for r in _RANGES["flair"])
    nothing = (0.0,) * HEAD_KNOTS.size
    return ContrastParams("flair", tissue, (0.0,) * 9, nothing, 0.15, 0.045, (0.0,) * 4, 1.0, 0)  # type: ignore[arg-type]


def apply_contrast(
    t1w: FloatArray,
    brain: FloatArray,
    groups: npt.NDArray[np.uint8],
    t1_means: npt.ArrayLike,
    params: ContrastParams,
    spacing_mm: float = DEFAULT_BOX.spacing_mm,
) -> FloatArray:
    """Image (X, Y, Z) of the modality.

    Parameters
    ----------
    t1w : (X, Y, Z) float32
        White matter at 1.
    brain : (X, Y, Z) float32
        Soft mask in [0, 1].
    groups : (X, Y, Z) uint8
        Number of each voxel's group of nuclei (`labels.GROUPS`), else 0.
    t1_means : (3,) float
        The T1w's means of fluid, grey and white matter.
    params : ContrastParams
        Of `draw_contrast`.
    spacing_mm : float
        Edge of a voxel in mm.
    """
    knots, values, widths = curves(t1_means, params)
    noise = np.zeros_like(t1w)
    if any(params.widths):
        noise = np.random.default_rng(params.seed).standard_normal(t1w.shape, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, params.smoothness_mm / spacing_mm, truncate=2)
        noise /= max(float(noise[::4, ::4, ::4].std()), 1e-6)
    image = np.empty_like(t1w, dtype=np.float32)
    recolour(
        np.ascontiguousarray(t1w, np.float32),
        np.ascontiguousarray(brain, np.float32),
        groups,
        np.array(params.groups, np.float32),
        noise,
        knots,
        values,
        widths,
        HEAD_KNOTS,
        np.array(params.head),
        params.widths[3],
        params.preset in ("t1w", "t1ce"),
        image,
    )
    return image


def is_darker(contrast: ContrastParams) -> bool:
    """Whether anomalies are darker than white matter, as a rule; of a free modality the sign rule decides.

    Parameters
    ----------
    contrast : ContrastParams
        Of any modality.
    """
    return DARKER.get(contrast.preset, contrast.tissue[2] > contrast.tissue[1])


def white_share(t1w: FloatArray, t1_means: npt.ArrayLike) -> FloatArray:
    """Share of white matter (X, Y, Z) by the T1w: 0 half-way to the grey, 1 at the white.

    Parameters
    ----------
    t1w : (X, Y, Z) float32
        White matter at 1.
    t1_means : (3,) float
        The T1w's means of fluid, grey and white matter.
    """
    _, grey, white = (float(m) for m in np.asarray(t1_means))
    half = (grey + white) / 2
    out: FloatArray = np.clip((t1w - half) / max(white - half, 0.02), 0, 1).astype(np.float32)
    return out


def curves(
    t1_means: npt.ArrayLike, params: ContrastParams
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Knots of T1w intensity inside the brain, with the modality's intensity and width at each.

    Parameters
    ----------
    t1_means : (3,) float
        The T1w's means of fluid, grey and white matter.
    params : ContrastParams
        Of `draw_contrast`.
    """
    fluid, grey, white = (float(m) for m in np.asarray(t1_means))
    f, g, w = params.tissue
    below = f - params.below * fluid * (g - f) / max(grey - fluid, 0.1)
    values = np.array([below, f, g, w, w + params.above * (2.0 - white)])
    widths = params.widths
    return (
        np.array([0.0, fluid, grey, white, 2.0]),
        np.maximum(values, 0),
        np.array([widths[0], *widths[:3], widths[2]]),
    )
