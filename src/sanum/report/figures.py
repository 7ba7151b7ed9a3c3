"""Pictures of a result: three planes through a point, its maps side by side, true to scale.

Drawn with matplotlib's objects only (no pyplot), so nothing global is touched and threads may draw at once.
"""

import io
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from PIL import Image

from ..scan.contrast import CT_WINDOW_HU
from ..scan.scan import Scan
from ..types import FloatArray, Mask
from .inputs import ReportInputs
from .planes import PLANES, Convention, Plane, View, describe_point, ras_voxels, tilt_deg, view_through

PERCENTILES = (0.5, 99.5)
NOTED_TILT_DEG = 3.0  # planes tilted by less than this need no remark

BACKGROUND, TEXT, QUIET, FRAME = "#0d1117", "#e6edf3", "#9aa7b4", "#30363d"
GREY, HEAT = colormaps["gray"], colormaps["magma"]
OVERLAY = LinearSegmentedColormap.from_list("anomaly", ["#ffc21a", "#ff7a1a", "#ff2a1a"])
OVERLAY_ALPHA = 0.6  # of probability 1, so that the scan stays visible underneath
CONTOUR = "#4fe3ff"

# inches; 1440 pixels wide with four columns, so that a column has more pixels than a 1 mm scan has voxels
WIDTH, LEFT, RIGHT, TOP, BOTTOM, GAP, TALLEST = 10.5, 0.4, 0.1, 0.42, 1.26, 0.06, 14.0
DPI = 137
JPEG_QUALITY = 92


def montage(
    inputs: ReportInputs, point_mm: npt.ArrayLike, *, convention: Convention = "radiological"
) -> Figure:
    """Figure of axial, coronal and sagittal planes (rows) of four maps or more (columns) through one point.

    Columns: input; healthy anatomy, and what is shown beside it; anomaly probability over the input, with the
    outline of the mask; uncertainty, with the outline of the brain. All panels have the same scale in mm, for
    any voxel shape. The volume is turned to the voxel axes nearest to right, anterior, superior; nothing is
    resampled, so the planes of a tilted scan are tilted with it, and the figure says so.

    Parameters
    ----------
    inputs : ReportInputs
        Scans on one grid, the input's contrast, and the title of the anatomy's column.
    point_mm : (3,) float
        World point (RAS+, mm) where the planes cross.
    convention : {"radiological", "neurological"}
        Radiological: the patient's right is on the left of the picture. Neurological: the other way round.

    Raises
    ------
    ValueError
        If the point lies outside of the scan.
    """
    view = view_through(point_mm, inputs.brain, inputs.anomaly_mask, convention)
    scales = _scales(inputs)
    anatomies = inputs.anatomies
    figure, panels, bars = _lay_out(view, 3 + len(anatomies))
    for axes, plane in zip(panels, PLANES, strict=True):
        _draw_plane(axes, plane, view, inputs, scales)
    _scale_bar(panels[0][0])
    input_title = f"Input: {_short(inputs.contrast)}" if inputs.contrast else "Input"
    titles = (input_title, *anatomies, "Anomaly over input", "Uncertainty")
    for ax, title in zip(panels[0], titles, strict=True):
        ax.set_title(title, color=TEXT, fontsize=11, pad=8, parse_math=False)
    unit = "intensity (HU)" if _is_ct(inputs.contrast) else "intensity (unit of the file)"
    _colour_bar(figure, bars[0], GREY, scales["scan"], unit)
    for bar in bars[1:-2]:
        _colour_bar(figure, bar, GREY, scales["anatomy"], "T1w intensity (white matter = 1)")
    _colour_bar(figure, bars[-2], _overlay_on_grey(), Normalize(0, 1), "probability of anomaly")
    _colour_bar(figure, bars[-1], HEAT, scales["uncertainty"], "expected error (white matter = 1)")
    legend = _legend(inputs.scan, point_mm, convention)
    figure.text(
        LEFT / figure.get_figwidth(),
        0.12 / figure.get_figheight(),
        legend,
        color=QUIET,
        fontsize=9,
        va="bottom",
    )
    return figure


def _scales(inputs: ReportInputs) -> dict[str, Normalize]:
    """Grey or colour scale of each map that has a scale of its own."""
    brain = inputs.brain
    return {
        "scan": Normalize(*intensity_window(inputs.scan, brain, contrast=inputs.contrast)),
        "anatomy": Normalize(*intensity_window(inputs.anatomy, brain)),
        "uncertainty": Normalize(0.0, max(intensity_window(inputs.uncertainty, brain)[1], 1e-6)),
    }


def _draw_plane(
    axes: list[Axes], plane: Plane, view: View, inputs: ReportInputs, scales: dict[str, Normalize]
) -> None:
    """One row of the montage."""

    def cut(scan: Scan) -> FloatArray:
        return np.nan_to_num(view.cut(ras_voxels(scan), plane).astype(np.float32))

    def mask(scan: Scan) -> Mask:
        return np.asarray(view.cut(ras_voxels(scan), plane) > 0.5)

    how: dict[str, Any] = {
        "extent": view.extent(plane),
        "aspect": "equal",
        "origin": "lower",
        "interpolation": "antialiased",
    }
    scan = cut(inputs.scan)
    axes[0].imshow(scan, cmap=GREY, norm=scales["scan"], **how)
    for ax, anatomy in zip(axes[1:], inputs.anatomies.values(), strict=False):
        ax.imshow(cut(anatomy), cmap=GREY, norm=scales["anatomy"], **how)
    axes[-2].imshow(scan, cmap=GREY, norm=scales["scan"], **how)
    axes[-2].imshow(_overlay(cut(inputs.anomaly)), **how)
    _outline(axes[-2], mask(inputs.anomaly_mask), plane, view, CONTOUR, 0.9)
    axes[-1].imshow(cut(inputs.uncertainty), cmap=HEAT, norm=scales["uncertainty"], **how)
    _outline(axes[-1], mask(inputs.brain), plane, view, QUIET, 0.6)
    for ax in axes:
        _dress(ax, plane, view)
    axes[0].set_ylabel(plane.name, color=TEXT, fontsize=11, labelpad=6)


def intensity_window(scan: Scan, brain: Scan, *, contrast: str | None = None) -> tuple[float, float]:
    """Darkest and brightest value to show, in the scan's unit.

    CT (first word of `contrast`) gets the brain window, 0 to 80 HU. Anything else: the 0.5th and 99.5th
    percentile of the finite voxels in the brain, or of the whole volume if the brain mask is empty.

    Parameters
    ----------
    scan : Scan
        The image whose window it is.
    brain : Scan
        Mask, on the same grid.
    contrast : str or None
        Of `scan`.
    """
    if _is_ct(contrast):
        return CT_WINDOW_HU
    inside = brain.voxels > 0.5
    values = scan.voxels[inside] if inside.any() else scan.voxels.ravel()
    values = values[np.isfinite(values)].astype(np.float64)
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def to_png(figure: Figure) -> bytes:
    """PNG of a figure at its own size and resolution; no metadata, the same bytes every time.

    Parameters
    ----------
    figure : Figure
        Not drawn by pyplot.
    """
    buffer = io.BytesIO()
    # level 9, which optimize takes, needs five times as long for 2 % less
    _drawn(figure).save(buffer, format="PNG", compress_level=6, compress_type=zlib.Z_DEFAULT_STRATEGY)
    return buffer.getvalue()


def to_jpeg(figure: Figure) -> bytes:
    """JPEG of a figure of scans, less than half as large as its PNG and fifty times as fast to pack.

    Parameters
    ----------
    figure : Figure
        Not drawn by pyplot.
    """
    buffer = io.BytesIO()
    _drawn(figure).save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def _drawn(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))


def _is_ct(contrast: str | None) -> bool:
    return contrast is not None and contrast.split()[:1] == ["CT"]


def _short(name: str, longest: int = 22) -> str:
    """Make a name fit above a panel, in characters every font has."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in name)
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."


def _lay_out(view: View, columns: int) -> tuple[Figure, list[list[Axes]], list[Axes]]:
    """Figure with 3 rows of panels that share one scale in mm, and axes for colour bars below."""
    column = (WIDTH - LEFT - RIGHT - 3 * GAP) / 4
    width = LEFT + RIGHT + columns * column + (columns - 1) * GAP
    rows_mm = np.array([view.size_mm[plane.up] for plane in PLANES])
    column_mm = max(
        *(view.size_mm[plane.across] for plane in PLANES),
        rows_mm.sum() * column / TALLEST,
    )
    rows = rows_mm * column / column_mm
    height = TOP + rows.sum() + 2 * GAP + BOTTOM
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=BACKGROUND)

    def place(left: float, bottom: float, wide: float, tall: float) -> Axes:
        return figure.add_axes((left / width, bottom / height, wide / width, tall / height))

    lefts = [LEFT + i * (column + GAP) for i in range(columns)]
    bottoms = height - TOP - np.cumsum(rows) - GAP * np.arange(3)
    panels = [[place(x, y, column, row) for x in lefts] for y, row in zip(bottoms, rows, strict=True)]
    for axes, plane in zip(panels, PLANES, strict=True):
        for ax in axes:
            _limit(ax, plane, view, column_mm)
    bars = [place(x + 0.1 * column, BOTTOM - 0.24, 0.8 * column, 0.11) for x in lefts]
    return figure, panels, bars


def _limit(ax: Axes, plane: Plane, view: View, width_mm: float) -> None:
    """Fix what a panel shows; the horizontal axis runs backwards in the radiological convention."""
    ax.set_facecolor("black")
    ax.set_autoscale_on(False)
    middle = (view.low_mm[plane.across] + view.high_mm[plane.across]) / 2
    low, high = middle - width_mm / 2, middle + width_mm / 2
    ax.set_xlim(*((low, high) if view.convention == "neurological" else (high, low)))
    ax.set_ylim(view.low_mm[plane.up], view.high_mm[plane.up])


def _overlay(probability: FloatArray) -> npt.NDArray[np.float64]:
    """Colours (…, 4) whose opacity follows the probability."""
    rgba = np.array(OVERLAY(probability), dtype=np.float64)
    rgba[..., 3] = OVERLAY_ALPHA * np.clip(probability, 0, 1)
    return rgba


def _overlay_on_grey(grey: float = 0.3) -> Colormap:
    """Overlay colours as they look on mid-grey tissue, for the colour bar."""
    rgba = _overlay(np.linspace(0, 1, 256, dtype=np.float32))
    return ListedColormap(rgba[:, 3:] * rgba[:, :3] + (1 - rgba[:, 3:]) * grey)


def _outline(ax: Axes, mask: Mask, plane: Plane, view: View, color: str, linewidth: float) -> None:
    if not mask.any():
        return
    padded = np.pad(mask.astype(np.float32), 1)  # so that the line closes at the edge of the volume
    across = (np.arange(padded.shape[1]) - 1) * view.spacing_mm[plane.across]
    up = (np.arange(padded.shape[0]) - 1) * view.spacing_mm[plane.up]
    ax.contour(across, up, padded, levels=[0.5], colors=[color], linewidths=linewidth)


def _dress(ax: Axes, plane: Plane, view: View) -> None:
    """Letters for the sides, marks where the other planes cut, and a quiet frame."""
    for side, x, align in zip(view.sides(plane), (0.03, 0.97), ("left", "right"), strict=True):
        ax.text(
            x,
            0.97,
            side,
            transform=ax.transAxes,
            ha=align,
            va="top",
            color=TEXT,
            fontsize=11,
            fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="black")],
        )
    across, up = (view.index[axis] * view.spacing_mm[axis] for axis in (plane.across, plane.up))
    for start, stop in ((0.0, 0.035), (0.965, 1.0)):
        ax.axvline(across, start, stop, color=TEXT, linewidth=1, alpha=0.7)
        ax.axhline(up, start, stop, color=TEXT, linewidth=1, alpha=0.7)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color(FRAME)


def _scale_bar(ax: Axes, length_mm: float = 50.0) -> None:
    """Bar of known length in the lower left corner of a panel."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    start = left + 0.04 * (right - left)
    stop = start + np.sign(right - left) * length_mm
    y = bottom + 0.04 * (top - bottom)
    ax.plot(
        [start, stop],
        [y, y],
        color=TEXT,
        linewidth=1.5,
        solid_capstyle="butt",
        path_effects=[withStroke(linewidth=3.5, foreground="black")],
    )
    ax.annotate(
        f"{length_mm:.0f} mm",
        ((start + stop) / 2, y),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=TEXT,
        fontsize=8,
        path_effects=[withStroke(linewidth=2, foreground="black")],
    )


def _colour_bar(figure: Figure, cax: Axes, cmap: Colormap, norm: Normalize, label: str) -> None:
    bar = figure.colorbar(ScalarMappable(norm, cmap), cax=cax, orientation="horizontal", ticks=MaxNLocator(5))
    bar.set_label(label, color=TEXT, fontsize=9, labelpad=3)
    cax.tick_params(colors=TEXT, labelsize=8.5, length=2.5, pad=2)
    for spine in cax.spines.values():
        spine.set_color(FRAME)


def _legend(scan: Scan, point_mm: npt.ArrayLike, convention: Convention) -> str:
    side = "left" if convention == "radiological" else "right"
    tilt = tilt_deg(scan)
    along = (
        f"\nPlanes follow the scan's own axes, up to {tilt:.0f}° off the scanner's."
        if tilt > NOTED_TILT_DEG
        else ""
    )
    return (
        f"{convention.capitalize()} convention: the patient's right (R) is on the {side} of the picture. "
        "Lines: anomaly mask (blue), brain mask (grey).\n"
        f"Planes cross (marks at the edges) at {describe_point(point_mm)} of the origin.{along}"
    )
