"""The report's first page as a picture (secondary capture); what it is not for is burnt in."""

import io
import textwrap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from ..healthy.result import Reconstruction
from ..report.figures import montage, to_png
from ..report.inputs import ReportInputs
from ..report.places import brain_centre_mm, largest_component_centre_mm
from .anatomy import derivation
from .dress import NewSeries, begun, dressed
from .findings import words_of
from .maker import RESEARCH, Maker
from .reference import Reference
from .unnamed import unnamed_warnings

SERIES = NewSeries("page", 6, "report page")

WIDE, TEXT_TALL, DPI = 1440, 420, 100  # pixels
BANNER = f"{RESEARCH} - NOT FOR DIAGNOSIS"
_MOST_LESIONS = 10
_MOST_LINES = 14  # of warnings, above what made the page
_DARK, _LIGHT, _WARM = "#0d1117", "#e6edf3", "#ffc21a"


def page(result: Reconstruction, reference: Reference, maker: Maker) -> Dataset:
    """The picture as an object.

    Parameters
    ----------
    result : Reconstruction
        What it shows.
    reference : Reference
        The source.
    maker : Maker
        Of the result.
    """
    pixels = page_pixels(result, maker)
    one = begun(SERIES, reference, maker, SecondaryCaptureImageStorage)
    one.Modality, one.ConversionType = "OT", "WSD"
    one.ImageType, one.PatientOrientation = ["DERIVED", "SECONDARY", "OTHER"], ""
    one.Rows, one.Columns = pixels.shape[:2]
    one.SamplesPerPixel, one.PhotometricInterpretation, one.PlanarConfiguration = 3, "RGB", 0
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
    one.BurnedInAnnotation, one.LossyImageCompression = "YES", "00"
    one.DerivationDescription, one.ImageComments = derivation(maker), RESEARCH
    one.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    return dressed(one, reference, maker)


def page_pixels(result: Reconstruction, maker: Maker, warnings: Sequence[str] = ()) -> npt.NDArray[np.uint8]:
    """Planes through the largest lesion or the brain's middle, above them a banner, below them the numbers.

    No name of a file is shown, for it may be a patient's.

    Parameters
    ----------
    result : Reconstruction
        What is shown.
    maker : Maker
        Of the result.

    Returns
    -------
    (rows, columns, 3) uint8
        RGB.
    """
    point = largest_component_centre_mm(result.anomaly_mask)
    point = brain_centre_mm(result.brain) if point is None else point
    with Image.open(io.BytesIO(to_png(montage(_inputs(result), point)))) as image:
        planes = image.convert("RGB")
        planes = planes.resize((WIDE, round(planes.height * WIDE / planes.width)), Image.Resampling.LANCZOS)
    banner, text = _banner(), _text(result, maker)
    return np.concatenate([banner, np.asarray(planes), text, banner])


def _inputs(result: Reconstruction) -> ReportInputs:
    """What is drawn: no name, and nothing beside the anatomy, which would be computed for this page alone."""
    return ReportInputs(
        "",
        result.scan,
        result.anatomy,
        result.anomaly,
        result.anomaly_mask,
        result.uncertainty,
        result.brain,
        result.contrast,
        result.warnings,
        result.provenance,
        result.title,
        result.contrast_by,
    )


def _banner() -> npt.NDArray[np.uint8]:
    figure = _figure(56)
    figure.text(0.5, 0.45, BANNER, color=_WARM, fontsize=24, weight="bold", ha="center", va="center")
    return _drawn(figure)


def _text(result: Reconstruction, maker: Maker) -> npt.NDArray[np.uint8]:
    figure, numbers = _figure(TEXT_TALL), result.numbers
    count = round(numbers["lesions"])
    lines = [f"Brain: {numbers['brain_ml']:.0f} mL"]
    if count:
        lines += [f"Anomaly: {numbers['anomaly_ml']:.3g} mL in {count} part{'s'[: count - 1]}"]
        lines += [f"  {words_of(row)}" for row in result.lesions[:_MOST_LESIONS]]
        lines += [f"  and {count - _MOST_LESIONS} more"] * (count > _MOST_LESIONS)
    else:
        lines.append("No anomaly was found.")
    notes = _notes(unnamed_warnings(result))
    made = textwrap.wrap(maker.sentence, 150)
    for words, x, y, size, colour in (
        (lines, 0.03, 0.96, 15, _LIGHT),
        (notes, 0.5, 0.96, 13, _WARM),
        (made, 0.03, 0.14, 11, _LIGHT),
    ):
        figure.text(x, y, "\n".join(words), color=colour, fontsize=size, va="top", parse_math=False)
    return _drawn(figure)


def _notes(warnings: Sequence[str]) -> list[str]:
    """Lines of warnings: as many whole ones as there is room for, and how many more there are."""
    lines: list[str] = []
    for k, warning in enumerate(warnings):
        more = textwrap.wrap(f"! {warning}", 64)
        is_last = k + 1 == len(warnings)
        if len(lines) + len(more) > _MOST_LINES - (not is_last):
            return [*lines, f"! and {len(warnings) - k} more, in the report"]
        lines += more
    return lines


def _figure(tall: int) -> Figure:
    return Figure(figsize=(WIDE / DPI, tall / DPI), dpi=DPI, facecolor=_DARK)


def _drawn(figure: Figure) -> npt.NDArray[np.uint8]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
