"""Probability and uncertainty as DICOM parametric maps: float32, with their real-world values."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ..types import FloatArray
from .dress import NewSeries, by_depth, dressed, equipment, in_source_order, own_orientations
from .maker import Maker
from .reference import Reference

if TYPE_CHECKING:
    from highdicom.pm import ParametricMap


@dataclass(frozen=True)
class MapKind:
    """What a map is.

    Parameters
    ----------
    series : NewSeries
        Where it goes.
    label : str
        Of its real-world values, 16 characters at most.
    meaning : str
        In one sentence.
    quantity : Code
        The same, coded.
    unit : Code
        Of its values.
    width : float
        Of the window, which begins at 0.
    """

    series: NewSeries
    label: str
    meaning: str
    quantity: Code
    unit: Code
    width: float


PROBABILITY = MapKind(
    NewSeries("probability", 2, "anomaly probability"),
    "PROBABILITY",
    "Probability of an anomaly, 0 to 1",
    codes.DCM.Probability,
    codes.UCUM.NoUnits,
    1.0,
)
UNCERTAINTY = MapKind(
    NewSeries("uncertainty", 3, "uncertainty"),
    "UNCERTAINTY",
    "Expected absolute error of the healthy anatomy; white matter is 1",
    Code("371884006", "SCT", "+/-, range of measurement uncertainty"),
    codes.UCUM.NoUnits,
    0.3,
)


def parametric_map(values: FloatArray, kind: MapKind, reference: Reference, maker: Maker) -> "ParametricMap":
    """The object, with a frame for each plane, in the order of the source.

    Parameters
    ----------
    values : (S, rows, columns) float32
        At each plane.
    kind : MapKind
        What they are.
    reference : Reference
        The source.
    maker : Maker
        Of the result.
    """
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping

    highest = max(float(values.max()), 1.0)
    mapping = RealWorldValueMapping(
        lut_label=kind.label,
        lut_explanation=kind.meaning[:64],
        unit=kind.unit,
        value_range=(0.0, highest),
        slope=1.0,
        intercept=0.0,
        quantity_definition=kind.quantity,
    )
    window = VOILUTTransformation(
        window_center=kind.width / 2, window_width=kind.width, voi_lut_function="LINEAR_EXACT"
    )
    made = ParametricMap(
        reference.images,
        values,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[window],
        content_label=kind.label,
        content_description=f"{kind.series.words}; research use only",
        **kind.series.of(reference, maker),
        **equipment(maker),
    )
    every = range(len(values))
    frames = np.asarray(values, "<f4")
    dimensions = maker.uid(kind.series.key, "dimensions")
    in_source_order(made, frames, by_depth(reference, every), "FloatPixelData", dimensions)
    own_orientations(made, reference, every)
    return dressed(made, reference, maker)
