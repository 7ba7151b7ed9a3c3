"""The healthy T1w as a derived MR series: one image for each plane of the source.

Of a CT too it is an MR image: it looks like a T1w, and its values are no Hounsfield units, which a CT image's
must be. That no scanner measured it stands in its type, its sequence (RM, research mode) and its derivation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from ..types import AnyArray, FloatArray
from .dress import NewSeries, begun, code_item, dressed
from .maker import RESEARCH, Maker
from .reference import Reference, number_text, usual_distance

SERIES = NewSeries("anatomy", 4, "healthy T1w")
STORED_PER_UNIT = 1000
"""Of the anatomy, whose white matter is near 1; rescaled, white matter is near 100. Above 4 it is cut."""

SLOPE = 0.1
BITS = 12
CENTRE, WIDTH = 60, 120
"""The window, of rescaled values."""

_SOURCE = ("121322", "DCM", "Source image for image processing operation")


def anatomy_series(values: FloatArray, reference: Reference, maker: Maker) -> Iterator[Dataset]:
    """The images, in the order of the source.

    Parameters
    ----------
    values : (S, rows, columns) float32
        At each plane; white matter is near 1.
    reference : Reference
        The source, of single frames.
    maker : Maker
        Of the result.
    """
    each = zip(stored_values(values), reference.images, reference.orientations, strict=True)
    for k, (stored, source, axes) in enumerate(each):
        one = begun(SERIES, reference, maker, MRImageStorage, k + 1)
        one.Modality, one.ImageType = "MR", ["DERIVED", "SECONDARY", "OTHER"]
        one.ScanningSequence, one.SequenceVariant, one.ScanOptions = "RM", "NONE", ""
        one.MRAcquisitionType, one.EchoTime, one.EchoTrainLength, one.RepetitionTime = "", None, None, None
        one.FrameOfReferenceUID, one.PositionReferenceIndicator = source.FrameOfReferenceUID, ""
        one.PatientPosition = reference.lies
        for tag in ("ImagePositionPatient", "PixelSpacing", "SliceThickness"):
            one.add(source[tag])
        one.ImageOrientationPatient = axes
        one.SpacingBetweenSlices = number_text(usual_distance(reference.source))
        put_pixels(one, stored)
        one.RescaleIntercept, one.RescaleSlope, one.RescaleType = 0, SLOPE, "US"
        one.WindowCenter, one.WindowWidth = CENTRE, WIDTH
        one.RealWorldValueMappingSequence = [real_world_values()]
        one.DerivationDescription = derivation(maker)
        one.SourceImageSequence = [reference_to(source)]
        one.ImageComments = RESEARCH
        yield dressed(one, reference, maker)


def stored_values(values: FloatArray) -> AnyArray:
    """The anatomy as unsigned integers of 12 bits.

    Parameters
    ----------
    values : array
        White matter is near 1.
    """
    return np.clip(np.rint(values * STORED_PER_UNIT), 0, (1 << BITS) - 1).astype("<u2")


def put_pixels(one: Dataset, stored: AnyArray) -> None:
    """Pixels of one frame or of several, and what describes them.

    Parameters
    ----------
    one : Dataset
        The object, changed in place.
    stored : (..., rows, columns) uint16
        From `stored_values`.
    """
    one.Rows, one.Columns = stored.shape[-2:]
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, BITS, BITS - 1, 0
    one.LossyImageCompression, one.BurnedInAnnotation = "00", "NO"
    one.PixelData = np.ascontiguousarray(stored).tobytes()


def real_world_values() -> Dataset:
    """How stored values become those of the NIfTI file, where white matter is near 1."""
    item = Dataset()
    item.LUTLabel, item.LUTExplanation = "HEALTHY_T1W", "Predicted T1w intensity; white matter is near 1"
    item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = 0, (1 << BITS) - 1
    item.RealWorldValueIntercept, item.RealWorldValueSlope = 0.0, 1 / STORED_PER_UNIT
    item.MeasurementUnitsCodeSequence = [code_item("1", "UCUM", "no units")]
    return item


def derivation(maker: Maker) -> str:
    """What was done to the source, in words.

    Parameters
    ----------
    maker : Maker
        Of the result.
    """
    return f"Healthy anatomy as a T1w, predicted from the source series. {maker.sentence}"[:1024]


def reference_to(source: Dataset, frames: Sequence[int] = ()) -> Dataset:
    """An item that refers to an image of the source.

    Parameters
    ----------
    source : Dataset
        Of `Reference.images`.
    frames : sequence of int
        Of a file of several, from 1.
    """
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    if frames:
        item.ReferencedFrameNumber = list(frames)
    item.PurposeOfReferenceCodeSequence = [code_item(*_SOURCE)]
    item.SpatialLocationsPreserved = "YES"
    return item
