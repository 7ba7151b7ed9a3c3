"""A made-up slice through a mother and her fetus, moving: slow breathing, and a small fast heart.

Everything is an ellipse with a soft edge, so that the truth is known at any time. The mother's wall and
organs move with her breath; the heart, of a few pixels, loses 40 % of its area in each beat. There is a
slowly varying phase, as any image of gradient echoes has.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..types import Mask

ComplexArray = npt.NDArray[np.complex64]


@dataclass(frozen=True)
class Ellipse:
    """A part of the slice; lengths are half the field of view.

    Parameters
    ----------
    at : (float, float)
        Middle, y and x in [-1, 1].
    size : (float, float)
        Half axes, along y and x before it is turned.
    turn : float
        Radians.
    value : float
        Intensity.
    breathes : float
        How far the breath moves it along y.
    """

    at: tuple[float, float]
    size: tuple[float, float]
    turn: float
    value: float
    breathes: float = 0.0


@dataclass(frozen=True)
class FetalParams:
    """One mother and her fetus.

    Parameters
    ----------
    parts : tuple of Ellipse
        From back to front, without the heart.
    heart : Ellipse
        Of the fetus, at its widest; the muscle around it is half as bright.
    muscle : float
        Thickness of the muscle.
    squeeze : float
        Share of the heart's area that is lost in a beat.
    heart_hz, heart_start : float
        Beats a second; phase of the first frame in turns.
    breath_hz, breath_start : float
        Of the mother.
    phase : (6,) tuple of float
        Radians: of 1, y, x, y², x², yx.
    """

    parts: tuple[Ellipse, ...]
    heart: Ellipse
    muscle: float
    squeeze: float
    heart_hz: float
    heart_start: float
    breath_hz: float
    breath_start: float
    phase: tuple[float, ...] = field(default=(0.0,) * 6)


def draw_fetal(rng: np.random.Generator) -> FetalParams:
    """One random slice.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    """

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    wide, high = between(0.78, 0.88), between(0.62, 0.75)
    breath = between(0.015, 0.03)
    parts = [
        Ellipse((0.0, 0.0), (high, wide), 0.0, between(0.75, 0.9), breath),  # fat
        Ellipse((0.0, 0.0), (high - 0.07, wide - 0.07), 0.0, between(0.3, 0.4), breath),  # muscle
        Ellipse((0.45 * high, 0.0), (0.12, 0.14), 0.0, between(0.5, 0.7)),  # spine
    ]
    for side in (-1, 1):
        place = (0.3 * high + between(-0.05, 0.05), side * between(0.4, 0.5) * wide)
        size = (between(0.08, 0.14), between(0.06, 0.1))
        parts.append(Ellipse(place, size, between(-1, 1), between(0.5, 0.9), 1.5 * breath))
    uterus = (between(-0.2, -0.1), between(-0.1, 0.1))
    parts.append(Ellipse(uterus, (0.38 * high / 0.7, 0.5 * wide / 0.8), between(-0.2, 0.2), 0.95, breath))
    body = (uterus[0] + between(-0.04, 0.04), uterus[1] + between(-0.08, 0.08))
    parts.append(
        Ellipse(body, (between(0.24, 0.27), between(0.28, 0.33)), between(-0.3, 0.3), between(0.4, 0.55))
    )
    side = -1 if rng.uniform() < 0.5 else 1
    parts.append(Ellipse((body[0] + 0.1, body[1] - side * 0.16), (0.07, 0.06), 0.0, between(0.6, 0.75)))
    radius = between(4, 6) / 32  # pixels of an image of 64
    return FetalParams(
        parts=tuple(parts),
        heart=Ellipse(
            (body[0] - 0.02, body[1] + side * 0.06), (radius, radius * between(0.85, 1)), between(-1, 1), 1.0
        ),
        muscle=between(0.03, 0.045),
        squeeze=0.4,
        heart_hz=between(2.0, 2.6),
        heart_start=between(0, 1),
        breath_hz=between(0.25, 0.35),
        breath_start=between(0, 1),
        phase=tuple(float(x) for x in rng.uniform(-0.8, 0.8, 6)),
    )


def fetal_movie(
    fetal: FetalParams,
    shape: tuple[int, int],
    frames: int,
    *,
    frame_s: float = 0.072,
    columns: slice | None = None,
) -> ComplexArray:
    """The slice at each frame, (T, Y, X) complex64; intensity is at most about 1.

    Parameters
    ----------
    fetal : FetalParams
        The slice.
    shape : (int, int)
        Y, X.
    frames : int
        T.
    frame_s : float
        Seconds from frame to frame.
    columns : slice, optional
        Of these pixels along x alone.
    """
    y, x = _axes(shape)
    x = x[:, columns or slice(None)]
    edge = 2.0 / min(shape)
    movie = np.zeros((frames, len(y), x.shape[1]), np.float32)
    seconds = (np.arange(frames) * frame_s)[:, None, None]
    breath = np.sin(2 * np.pi * (fetal.breath_hz * seconds + fetal.breath_start))
    for part in fetal.parts:
        moved = y - part.breathes * breath if part.breathes else y[None]
        _paint(movie, part.value, _outside(part, moved, x, 1.0, 0.0) / edge)
    lost = fetal.squeeze * (1 - np.cos(2 * np.pi * (fetal.heart_hz * seconds + fetal.heart_start))) / 2
    smaller = np.sqrt(1 - lost)
    for value, more in ((0.5 * fetal.heart.value, fetal.muscle), (fetal.heart.value, 0.0)):
        _paint(movie, value, _outside(fetal.heart, y[None], x, smaller, more) / edge)
    terms = np.broadcast_arrays(np.ones(movie.shape[1:]), y, x, y**2, x**2, y * x)
    turn = sum(a * term for a, term in zip(fetal.phase, terms, strict=True))
    found: ComplexArray = (movie * np.exp(1j * turn)).astype(np.complex64)
    return found


def heart_region(fetal: FetalParams, shape: tuple[int, int]) -> Mask:
    """Pixels of the heart and its muscle at its widest, (Y, X) bool.

    Parameters
    ----------
    fetal : FetalParams
        The slice.
    shape : (int, int)
        Y, X.
    """
    y, x = _axes(shape)
    region: Mask = _outside(fetal.heart, y, x, 1.0, fetal.muscle) < 0
    return region


def _axes(shape: tuple[int, int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    y, x = ((np.arange(n) - n // 2) * 2 / n for n in shape)
    return y[:, None], x[None]


def _outside(
    part: Ellipse,
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    times: npt.NDArray[np.float64] | float,
    more: float,
) -> npt.NDArray[np.float64]:
    """About the distance from the edge, negative inside."""
    dy, dx = y - part.at[0], x - part.at[1]
    cos, sin = np.cos(part.turn), np.sin(part.turn)
    a, b = (times * size + more for size in part.size)
    radius = np.hypot((cos * dy + sin * dx) / a, (cos * dx - sin * dy) / b)
    distance: npt.NDArray[np.float64] = (radius - 1) * np.minimum(a, b)
    return distance


def _paint(movie: npt.NDArray[np.float32], value: float, outside: npt.NDArray[np.float64]) -> None:
    """Cover what is inside with a value; edges are one pixel wide."""
    movie += np.clip(0.5 - outside, 0, 1) * (value - movie)
