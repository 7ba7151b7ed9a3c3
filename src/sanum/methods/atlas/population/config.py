"""How an atlas is built."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from ....space.similarity import Distance, LocalCorrelation, Squares

Measure = Literal["lncc", "mse"]
Drive = Literal["image", "labels"]
MOST_DRIVING = 32
"""Labels whose maps can be aligned, each as a channel."""


@dataclass(frozen=True)
class AtlasConfig:
    """Settings.

    Parameters
    ----------
    spacing_mm : float
        Edge of the atlas's voxels.
    control_mm : float
        From one control point of the velocity to the next.
    stiffness : float
        Weight of the bending energy.
    measure : "lncc" or "mse"
        What is descended: local correlation, or squares, which want intensities that mean something (CT).
    drive : "image" or "labels"
        What is aligned: intensities, or the label maps.
    rounds : int
        Times that the template is estimated after the affine ones, at most; fewer where it stands still.
    still : float
        It stands still when a round after the first changes it by less than this part of its standard error
        (spread over subjects / √n), on average: smaller steps are lost in what other subjects would change.
    masked : bool
        Only what has a label is looked at: of a head its brain.
    shading : bool
        Take out the coils' shading (N4); never of a CT.
    volumes : bool
        Where there are labels, measure which volumes are usual: half of the work.
    """

    spacing_mm: float = 2.0
    control_mm: float = 8.0
    stiffness: float = 1.0
    measure: Measure = "lncc"
    drive: Drive = "image"
    rounds: int = 4
    still: float = 0.5
    masked: bool = False
    shading: bool = True
    volumes: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.spacing_mm < float("inf"):
            raise ValueError(f"spacing is a length in mm above 0, such as 2, got {self.spacing_mm:g}")
        if not self.control_mm >= 2 * self.spacing_mm:
            raise ValueError(
                f"control points are at least two voxels apart ({2 * self.spacing_mm:g} mm), "
                f"got {self.control_mm:g} mm"
            )
        if self.rounds < 1:
            raise ValueError(f"the template is estimated at least once, got {self.rounds} rounds")
        if not self.still >= 0:
            raise ValueError(f"still is a part of the standard error, at least 0, got {self.still:g}")
        for name, value, known in (
            ("measure", self.measure, get_args(Measure)),
            ("drive", self.drive, get_args(Drive)),
        ):
            if value not in known:
                raise ValueError(f"{name} is {' or '.join(known)}, got {value}")

    @property
    def stride(self) -> int:
        """Voxels from one control point to the next."""
        return max(2, round(self.control_mm / self.spacing_mm))

    @cached_property
    def distance(self) -> Distance:
        """What is descended."""
        return LocalCorrelation(2) if self.measure == "lncc" else Squares()
