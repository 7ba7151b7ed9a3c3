"""A movie as people look at it: a GIF, a picture with an x-t profile, and a page with both."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from .figures import BACKGROUND, FRAME, GREY, HEAT, QUIET, TEXT, to_png
from .page import render_page

Movie = npt.NDArray[np.floating]
"""(T, Y, X) magnitudes."""
LINE = "#4fe3ff"
SMALLEST, LEVELS = 256, 64
"""Pixels of a GIF's shorter side, where the movie has fewer; its greys, few so that it stays small."""
CAPTION = (
    "Left: the mean over time, with the line of the profile. Middle: how much each pixel changes from "
    "frame to frame. Right: the profile along the line, x-t: what beats is a wave, what stands still "
    "is straight."
)


def gif(movie: Movie, frame_s: float) -> bytes:
    """A GIF that goes round for ever; its clock has hundredths of a second.

    Parameters
    ----------
    movie : (T, Y, X) float
        Magnitudes; the brightest half percent is white.
    frame_s : float
        Seconds from frame to frame.
    """
    white = float(np.percentile(movie, 99.5)) or 1.0
    times = max(1, math.ceil(SMALLEST / min(movie.shape[1:])))
    pictures = []
    for frame in movie:
        grey = (np.clip(frame / white, 0, 1) * 255).astype(np.uint8)
        size = (frame.shape[1] * times, frame.shape[0] * times)
        large = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC))
        pictures.append(Image.fromarray(large // (256 // LEVELS) * (256 // LEVELS)))
    out = io.BytesIO()
    each = max(20, round(frame_s * 100) * 10)
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=each, loop=0)
    return out.getvalue()


def most_moving(speed: npt.NDArray[np.floating]) -> tuple[int, int]:
    """Row and column in the middle of what moves fastest.

    Parameters
    ----------
    speed : (Y, X) float
        How fast each pixel moves, such as `metrics.motion.fast_movement`.
    """
    from scipy.ndimage import uniform_filter

    smooth = uniform_filter(speed.astype(np.float64), max(3, min(speed.shape) // 12))
    row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
    return int(row), int(column)


def profile_png(movie: Movie, frame_s: float, speed: npt.NDArray[np.floating]) -> bytes:
    """Mean, movement, and the profile over time along the row that moves fastest.

    Parameters
    ----------
    movie : (T, Y, X) float
        Magnitudes.
    frame_s : float
        Seconds from frame to frame.
    speed : (Y, X) float
        As of `most_moving`.
    """
    at = most_moving(speed)
    white = float(np.percentile(movie, 99.5)) or 1.0
    tall = 4.0 * movie.shape[1] / movie.shape[2]
    figure = Figure(figsize=(13.0, tall + 0.9), dpi=100, facecolor=BACKGROUND)
    panels = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.55 / (tall + 0.9), top=1 - 0.35 / (tall + 0.9))
    panels[0].imshow(movie.mean(0), cmap=GREY, vmin=0, vmax=white)
    panels[0].axhline(at[0], color=LINE, linewidth=1)
    panels[1].imshow(speed, cmap=HEAT, vmin=0)
    seconds = len(movie) * frame_s
    panels[2].imshow(
        movie[:, at[0]].T,
        cmap=GREY,
        vmin=0,
        vmax=white,
        aspect="auto",
        interpolation="nearest",
        extent=(0, seconds, movie.shape[2], 0),
    )
    titles = ("mean over time", "movement from frame to frame", f"profile of row {at[0]}")
    for ax, title in zip(panels, titles, strict=True):
        _dress(ax, title)
    panels[2].set_xlabel("seconds", color=TEXT)
    panels[2].tick_params(colors=QUIET, bottom=True, labelbottom=True)
    return to_png(figure)


def movie_page(
    name: str,
    kind: str,
    pictures: tuple[bytes, bytes],
    facts: Mapping[str, str],
    warnings: Sequence[str] = (),
) -> str:
    """Page with the movie, its profile and what is known of it; a complete HTML document.

    Parameters
    ----------
    name, kind : str
        Heading, and the words above it.
    pictures : (bytes, bytes)
        Of `profile_png` and `gif`.
    facts : mapping of str to str
        Rows of the table.
    warnings : sequence of str
        What a user should know.
    """
    return render_page(
        "movie.html",
        name,
        kind,
        styles=("templates/movie.css",),
        profile=pictures[0],
        film=pictures[1],
        caption=CAPTION,
        rows=[(key, value, "") for key, value in facts.items()],
        warnings=list(warnings),
    )


def _dress(ax: Axes, title: str) -> None:
    ax.set_title(title, color=TEXT, fontsize=10)
    ax.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    for side in ax.spines.values():
        side.set_color(FRAME)
