"""Lesions and brain as a DICOM structured report (TID 1500): volumes, sides and lobes, coded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ..healthy.lesions import LesionRow
from .dress import NewSeries, dressed, equipment
from .maker import NAME, RESEARCH, Maker
from .reference import Reference

if TYPE_CHECKING:
    from highdicom.sr import ComprehensiveSR

SERIES = NewSeries("findings", 5, "findings")

MILLILITRE = Code("mL", "UCUM", "milliliter")
_DECIMALS = 4  # as in lesions.tsv
LOBES = {
    "frontal": codes.SCT.FrontalLobe,
    "parietal": codes.SCT.ParietalLobe,
    "temporal": codes.SCT.TemporalLobe,
    "occipital": codes.SCT.OccipitalLobe,
    "insula": codes.SCT.Insula,
    "cerebellum": codes.SCT.Cerebellum,
    "brain stem": codes.SCT.BrainStem,
}
"""Codes of lobes; what has none here is a place in the brain, and named in the text."""

SIDES = {"left": codes.SCT.Left, "right": codes.SCT.Right, "both": codes.SCT.Bilateral}


def findings(
    lesions: Sequence[tuple[LesionRow, Sequence[int] | None]],
    numbers: dict[str, float],
    segmented: Dataset | None,
    reference: Reference,
    maker: Maker,
) -> "ComprehensiveSR":
    """The report: brain, all lesions together, and each of those that are listed.

    Parameters
    ----------
    lesions : sequence of (LesionRow, sequence of int or None)
        The largest first; and in which frames of the segmentation each is, from 1; None: it is not known.
    numbers : dict
        `brain_ml`, `anomaly_ml` and `lesions`, of the result.
    segmented : Dataset or None
        The segmentation; None: nothing was found, or only between the planes.
    reference : Reference
        The source.
    maker : Maker
        Of the result.
    """
    from highdicom import sr

    algorithm = sr.AlgorithmIdentification(
        name=NAME, version=maker.version, parameters=[f"weights {maker.weights}", f"SHA-256 {maker.sha256}"]
    )
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=maker.uid("device"),
        name=f"{NAME} {maker.version}, {RESEARCH.lower()}",
        manufacturer_name=NAME,
        model_name=NAME,
        serial_number=maker.sha256,
    )
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    groups: list[Any] = [
        _brain(numbers["brain_ml"], maker, algorithm),
        _all(numbers, maker, algorithm),
        *(_lesion(row, frames, segmented, reference, maker, algorithm) for row, frames in lesions),
    ]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.HeadCT if reference.modality == "CT" else codes.LN.BrainMRI,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    evidence = [*reference.images, *([segmented] if segmented is not None else [])]
    made = sr.ComprehensiveSR(
        evidence=evidence,
        content=content[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        **SERIES.of(reference, maker),
        **equipment(maker),
    )
    return dressed(made, reference, maker)


def words_of(row: LesionRow) -> str:
    """A lesion in a few words.

    Parameters
    ----------
    row : LesionRow
        Of the table of lesions.

    Examples
    --------
    >>> words_of(LesionRow(1, 12.34, 0, 0, 0, side="left", lobe="frontal"))
    'lesion 1: 12.3 mL, left frontal'
    """
    side = {"both": "both sides"}.get(row.side, row.side)
    place = " ".join(word for word in (side, row.lobe) if word) or "place not known"
    return f"lesion {row.id}: {row.volume_ml:.3g} mL, {place}"


def _where(frames: Sequence[int]) -> str:
    if not frames:
        return ""
    first, last = min(frames), max(frames)
    return f", frame {first} of the mask" if first == last else f", frames {first} to {last} of the mask"


def _brain(volume_ml: float, maker: Maker, algorithm: Any) -> Any:
    return _group("brain", "brain", maker, algorithm, {"volume": volume_ml}, finding=codes.SCT.Brain)


def _all(numbers: dict[str, float], maker: Maker, algorithm: Any) -> Any:
    """All lesions together; where there is none, that they are absent."""
    count = round(numbers["lesions"])
    words = f"all lesions: {count}, {numbers['anomaly_ml']:.3g} mL" if count else "no anomaly was found"
    return _group(
        "all",
        words,
        maker,
        algorithm,
        {"count": float(count), "volume": numbers["anomaly_ml"]},
        finding=codes.SCT.Lesion,
        present=count > 0,
    )


def _group(
    key: str,
    words: str,
    maker: Maker,
    algorithm: Any,
    values: dict[str, float],
    *,
    finding: Code,
    present: bool | None = None,
) -> Any:
    """Measurements without a region."""
    from highdicom import sr

    names = {
        "volume": (codes.SCT.Volume, MILLILITRE),
        "count": (codes.SCT.NumberOfLesions, codes.UCUM.NoUnits),
    }
    evaluations = None
    if present is not None:
        said = codes.SCT.Present if present else codes.SCT.Absent
        evaluations = [sr.QualitativeEvaluation(name=codes.SCT.Lesion, value=said)]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=maker.uid("tracking", key), identifier=words),
        finding_type=finding,
        finding_sites=[sr.FindingSite(codes.SCT.Brain)],
        algorithm_id=algorithm,
        measurements=[
            sr.Measurement(names[k][0], round(value, _DECIMALS), names[k][1]) for k, value in values.items()
        ],
        qualitative_evaluations=evaluations,
    )


def _lesion(
    row: LesionRow,
    frames: Sequence[int] | None,
    segmented: Dataset | None,
    reference: Reference,
    maker: Maker,
    algorithm: Any,
) -> Any:
    """One lesion. A segment and its frames cannot both be referred to, so frames are named in words."""
    from highdicom import sr

    is_shown = segmented is not None and (frames is None or len(frames) > 0)
    words = words_of(row) + (_where(frames or ()) if is_shown else ", between the planes")
    said: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=maker.uid("tracking", "lesion", row.id), identifier=words
        ),
        "finding_type": codes.SCT.Lesion,
        "finding_sites": [
            sr.FindingSite(LOBES.get(row.lobe, codes.SCT.Brain), laterality=SIDES.get(row.side))
        ],
        "algorithm_id": algorithm,
        "measurements": [sr.Measurement(codes.SCT.Volume, round(row.volume_ml, _DECIMALS), MILLILITRE)],
    }
    if segmented is None or not is_shown:
        return sr.MeasurementsAndQualitativeEvaluations(**said)
    region = sr.ReferencedSegment(
        sop_class_uid=segmented.SOPClassUID,
        sop_instance_uid=segmented.SOPInstanceUID,
        segment_number=1,
        source_series=sr.SourceSeriesForSegmentation(reference.images[0].SeriesInstanceUID),
    )
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=region, **said)
