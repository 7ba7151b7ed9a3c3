"""A contact sheet: samples in rows, images in columns, one slice each, all on one grey scale."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..types import AnyArray
from .figures import BACKGROUND, GREY, QUIET, TEXT

TOP_VALUE = 1.2  # is white: white matter is near 1, and so are the largest probabilities
CELL_INCHES, LEFT_INCHES, TOP_INCHES, BOTTOM_INCHES, DPI = 1.6, 0.3, 0.3, 0.25, 100


def contact_sheet(
    rows: Mapping[str, Mapping[str, AnyArray]],
    *,
    at: Sequence[int],
    title: str = "",
) -> npt.NDArray[np.uint8]:
    """Picture of axial slices, (height, width, 3) uint8.

    Parameters
    ----------
    rows : dict of dict of (X, Y, Z) array
        Images by title, by the name of the sample; RAS+, all samples have the same titles.
    at : sequence of int
        The slice of each sample: an index along Z.
    title : str
        Below.
    """
    titles = list(next(iter(rows.values())))
    nx, ny, _ = next(iter(next(iter(rows.values())).values())).shape
    cell = CELL_INCHES * ny / nx
    width, height = CELL_INCHES * len(titles), CELL_INCHES * ny / nx * len(rows)
    figure = Figure(
        figsize=(LEFT_INCHES + width, TOP_INCHES + height + BOTTOM_INCHES), dpi=DPI, facecolor=BACKGROUND
    )
    canvas = FigureCanvasAgg(figure)
    full_width, full_height = figure.get_size_inches()

    def write(x: float, y: float, words: str, size: int, **how: Any) -> None:
        figure.text(x / full_width, y, words, size=size, va="center", **how)

    for r, ((name, images), z) in enumerate(zip(rows.items(), at, strict=True)):
        bottom = BOTTOM_INCHES + (len(rows) - 1 - r) * cell
        for c, column in enumerate(titles):
            left = LEFT_INCHES + c * CELL_INCHES
            axes = figure.add_axes(
                (
                    left / full_width,
                    bottom / full_height,
                    CELL_INCHES * 0.98 / full_width,
                    cell * 0.98 / full_height,
                )
            )
            axes.set_axis_off()
            # radiological: the patient's right on the left, front up
            plane = images[column][::-1, :, z].T
            axes.imshow(plane, cmap=GREY, vmin=0, vmax=TOP_VALUE, origin="lower", aspect="auto")
            if r == 0:
                middle = LEFT_INCHES + (c + 0.5) * CELL_INCHES
                write(middle, 1 - TOP_INCHES / 2 / full_height, column, 9, color=TEXT, ha="center")
        y = (bottom + cell / 2) / full_height
        write(LEFT_INCHES / 2, y, name, 9, color=TEXT, ha="center", rotation=90)
    write(LEFT_INCHES, BOTTOM_INCHES / 2 / full_height, title, 8, color=QUIET)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
