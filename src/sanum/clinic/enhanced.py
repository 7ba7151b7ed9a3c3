"""The healthy T1w of a multi-frame source: one enhanced MR image with a frame for each of the source's."""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedMRImageStorage

from ..types import FloatArray
from .anatomy import (
    CENTRE,
    SERIES,
    SLOPE,
    WIDTH,
    derivation,
    put_pixels,
    real_world_values,
    reference_to,
    stored_values,
)
from .dress import begun, by_depth, code_item, dressed, own_orientations
from .maker import RESEARCH, Maker
from .reference import Reference

_AGENCY = "IEC"  # whose limits the scanner kept to; the standard wants a name, of derived images too
_KIND = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]


def enhanced_anatomy(values: FloatArray, reference: Reference, maker: Maker) -> Dataset:
    """The object.

    Parameters
    ----------
    values : (S, rows, columns) float32
        At each plane; white matter is near 1.
    reference : Reference
        The source, of one file.
    maker : Maker
        Of the result.
    """
    (source,) = reference.images
    one = begun(SERIES, reference, maker, EnhancedMRImageStorage)
    one.Modality, one.ImageType, one.NumberOfFrames = "MR", _KIND, len(values)
    one.FrameOfReferenceUID, one.PositionReferenceIndicator = source.FrameOfReferenceUID, ""
    one.PatientPosition = reference.lies
    one.PixelPresentation, one.VolumetricProperties = "MONOCHROME", "VOLUME"
    one.VolumeBasedCalculationTechnique, one.ComplexImageComponent = "NONE", "MAGNITUDE"
    one.AcquisitionContrast, one.ContentQualification = "UNKNOWN", "RESEARCH"
    one.ApplicableSafetyStandardAgency = _AGENCY
    one.PresentationLUTShape, one.AcquisitionContextSequence = "IDENTITY", Items()
    put_pixels(one, stored_values(values))
    pointer = Dataset()
    pointer.DimensionOrganizationUID = maker.uid("anatomy", "dimensions")
    one.DimensionOrganizationSequence = [pointer]
    index = Dataset()
    index.DimensionOrganizationUID = pointer.DimensionOrganizationUID
    index.DimensionIndexPointer, index.FunctionalGroupPointer = 0x00200032, 0x00209113
    one.DimensionIndexSequence = [index]
    one.SharedFunctionalGroupsSequence = [_shared(source)]
    every = range(len(values))
    rank = by_depth(reference, every)
    one.PerFrameFunctionalGroupsSequence = Items(
        [_group(k, rank[k], group, source) for k, group in enumerate(source.PerFrameFunctionalGroupsSequence)]
    )
    own_orientations(one, reference, every)
    one.SourceImageEvidenceSequence = _evidence(source)
    one.DerivationDescription, one.ImageComments = derivation(maker), RESEARCH
    return dressed(one, reference, maker)


def _shared(source: Dataset) -> Dataset:
    """What is the same in all frames."""
    shared, kind, anatomy, rescale, window = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
    for tag in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        shared.add(source.SharedFunctionalGroupsSequence[0][tag])
    kind.FrameType, kind.PixelPresentation, kind.VolumetricProperties = _KIND, "MONOCHROME", "VOLUME"
    kind.VolumeBasedCalculationTechnique, kind.ComplexImageComponent = "NONE", "MAGNITUDE"
    kind.AcquisitionContrast = "UNKNOWN"
    anatomy.FrameLaterality = "B"
    anatomy.AnatomicRegionSequence = [code_item("12738006", "SCT", "Brain")]
    rescale.RescaleIntercept, rescale.RescaleSlope, rescale.RescaleType = 0, SLOPE, "US"
    window.WindowCenter, window.WindowWidth = CENTRE, WIDTH
    shared.MRImageFrameTypeSequence, shared.FrameAnatomySequence = [kind], [anatomy]
    shared.PixelValueTransformationSequence, shared.FrameVOILUTSequence = [rescale], [window]
    shared.RealWorldValueMappingSequence = [real_world_values()]
    return shared


def _group(k: int, rank: int, there: Dataset, source: Dataset) -> Dataset:
    """What is a frame's own."""
    group, content, derived = Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [rank + 1]
    derived.SourceImageSequence = [reference_to(source, [k + 1])]
    derived.DerivationCodeSequence = [code_item("113085", "DCM", "Spatial resampling")]
    group.FrameContentSequence, group.DerivationImageSequence = [content], [derived]
    group.PlanePositionSequence = there.PlanePositionSequence
    return group


def _evidence(source: Dataset) -> Items:
    """The source in the form of PS3.3 C.8.13.1.4."""
    study, series, instance = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = source.SOPClassUID
    instance.ReferencedSOPInstanceUID = source.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = source.SeriesInstanceUID, [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = source.StudyInstanceUID, [series]
    return Items([study])
