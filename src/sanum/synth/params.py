"""Everything random about one sample, and about another scan of the same head."""

from dataclasses import dataclass, field
from typing import Literal

from .anomaly import ShapeParams
from .contrast import ContrastParams
from .corrupt import CorruptionParams
from .geometry import AlignmentError, GeometryParams
from .look import LookParams
from .world import WorldParams

Skull = Literal["on", "off", "partly"]
Draws = Literal["usual", "published", "world"]


@dataclass(frozen=True)
class SampleParams:
    """Everything random about one sample, as plain numbers.

    Parameters
    ----------
    contrast : ContrastParams
        Modality.
    geometry : GeometryParams
        Pose.
    corruption : CorruptionParams
        Acquisition.
    skull : "on", "off" or "partly"
        Whole head, brain, or brain with a rim.
    skull_mm : float
        Rim that a partial stripping leaves, in mm.
    skull_erosion : int
        Voxels of fluid that a tight stripping takes.
    shapes : tuple of ShapeParams
        Of each anomaly.
    looks : tuple of LookParams
        Of each anomaly.
    misaligned : AlignmentError
        Error of the registration to the atlas.
    world : WorldParams
        What is beyond the published draws.
    """

    contrast: ContrastParams
    geometry: GeometryParams
    corruption: CorruptionParams
    skull: Skull
    skull_mm: float
    skull_erosion: int
    shapes: tuple[ShapeParams, ...]
    looks: tuple[LookParams, ...]
    misaligned: AlignmentError
    world: WorldParams = field(default_factory=WorldParams)


@dataclass(frozen=True)
class ViewParams:
    """Another scan of a sample's head, with the same anomaly: its modality and its acquisition.

    Its field of view is that of the sample.

    Parameters
    ----------
    contrast : ContrastParams
        Modality.
    corruption : CorruptionParams
        Acquisition; its field of view is not used.
    """

    contrast: ContrastParams
    corruption: CorruptionParams
