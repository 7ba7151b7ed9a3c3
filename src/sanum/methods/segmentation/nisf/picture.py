"""Pictures of a segmentation: slices with contours, and volumes over a cycle."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ....types import FloatArray

MOST_SLICES, COLUMNS = 12, 4
COLOURS = [colormaps["tab10"](n) for n in range(10)]
PERCENTILES = (0.5, 99.5)


def contours_png(
    voxels: FloatArray,
    probabilities: FloatArray,
    names: Sequence[str],
    *,
    unseen: Sequence[int] = (),
    aspect: float = 1.0,
) -> bytes:
    """PNG of slices, with the border of each structure; of many slices some, evenly spaced.

    Parameters
    ----------
    voxels : (X, Y, Z) float32
        The image.
    probabilities : (X, Y, Z, classes) float32
        On its grid.
    names : sequence of str
        Of the structures.
    unseen : sequence of int
        Slices that were not looked at: their titles say so.
    aspect : float
        Second edge of a voxel over its first.
    """
    depth = voxels.shape[2]
    shown = np.unique(np.linspace(0, depth - 1, min(depth, MOST_SLICES)).round().astype(int))
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(2.4 * columns, 2.6 * rows + 0.4), facecolor="white")
    low, high = np.percentile(voxels, PERCENTILES)
    for n, k in enumerate(shown):
        axes = figure.add_subplot(rows, columns, n + 1)
        axes.imshow(
            voxels[:, :, k].T,
            cmap="gray",
            vmin=low,
            vmax=max(high, low + 1e-6),
            origin="lower",
            aspect=aspect,
        )
        others = probabilities[:, :, k]
        for c in range(1, probabilities.shape[-1]):
            margin = others[..., c] - np.delete(others, c, axis=-1).max(-1)
            if margin.max() > 0 and min(margin.shape) > 1:
                axes.contour(margin.T, levels=[0.0], colors=[COLOURS[(c - 1) % len(COLOURS)]], linewidths=1.2)
        axes.set_title(f"slice {k}" + (", not seen" if k in unseen else ""), fontsize=8)
        axes.set_axis_off()
    for c, name in enumerate(names):
        colour = COLOURS[c % len(COLOURS)]
        figure.text((c + 0.5) / len(names), 0.01, name, color=colour, ha="center", va="bottom", fontsize=9)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.94, bottom=0.06, wspace=0.03, hspace=0.14)
    return _png(figure)


def curve_png(phases: npt.NDArray[np.float64], volumes_ml: dict[str, list[float]]) -> bytes:
    """PNG of the volumes over a cycle.

    Parameters
    ----------
    phases : (N,) float
        In [0, 1).
    volumes_ml : dict of list of float
        Of each structure, at each phase.
    """
    figure = Figure(figsize=(6, 3.6), facecolor="white")
    axes = figure.add_subplot()
    for c, (name, values) in enumerate(volumes_ml.items()):
        axes.plot(phases, values, color=COLOURS[c % len(COLOURS)], label=name)
    axes.set_xlabel("phase of the cycle")
    axes.set_ylabel("volume (ml)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    return _png(figure)


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()
