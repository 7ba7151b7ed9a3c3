"""The anomaly mask as a DICOM segmentation: BINARY, one segment, planes and order of the source."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydicom.sr.codedict import codes

from ..types import Mask
from .dress import NewSeries, by_depth, dressed, equipment, in_source_order, own_orientations
from .maker import NAME, Maker
from .reference import Reference

if TYPE_CHECKING:
    from highdicom.seg import Segmentation

SERIES = NewSeries("segmentation", 1, "anomaly mask")
LABEL = "Anomaly"
_BRIGHT_RED = [34_885, 53_485, 50_171]
"""CIELab of the sRGB colour 255, 0, 0, coded as PS3.3 C.10.7.1.1 says."""


def segmentation(mask: Mask, kept: Sequence[int], reference: Reference, maker: Maker) -> "Segmentation":
    """The object, whose frames are the kept planes, in that order.

    Parameters
    ----------
    mask : (S, rows, columns) bool
        At each plane of the source; somewhere True.
    kept : sequence of int
        Numbers of the planes that get a frame: all, or those where the mask is not empty.
    reference : Reference
        The source.
    maker : Maker
        Of the result.
    """
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentDescription

    algorithm = AlgorithmIdentificationSequence(
        name=NAME,
        family=codes.DCM.ArtificialIntelligence,
        version=maker.version,
        source=NAME,
        parameters={"weights": maker.weights, "weights_sha256": maker.sha256},
    )
    segment = SegmentDescription(
        segment_number=1,
        segment_label=LABEL,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type="SEMIAUTOMATIC" if maker.is_told else "AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=maker.uid("segment", 1),
        tracking_id=LABEL,
        anatomic_regions=[codes.SCT.Brain],
    )
    made = Segmentation(
        reference.images,
        mask,
        "BINARY",
        [segment],
        omit_empty_frames=len(kept) < len(mask),
        content_label="ANOMALY",
        content_description="Anomaly mask; research use only",
        **SERIES.of(reference, maker),
        **equipment(maker),
    )
    made.SegmentSequence[0].SegmentDescription = maker.sentence[:1024]
    made.SegmentSequence[0].RecommendedDisplayCIELabValue = _BRIGHT_RED
    dimensions = maker.uid(SERIES.key, "dimensions")
    in_source_order(
        made, np.asarray(mask[list(kept)], bool), by_depth(reference, kept), "PixelData", dimensions
    )
    own_orientations(made, reference, kept)
    return dressed(made, reference, maker)
