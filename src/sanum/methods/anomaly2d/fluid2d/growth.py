"""Anomalies on a normal image: the fluid gives their shape, a level and a texture their looks."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image
from scipy import ndimage

from ....fluid import draw_flow, ellipsoid_shape, gradient_noise, noise_shape, transport
from ....scan.picture_conform import resized
from ....types import FloatArray, Mask

GRID = 64
"""Cells of a side of the grid that the fluid flows on, at most: shapes are smooth, and steps are long."""

ACROSS_MM = 200.0
"""Side of every picture for the fluid, whose scales are those of a head."""

DARK = 0.06
"""Below this, in [0, 1], lies the background."""

SATURATED = 0.92
"""From here on nothing can be seen: bone, metal, a light."""

SEEN = 0.05
"""Change of intensity from which on an anomaly is marked in full."""

Kind: TypeAlias = Literal["bright", "dark", "textured"]
Form: TypeAlias = Literal["ellipse", "layer", "spots"]
KINDS: tuple[Kind, ...] = ("bright", "dark", "textured")


@dataclass(frozen=True)
class GrowthConfig:
    """What anomalies are drawn from.

    Parameters
    ----------
    healthy : float
        Share of the images that have none.
    most : int
        Anomalies of an image, at most.
    bright, dark, textured : float
        How often each kind is drawn, relative to the others.
    contrast : (float, float)
        Least and largest difference from the tissue around; of intensities in [0, 1].
    radius : (float, float)
        Least and largest half axis of an ellipse that the fluid deforms, as shares of the side.
    scattered : float
        Share of anomalies that start as many spots of noise, and not as an ellipse.
    layered : float
        Share that start as a layer along the border.
    filling : float
        Share of bright and dark ones that take only what was dark, or bright, of what lies below.
    opacity : float
        Least share of what lies below that an anomaly hides.
    """

    healthy: float = 0.3
    most: int = 3
    bright: float = 1.0
    dark: float = 1.0
    textured: float = 1.0
    contrast: tuple[float, float] = (0.1, 0.5)
    radius: tuple[float, float] = (0.03, 0.2)
    scattered: float = 0.08
    layered: float = 0.25
    filling: float = 0.2
    opacity: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.healthy < 1 or not 0 <= self.scattered <= 1 or not 0 <= self.opacity <= 1:
            raise ValueError("growth.healthy, growth.scattered and growth.opacity are shares from 0 to 1")
        if self.most < 1 or min(self.weights) < 0 or not any(self.weights):
            raise ValueError("growth.most is at least 1, and some kind of anomaly is drawn")
        for name in ("contrast", "radius"):
            low, high = getattr(self, name)
            if not 0 < low <= high < 1:
                raise ValueError(f"growth.{name} is a range within 0 and 1, got {low} to {high}")

    @property
    def weights(self) -> tuple[float, float, float]:
        """Of bright, dark and textured."""
        return self.bright, self.dark, self.textured


@dataclass(frozen=True)
class GrowthParams:
    """One anomaly: plain numbers.

    Parameters
    ----------
    kind : "bright", "dark" or "textured"
        How it differs.
    seed : int
        Of the fields of noise: flow, texture, spots.
    place : float
        Which pixel of the domain is the middle, as a share of their number.
    radii : (float, float)
        Half axes, as shares of the side.
    form : "ellipse", "layer" or "spots"
        What the flow starts from; of a layer, only what an ellipse twice as large holds.
    spots : float
        Percentile of noise above which spots start.
    depth : float
        Of a layer, as a share of the side.
    filling : bool
        Only what was dark (of a dark anomaly: bright) below is taken.
    speed : float
        Peak of the flow, mm per unit of time.
    spread : float
        √(2 D) in mm.
    duration : float
        Units of time.
    contrast : float
        Difference from the tissue around.
    roughness : float
        Amplitude of the texture.
    grain : float
        Cells of the texture along a side.
    opacity : float
        Share of what lies below that is hidden.
    """

    kind: Kind
    seed: int
    place: float
    radii: tuple[float, float]
    form: Form
    spots: float
    depth: float
    filling: bool
    speed: float
    spread: float
    duration: float
    contrast: float
    roughness: float
    grain: float
    opacity: float


def draw_growth(rng: np.random.Generator, config: GrowthConfig) -> tuple[GrowthParams, ...]:
    """Anomalies of one image, none in some.

    Parameters
    ----------
    rng : Generator
        Of NumPy.
    config : GrowthConfig
        What to draw from.
    """
    if rng.random() < config.healthy:
        return ()
    count = 1 + min(int(rng.geometric(0.65)) - 1, config.most - 1)
    return tuple(_draw_one(rng, config) for _ in range(count))


def _draw_one(rng: np.random.Generator, config: GrowthConfig) -> GrowthParams:
    weights = np.array(config.weights)
    kind = KINDS[int(rng.choice(3, p=weights / weights.sum()))]
    low, high = np.log(config.radius)
    first, second = np.exp(rng.uniform(low, high)), rng.uniform(0.6, 1.6)
    contrast = rng.uniform(*config.contrast)
    luck = rng.random()
    form: Form = (
        "spots"
        if luck < config.scattered
        else "layer"
        if luck < config.scattered + config.layered
        else "ellipse"
    )
    rough = rng.uniform(0.1, 0.5) if kind == "textured" else rng.uniform(0, 0.2)
    return GrowthParams(
        kind,
        seed=int(rng.integers(1 << 62)),
        place=float(rng.random()),
        radii=(float(first * second), float(first / second)),
        form=form,
        spots=float(rng.uniform(95, 99.5)),
        depth=float(rng.uniform(0.02, 0.1)),
        filling=bool(rng.random() < config.filling),
        speed=float(rng.uniform(10, 60)),
        spread=float(rng.uniform(0.2, 3)),
        duration=float(rng.uniform(0.2, 1)),
        contrast=float({"bright": contrast, "dark": -contrast, "textured": 0.0}[kind]),
        roughness=float(rough),
        grain=float(np.exp(rng.uniform(np.log(8), np.log(40)))),
        opacity=float(rng.uniform(config.opacity, 1)),
    )


def domain_of(pixels: FloatArray, valid: Mask) -> Mask:
    """Where anomalies may be: the object's largest part that is not saturated, its holes filled.

    All that is valid if hardly anything is bright.

    Parameters
    ----------
    pixels : (C, S, S) float32
        In [0, 1].
    valid : (S, S) bool
        Pixels that count.
    """
    smooth = ndimage.gaussian_filter(pixels.mean(0), 1.0)
    least = 0.05 * valid.sum()
    whole: Mask = ndimage.binary_fill_holes((smooth > DARK) & valid) & valid
    parts, count = ndimage.label(ndimage.binary_opening(whole & (smooth < SATURATED), iterations=2))
    if count:
        sizes = ndimage.sum_labels(parts > 0, parts, range(1, count + 1))
        inner: Mask = ndimage.binary_fill_holes(parts == 1 + int(np.argmax(sizes))) & whole
        if inner.sum() >= 4 * least:
            return inner
    return whole if whole.sum() >= least else valid


def grown(domain: Mask, params: GrowthParams) -> FloatArray:
    """Shape P (S, S) in [0, 1] of an anomaly, after the flow.

    Parameters
    ----------
    domain : (S, S) bool
        Where it may be.
    params : GrowthParams
        What was drawn.
    """
    size, rng = len(domain), np.random.default_rng(params.seed)
    if size > GRID:
        places = ((np.arange(GRID) + 0.5) * size / GRID).astype(int)
        coarse = domain[np.ix_(places, places)]
        if coarse.any():
            return resized(grown(coarse, params), (size, size), Image.Resampling.BILINEAR) * domain
    flow = draw_flow(
        domain,
        rng=rng,
        spacing=ACROSS_MM / size,
        peak_speed=params.speed,
        diffusion_length=params.spread,
        periods=5.0,
    )
    p: FloatArray = transport(_start(domain, params, rng), flow, duration=params.duration).p
    peak = float(p.max())
    return p / np.float32(peak) if peak > 0 else p


def _start(domain: Mask, params: GrowthParams, rng: np.random.Generator) -> FloatArray:
    size = len(domain)
    if params.form == "spots":
        spots: FloatArray = noise_shape(
            domain, rng=rng, percentile=params.spots, periods=0.6 / params.radii[0]
        )
        return spots
    deep = ndimage.distance_transform_edt(np.pad(domain, 1))[1:-1, 1:-1]
    layer = domain & (deep <= max(params.depth * size, 1.5)) if params.form == "layer" else domain
    places = np.argwhere(layer)
    centre = places[min(int(params.place * len(places)), len(places) - 1)]
    larger = 2.0 if params.form == "layer" or params.filling else 1.0
    radii = [max(larger * r * size, 1.0) for r in params.radii]
    start: FloatArray = ellipsoid_shape(domain, centre_vox=centre.tolist(), radii_vox=radii)
    return start * layer


def painted(pixels: FloatArray, domain: Mask, p: FloatArray, params: GrowthParams) -> FloatArray:
    """The image (C, S, S) with an anomaly of shape P: x + o P (level + contrast + texture − x̄).

    x̄ is the image without its finest grain, which stays: what is smoother than its surroundings would give
    the anomaly away.

    Parameters
    ----------
    pixels : (C, S, S) float32
        In [0, 1].
    domain : (S, S) bool
        Where anomalies may be.
    p : (S, S) float32
        In [0, 1].
    params : GrowthParams
        What was drawn; the level is the mean of what lies below.
    """
    rng = np.random.default_rng([params.seed, 1])
    texture = gradient_noise(p.shape, params.grain, rng=rng, octaves=2)
    each = rng.uniform(0.6, 1.4, len(pixels)) if len(pixels) > 1 else np.ones(1)
    smooth = (0, len(domain) / 100, len(domain) / 100)
    weight = np.maximum(ndimage.gaussian_filter(domain.astype(np.float32), smooth[1:]), 1e-3)
    low = ndimage.gaussian_filter(pixels * domain, smooth) / weight
    if params.filling and params.contrast:
        level = np.array([np.median(x[domain]) for x in low])
        off = (level[:, None, None] - low).mean(0) * np.sign(params.contrast)
        p = p * np.clip((off - 0.03) / 0.06, 0, 1)
    else:
        level = (low * p).sum((1, 2)) / max(float(p.sum()), 1e-6)
    aim = (level + params.contrast * each)[:, None, None] + params.roughness * texture
    made: FloatArray = np.clip(pixels + params.opacity * p * (aim - low), 0, 1).astype(np.float32)
    return made


def with_anomalies(
    pixels: FloatArray, domain: Mask, growth: tuple[GrowthParams, ...]
) -> tuple[FloatArray, FloatArray]:
    """The image with all its anomalies, and the mark (S, S) in [0, 1]: where they are and can be seen.

    Parameters
    ----------
    pixels : (C, S, S) float32
        In [0, 1].
    domain : (S, S) bool
        Where anomalies may be.
    growth : tuple of GrowthParams
        What was drawn.
    """
    sick, there = pixels, np.zeros_like(pixels[0])
    for params in growth:
        p = grown(domain, params)
        sick, there = painted(sick, domain, p, params), np.maximum(there, p)
    change = ndimage.gaussian_filter(np.abs(sick - pixels).max(0), 1.0)
    return sick, there * np.clip(change / SEEN, 0, 1).astype(np.float32)
