"""What every detector is told: how pictures are read and seen, and how maps become scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar, Protocol

from ...scan.picture_conform import PictureConfig
from ...scan.read_picture import PictureReading
from .pooling import PoolingConfig

OF_POOLING = tuple(f"pooling.{one.name}" for one in fields(PoolingConfig))
"""Keys of settings that decide how a map becomes a score."""

OF_MAPS = ("map", "cam")
"""Keys of settings that decide what the map is of."""


class PictureSettings(Protocol):
    """What everything that sees 2-D images asks of its configuration."""

    of_scoring: ClassVar[tuple[str, ...]]
    """Keys of settings that change nothing of what is learned: they can be set afterwards."""

    @property
    def name(self) -> str:
        """Of the configuration."""

    @property
    def seed(self) -> int:
        """Of every draw."""

    @property
    def picture(self) -> PictureConfig:
        """How a picture becomes a square."""

    @property
    def reading(self) -> PictureReading:
        """How files are read."""


class DetectorSettings(PictureSettings, Protocol):
    """What a detector asks of its configuration: a `DetectorConfig`, or a recipe with these fields."""

    other_scores: ClassVar[tuple[str, ...]]
    """Settings of scores that a cross-validation measures too, beside those of the map's poolings."""

    @property
    def pooling(self) -> PoolingConfig:
        """How a map becomes a score."""

    @property
    def hold_out(self) -> float:
        """Share of the normals that is held out where no validation is given."""

    @property
    def alpha(self) -> float:
        """Share of normals that the label-free threshold may call abnormal."""


@dataclass(frozen=True)
class DetectorConfig:
    """Configuration of a detector that has no network.

    Parameters
    ----------
    name : str
        Of the configuration.
    seed : int
        Of every draw.
    picture : PictureConfig
        How a picture becomes a square.
    reading : PictureReading
        How files are read.
    pooling : PoolingConfig
        How a map becomes a score.
    hold_out : float
        Share of the normals, in whole groups, that is held out where no validation is given.
    alpha : float
        Share of normals that the label-free threshold may call abnormal.
    """

    of_scoring: ClassVar[tuple[str, ...]] = OF_POOLING
    other_scores: ClassVar[tuple[str, ...]] = ()
    name: str
    seed: int = 0
    picture: PictureConfig = field(default_factory=PictureConfig)
    reading: PictureReading = field(default_factory=PictureReading)
    pooling: PoolingConfig = field(default_factory=PoolingConfig)
    hold_out: float = 0.2
    alpha: float = 0.05

    def __post_init__(self) -> None:
        require_shares(self)


def require_shares(config: PictureSettings, names: Sequence[str] = ("hold_out", "alpha")) -> None:
    """Raise `ValueError` unless shares of a configuration lie between 0 and 1.

    Parameters
    ----------
    config : PictureSettings
        To look at.
    names : sequence of str
        Of the shares.
    """
    for name in names:
        if not 0 < getattr(config, name) < 1:
            raise ValueError(f"{name} is a share between 0 and 1, got {getattr(config, name)}")
