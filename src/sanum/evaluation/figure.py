"""The figure of an evaluation: a typical case of every input, and dots with intervals.

Typical is the case with the median Dice (of the healthy, the median share called anomalous), not the best.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from ..metrics.statistics import FEWEST_SUBJECTS
from ..report.figures import BACKGROUND, CONTOUR, DPI, FRAME, GREY, OVERLAY, OVERLAY_ALPHA, QUIET, TEXT
from ..scan.contrast import CT_WINDOW_HU
from .example import Example, example_path, load_example
from .published import RECONSTRUCTION
from .store import Row
from .summary import Summary, summaries
from .tables import TITLES

WIDTH, EXAMPLE_HEIGHT, MOST_EXAMPLES, MARGIN_MM = 10.5, 2.25, 8, 8.0
COLUMNS = ("input", "healthy anatomy", "truth", "anomaly over input", "true lesion")
DOTS = {
    "psnr_f": "PSNR F, dB",
    "psnr_d": "PSNR D, dB",
    "dice": "Dice anomaly",
    "anomalous_percent": "healthy, %",
}
COLOURS = ("#4fe3ff", "#ffc21a", "#ff6b8a", "#9be564", "#c49bff", "#ff9d5c", "#e6edf3", "#8aa4ff")
TRUE = "#9be564"
PAPER = "UNA (paper)"


def figure(rows: Sequence[Row], reference: str, folder: Path) -> Figure:
    """Draw examples of `reference` from the slices in `folder`, and the means of every method."""
    found = summaries(rows)
    shown = typical(rows, reference, folder)[:MOST_EXAMPLES]
    inputs = list(dict.fromkeys((s.data, s.contrast) for s in found))
    panels = [n for n in DOTS if any(n in s.means for s in found)]
    methods = list(dict.fromkeys(s.method for s in found))
    tall = 1.3 + 0.2 * len(inputs) * max(len(methods), 2)
    height = 0.45 + EXAMPLE_HEIGHT * len(shown) + (tall if panels else 0)
    out = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=BACKGROUND)

    def share(inches_from_top: float) -> float:
        return 1 - inches_from_top / height

    if shown:
        grid = GridSpec(
            len(shown), len(COLUMNS), figure=out, left=0.045, right=0.995, wspace=0.02, hspace=0.03,
            top=share(0.35), bottom=share(0.35 + EXAMPLE_HEIGHT * len(shown)),
        )  # fmt: skip
        for n, (row, example) in enumerate(shown):
            axes = [out.add_subplot(grid[n, k]) for k in range(len(COLUMNS))]
            _draw(axes, example, ct=row["input"].lower() == "ct")
            label = f"{_input(row['data'], row['input'])}\n{row['case']}"
            axes[0].set_ylabel(label, color=TEXT, fontsize=7.5, parse_math=False)
            for ax, title in zip(axes, COLUMNS if n == 0 else (), strict=False):
                ax.set_title(title, color=TEXT, fontsize=10, pad=6)
    if panels:
        grid = GridSpec(
            1, len(panels), figure=out, left=0.13, right=0.985, wspace=0.12, top=share(height - tall + 0.25),
            bottom=share(height - 0.75),
        )  # fmt: skip
        for n, number in enumerate(panels):
            ax = out.add_subplot(grid[0, n])
            _dots(ax, found, inputs, methods, number)
            ax.set_title(DOTS[number], color=TEXT, fontsize=10)
            ax.set_yticks(range(len(inputs)), [_input(*i) for i in inputs] if n == 0 else [])
        out.legend(
            handles=_handles(methods, paper="psnr_f" in panels), loc="lower center", ncols=5, fontsize=8.5,
            facecolor=BACKGROUND, edgecolor=FRAME, labelcolor=TEXT,
        )  # fmt: skip
    return out


def typical(rows: Sequence[Row], method: str, folder: Path) -> list[tuple[Row, Example]]:
    """Case in the middle of each data set and contrast, with its slice."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for r in rows:
        if r["method"] == method and not r["failed"]:
            groups.setdefault((r["data"], r["input"]), []).append(r)
    out = []
    for group in groups.values():
        for number in ("dice", "psnr_f", "anomalous_percent", "case"):
            ranked = [r for r in group if r[number]]
            if ranked:
                ranked.sort(key=lambda r: r["case"] if number == "case" else float(r[number]))
                row = ranked[(len(ranked) - 1) // 2]
                path = example_path(folder, row["data"], row["case"])
                out += [(row, load_example(path))] if path.exists() else []
                break
    return out


def _draw(axes: Sequence[Axes], example: Example, *, ct: bool) -> None:
    """Five panels of one slice, the patient's right on the left."""
    inside = example.brain > 0.5
    scan, anatomy = _grey(example.scan, inside, CT_WINDOW_HU if ct else None), (0.0, 1.2)
    drawn: list[tuple[npt.NDArray, tuple[float, float]]] = [
        (example.scan, scan), (example.anatomy, anatomy), (example.truth, anatomy), (example.scan, scan),
        (example.scan, scan),
    ]  # fmt: skip
    for ax, (image, (low, high)) in zip(axes, drawn, strict=True):
        ax.set_facecolor("black")
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_color(FRAME)
        up, across = (float(s) for s in example.spacing_mm)
        extent = (0.0, image.shape[1] * across, 0.0, image.shape[0] * up)
        if np.isfinite(image).all():
            ax.imshow(image, cmap=GREY, vmin=low, vmax=high, origin="lower", extent=extent)
        else:
            ax.text(0.5, 0.5, "not known", transform=ax.transAxes, color=QUIET, fontsize=9, ha="center")
        ax.set_aspect("equal", adjustable="box")
        _zoom(ax, inside, up, across)
    extent = (0.0, example.scan.shape[1] * across, 0.0, example.scan.shape[0] * up)
    overlay = np.array(OVERLAY(example.anomaly), dtype=np.float64)
    overlay[..., 3] = OVERLAY_ALPHA * np.clip(example.anomaly, 0, 1)
    axes[3].imshow(overlay, origin="lower", extent=extent)
    _outline(axes[3], example.anomaly > 0.5, extent, CONTOUR)
    _outline(axes[4], example.lesion > 0.5, extent, TRUE)
    for ax in axes:
        ax.invert_xaxis()


def _grey(image: npt.NDArray, inside: npt.NDArray, fixed: tuple[float, float] | None) -> tuple[float, float]:
    if fixed:
        return fixed
    low, high = (float(v) for v in np.percentile(image[inside] if inside.any() else image, (0.5, 99.5)))
    return (min(low, 0.0), high) if high > low else (low, low + 1)


def _zoom(ax: Axes, inside: npt.NDArray, up: float, across: float) -> None:
    """Show the brain with a margin."""
    if inside.any():
        for axis, mm, limit in ((0, up, ax.set_ylim), (1, across, ax.set_xlim)):
            hit = np.flatnonzero(inside.any(axis=1 - axis))
            limit(hit[0] * mm - MARGIN_MM, (hit[-1] + 1) * mm + MARGIN_MM)


def _outline(ax: Axes, mask: npt.NDArray, extent: tuple[float, ...], colour: str) -> None:
    if mask.any():
        ax.contour(mask.astype(float), levels=[0.5], colors=[colour], linewidths=1.0, extent=extent)


def _dots(
    ax: Axes, found: Sequence[Summary], inputs: list[tuple[str, str]], methods: list[str], number: str
) -> None:
    """One line per input; a dot per method with its interval, hollow where none is given."""
    ax.set_facecolor(BACKGROUND)
    step = 0.7 / max(len(methods), 1)
    for s in found:
        mean = s.means.get(number)
        if mean is None:
            continue
        place = methods.index(s.method)
        y = inputs.index((s.data, s.contrast)) + (place - (len(methods) - 1) / 2) * step
        colour = COLOURS[place % len(COLOURS)]
        if mean.low is not None and mean.high is not None:
            ax.plot([mean.low, mean.high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
        face = colour if mean.low is not None else BACKGROUND
        ax.plot([mean.value], [y], "o", color=colour, markerfacecolor=face, markersize=5.5)
    for n, (_, contrast) in enumerate(inputs):
        paper = RECONSTRUCTION.get(contrast, {}).get(PAPER, {}).get(number)
        if paper is not None:
            ax.plot([paper], [n], "D", color=QUIET, markerfacecolor=BACKGROUND, markersize=5.5, zorder=1)
    ax.set_ylim(len(inputs) - 0.5, -0.5)
    if number == "dice":
        ax.set_xlim(-0.02, 1.02)
    ax.grid(axis="x", color=FRAME, linewidth=0.6)
    ax.tick_params(colors=TEXT, labelsize=8.5, length=0)
    for spine in ax.spines.values():
        spine.set_color(FRAME)


def _handles(methods: Sequence[str], *, paper: bool) -> list[Line2D]:
    dots = [
        Line2D([], [], marker="o", linewidth=2, color=COLOURS[n % len(COLOURS)], label=m)
        for n, m in enumerate(methods)
    ]
    diamond = Line2D([], [], marker="D", linewidth=0, color=QUIET, markerfacecolor=BACKGROUND, label=PAPER)
    few = Line2D(
        [], [], marker="o", linewidth=0, color=QUIET, markerfacecolor=BACKGROUND,
        label=f"hollow: fewer than {FEWEST_SUBJECTS} subjects, no interval",
    )  # fmt: skip
    return [*dots, *([diamond] if paper else []), few]


def _input(data: str, contrast: str) -> str:
    title = TITLES.get(contrast.lower(), contrast)
    return title if data.lower() == contrast.lower() else f"{data}, {title}"
