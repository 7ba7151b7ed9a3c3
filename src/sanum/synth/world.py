"""Heads and scans as the world has them: old, shaded, with lesions of many kinds; draw, then apply.

Beside the published draws (Table B.1, half masks and half noise): ageing, shading, mass effect, and three
more kinds of anomalies, spots of the white matter, tumours and small acute foci. Glioblastomas displace the
lateral ventricles (Steed et al. 2018, Sci Rep 8:2827); how far ours push, and their oedema, are our choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..types import FloatArray
from .ageing import AgeingParams, draw_ageing, widening
from .anatomy import Anatomy
from .anomaly import ShapeParams, draw_shape
from .contrast import Preset
from .look import LookParams, draw_look
from .shading import ShadingParams, draw_shading
from .spots import draw_spots

KINDS = {"published": 0.42, "spots": 0.33, "tumour": 0.17, "foci": 0.08}
PUSH_MM = 8.0  # that a tumour moves its surroundings at most
SKULL_MM = 10.0  # within which nothing moves


@dataclass(frozen=True)
class WorldParams:
    """What is beyond the published draws; all neutral by default.

    Parameters
    ----------
    ageing : AgeingParams
        Of the head.
    shading : ShadingParams
        Of the scan.
    push_mm : float
        How far the first anomaly moves the tissue at its border.
    """

    ageing: AgeingParams = field(default_factory=AgeingParams)
    shading: ShadingParams = field(default_factory=ShadingParams)
    push_mm: float = 0.0


def draw_world(rng: np.random.Generator, preset: Preset, shapes: Sequence[ShapeParams]) -> WorldParams:
    """What else there is about a head and its scan.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    preset : Preset
        Modality.
    shapes : sequence of ShapeParams
        Of the anomalies: a tumour pushes.
    """
    push = float(rng.uniform(0, PUSH_MM)) * bool(rng.random() < 0.7)
    return WorldParams(
        ageing=draw_ageing(rng),
        shading=draw_shading(
            rng, echo_planar=preset in ("dwi", "adc"), enhanced=preset == "t1ce", x_ray=preset == "ct"
        ),
        push_mm=push if shapes and shapes[0].pushes else 0.0,
    )


def draw_anomalies(
    rng: np.random.Generator, bank: Sequence[Path], count: int
) -> tuple[tuple[ShapeParams, ...], tuple[LookParams, ...]]:
    """Shapes and looks of the anomalies of a head.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    bank : sequence of Path
        Lesion masks in MNI space; may be empty.
    count : int
        How many of the published kind; 0: none of any.
    """
    if not count:
        return (), ()
    names = list(KINDS)
    kind = names[int(rng.choice(len(names), p=list(KINDS.values())))]
    if kind == "published":
        shapes = [draw_shape(rng, bank) for _ in range(count)]
        looks = [_replaced(draw_look(rng), rng) for _ in shapes]
    elif kind == "tumour":
        shapes, looks = _tumour(rng)
    else:
        shapes = [_spots(rng) if kind == "spots" else _foci(rng)]
        looks = [_of_spots(rng)]
    if kind != "spots" and rng.random() < 0.25:  # old people have both
        shapes.append(_spots(rng))
        looks.append(_of_spots(rng))
    return tuple(shapes), tuple(looks)


def _spots(rng: np.random.Generator) -> ShapeParams:
    shape = draw_shape(rng, (), tissue="white")
    return replace(
        shape,
        spots=draw_spots(rng),
        duration=0.1 * int(rng.integers(0, 5)),
        diffusion_length=float(rng.uniform(0.2, 1.0)),
        peak_speed=float(rng.uniform(3, 9)),
    )


def _foci(rng: np.random.Generator) -> ShapeParams:
    """One to four small spots anywhere, as emboli leave them."""
    shape = _spots(rng)
    assert shape.spots is not None
    few = replace(
        shape.spots,
        count=int(rng.integers(1, 5)),
        reach_mm=60.0,
        juxtacortical=0.5,
        symmetric=0.0,
        confluent_mm=0.0,
    )
    return replace(shape, spots=few, tissue="brain")


def _of_spots(rng: np.random.Generator) -> LookParams:
    """Plain in T2w and FLAIR, fainter in a T1w, hardly any texture."""
    return replace(
        draw_look(rng),
        shift=float(np.clip(rng.normal(0.5, 0.22), 0.12, 1.1)),
        against_rule=bool(rng.random() < 0.02),
        texture=float(rng.uniform(0.0, 0.25)),
        faint=float(rng.uniform(0.25, 1.0)),
        replaced=float(rng.uniform(0, 1)) * bool(rng.random() < 0.5),
    )


def _replaced(look: LookParams, rng: np.random.Generator) -> LookParams:
    """The tissue behind an anomaly shows less, or not at all."""
    return replace(look, replaced=float(rng.uniform(0.2, 1.0)) * bool(rng.random() < 0.6))


def _tumour(rng: np.random.Generator) -> tuple[list[ShapeParams], list[LookParams]]:
    """A core, which may have the brightness of its surroundings and a rim, and often an oedema around it."""
    core = replace(
        draw_shape(rng, ()),
        percentile=float(rng.uniform(94, 99.4)),
        periods_per_200mm=float(rng.uniform(2, 4)),
        parts=1,
        pushes=True,
    )
    look = draw_look(rng)
    like_the_rest = rng.random() < 0.5
    shift = float(rng.uniform(0, 0.25)) if like_the_rest else look.shift
    inside = replace(
        look,
        shift=shift,
        against_rule=bool(rng.random() < (0.3 if like_the_rest else 0.12)),
        texture=float(rng.uniform(0.1, 0.5)) * max(1.0, 0.35 / max(shift, 0.1)),
        replaced=float(rng.uniform(0.6, 1.0)),
        rim=float(rng.uniform(0.2, 1.0)) * bool(rng.random() < 0.7),
    )
    shapes, looks = [core], [inside]
    if rng.random() < 0.6:
        shapes.insert(0, replace(core, percentile=max(88.0, core.percentile - float(rng.uniform(2, 6)))))
        around = replace(
            draw_look(rng),
            shift=float(rng.uniform(0.15, 0.6)),
            against_rule=False,
            texture=float(rng.uniform(0, 0.2)),
            faint=float(rng.uniform(0.3, 1.0)),
        )
        looks.insert(0, around)
    return shapes, looks


def displacement(anatomy: Anatomy, world: WorldParams, anomaly: FloatArray | None) -> FloatArray | None:
    """Where to read the head (X, Y, Z, 3), in voxels from each voxel; None: where it is.

    Parameters
    ----------
    anatomy : Anatomy
        Of a head.
    world : WorldParams
        Of `draw_world`.
    anomaly : (X, Y, Z) float32 or None
        P of what pushes.
    """
    moved = widening(anatomy, world.ageing.widening_mm) if world.ageing.widening_mm > 0 else None
    if world.push_mm <= 0 or anomaly is None or not anomaly.any():
        return moved
    pushed = away_from(anatomy, anomaly, world.push_mm)
    return pushed if moved is None else moved + pushed


def away_from(anatomy: Anatomy, anomaly: FloatArray, push_mm: float) -> FloatArray:
    """Displacement (X, Y, Z, 3) in voxels of tissue that an anomaly pushes outwards, most at its border.

    Along the radius r from its middle the tissue comes from r − m (r/R) exp(1 − r/R), R the radius of a ball
    of its volume, which is monotone, so that nothing tears, while m < R / e.

    Parameters
    ----------
    anatomy : Anatomy
        Of a head.
    anomaly : (X, Y, Z) float32
        P.
    push_mm : float
        m; cut to 0.3 R, and less near the skull.
    """
    spacing = np.asarray(anatomy.grid.spacing_mm)
    solid = anomaly > 0.2 * float(anomaly.max())
    middle = np.array(ndimage.center_of_mass(solid))
    radius = float((solid.sum() * np.prod(spacing) * 3 / (4 * np.pi)) ** (1 / 3))
    away = [
        ((np.arange(n) - c) * s).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, c, s) in enumerate(zip(anomaly.shape, middle, spacing, strict=True))
    ]
    r = np.sqrt(sum(x * x for x in away)).astype(np.float32)
    most = min(push_mm, 0.3 * radius)
    size = most / radius * np.exp(1 - r / radius) * np.clip(anatomy.depth_mm / SKULL_MM, 0, 1)
    out: FloatArray = np.stack([-size * x / s for x, s in zip(away, spacing, strict=True)], axis=-1).astype(
        np.float32
    )
    return out
