"""A translation as people look at it: source, translation and uncertainty in three planes, and a page."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..scan.scan import Scan
from ..types import FloatArray
from .blocks import PageFacts, PagePicture, PageSection, PageWords, blocks_page
from .figures import BACKGROUND, GREY, HEAT, TEXT, to_jpeg
from .planes import PLANES, Plane, ras_voxels

CAPTION = (
    "Rows: the scan, its translation, and the standard deviation of the translation ({spread}). Planes "
    "through the middle of what the scan shows; the patient's right is on the left."
)
ALT = "Three planes of the scan, of its translation, and of the uncertainty"
LIMITS = (
    "A translation is what a network finds likely, not what a scanner measured. What the source does not "
    "show, such as a lesion that only the target's contrast would show, cannot be in it; and a network may "
    "draw what is not there. The uncertainty is a spread of answers of one network: it does not see what all "
    "answers have wrong."
)


def translation_figure(source: Scan, image: Scan, uncertainty: Scan) -> Figure:
    """Three rows of three planes.

    Parameters
    ----------
    source, image, uncertainty : Scan
        On one grid.
    """
    rows = [ras_voxels(scan).astype(np.float32) for scan in (source, image, uncertainty)]
    spacing = _ras_spacing(source)
    middle = _middle(rows[0])
    widths = [rows[0].shape[p.across] * spacing[p.across] for p in PLANES]
    tall = max(rows[0].shape[p.up] * spacing[p.up] for p in PLANES)
    scale = 11.0 / sum(widths)
    figure = Figure(figsize=(11.6, 3 * tall * scale + 0.6), dpi=110, facecolor=BACKGROUND)
    panels = figure.subplots(3, 3, width_ratios=widths)
    figure.subplots_adjust(left=0.03, right=0.94, bottom=0.01, top=0.95, wspace=0.02, hspace=0.03)
    for n, (volume, name) in enumerate(zip(rows, ("source", "translation", "uncertainty"), strict=True)):
        low, high = (0.0, float(np.percentile(volume, 99.8))) if n == 2 else _window(volume)
        for ax, plane in zip(panels[n], PLANES, strict=True):
            _draw(ax, volume, plane, middle, (low, max(high, low + 1e-6), spacing), heat=n == 2)
            if n == 0:
                ax.set_title(plane.name.lower(), color=TEXT, fontsize=10)
        panels[n][0].set_ylabel(name, color=TEXT, fontsize=10)
        bar = figure.colorbar(panels[n][2].images[0], ax=list(panels[n]), fraction=0.02, pad=0.01)
        bar.ax.tick_params(colors=TEXT, labelsize=8)
    return figure


def translation_page(
    name: str,
    scans: tuple[Scan, Scan, Scan],
    spread: str,
    facts: Mapping[str, str],
    warnings: Sequence[str] = (),
) -> str:
    """A complete HTML document.

    Parameters
    ----------
    name : str
        Of the scan.
    scans : (Scan, Scan, Scan)
        As of `translation_figure`.
    spread : str
        What the uncertainty is the spread of.
    facts : mapping of str
        Rows of the table.
    warnings : sequence of str
        What a user should know.
    """
    jpeg = to_jpeg(translation_figure(*scans))
    picture = PagePicture(jpeg, ALT, CAPTION.format(spread=spread), light=False)
    sections = [
        PageSection("The translation", [picture, PageWords(LIMITS, quiet=True)]),
        PageSection("How it was made", [PageFacts(facts)]),
    ]
    return blocks_page(name, "sanum translate", sections, warnings)


def _draw(
    ax: Axes,
    volume: FloatArray,
    plane: Plane,
    middle: Sequence[int],
    shown: tuple[float, float, Sequence[float]],
    *,
    heat: bool,
) -> None:
    low, high, spacing = shown
    at: list[int | slice] = [slice(None)] * 3
    at[plane.normal] = middle[plane.normal]
    cut = np.asarray(volume[tuple(at)]).T
    if plane.across == 0:
        cut = cut[:, ::-1]
    ax.imshow(
        cut,
        cmap=HEAT if heat else GREY,
        vmin=low,
        vmax=high,
        origin="lower",
        aspect=spacing[plane.up] / spacing[plane.across],
    )
    ax.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    ax.set_facecolor("black")


def _window(volume: FloatArray) -> tuple[float, float]:
    low, high = np.percentile(volume, (0.5, 99.8))
    return float(low), float(high)


def _middle(volume: FloatArray) -> list[int]:
    bright = np.clip(volume - float(volume.mean()), 0, None)
    weight = float(bright.sum()) or 1.0
    out = []
    for axis in range(3):
        along = bright.sum(tuple({0, 1, 2} - {axis}))
        out.append(
            int(np.clip(round(float((along * np.arange(len(along))).sum()) / weight), 0, len(along) - 1))
        )
    return out


def _ras_spacing(scan: Scan) -> list[float]:
    from nibabel.orientations import io_orientation

    spacing = [1.0, 1.0, 1.0]
    for size, axis in zip(scan.grid.spacing_mm, io_orientation(scan.affine)[:, 0].astype(int), strict=True):
        spacing[axis] = float(size)
    return spacing
