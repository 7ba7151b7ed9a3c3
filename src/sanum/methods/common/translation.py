"""What translators share: one recipe of any two contrasts, of slices or of volumes in patches.

A method subclasses `TranslationRecipe`: it builds a network, has losses in turns, and translates patches.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import nn

from ...data.pairs import LandmarkUse, find_pairs, read_pair
from ...learn.overrides import flat
from ...learn.schedule import LoopConfig
from .recipe import Recipe
from .translation_images import CT_RANGE_HU, Frame, Plane

if TYPE_CHECKING:
    from .translation_source import TranslationSource

Pairing = Literal["paired", "unpaired", "both"]
SSIM_WINDOW = 11
LOOP = LoopConfig(
    steps=2000,
    learning_rate=1e-3,
    optimizer="adam",
    weight_decay=0.0,
    ema=0.995,
    sheet_every=0,
    save_every=250,
)


@dataclass(frozen=True)
class TranslationRecipe(Recipe):
    """Everything that decides a translator but the pairs.

    Parameters
    ----------
    source_contrast, target_contrast : str
        From which contrast to which, such as T1w and FLAIR; empty: as the scans say.
    pairing : "paired", "unpaired" or "both"
        What a batch has: "target", the source's own; "other", a patch of any target; or both.
    dims : 2 or 3
        Slices, or volumes in patches, with three more channels that tell where a voxel lies.
    plane : "axial", "coronal" or "sagittal"
        Of the slices.
    spacing_mm : float
        Of the voxels that the network sees; 0: as scans have them.
    patch : tuple of int
        Size of what the network sees at once.
    overlap : float
        Share of a patch that the next one covers too, when a scan is translated.
    mirror : float
        Share of the training patches that are mirrored, left to right.
    samples : int
        Translations that the uncertainty is the spread of.
    apply_batch : int
        Patches at a time, when a scan is translated.
    ct_range : (float, float)
        HU that the network's −1 and 1 stand for.
    per_vertebra : 1 or 2
        Landmarks of each name that count.
    piecewise : bool
        A rigid map for each vertebra in place of one.
    precision : "32" or "auto"
        "auto": bfloat16 where the device computes in it.
    """

    draws: ClassVar[bool] = False
    """Whether a translation is drawn: then samples differ by their noise, else by mirroring and shifting."""
    pairings: ClassVar[tuple[Pairing, ...]] = ("paired",)
    """What the method can learn from."""

    batch_size: int = 8
    workers: int = 0
    loop: LoopConfig = LOOP
    source_contrast: str = ""
    target_contrast: str = ""
    pairing: Pairing = "paired"
    dims: int = 2
    plane: Plane = "axial"
    spacing_mm: float = 0.0
    patch: tuple[int, ...] = (64, 64)
    overlap: float = 0.5
    mirror: float = 0.5
    samples: int = 4
    apply_batch: int = 8
    ct_range: tuple[float, float] = CT_RANGE_HU
    per_vertebra: int = 2
    piecewise: bool = False
    precision: Literal["32", "auto"] = "32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dims not in (2, 3):
            raise ValueError(f"dims is 2 (slices) or 3 (volumes), got {self.dims}")
        if len(self.patch) != self.dims or min(self.patch) < SSIM_WINDOW:
            raise ValueError(
                f"patch is {self.dims} lengths of at least {SSIM_WINDOW} voxels, as dims says, got "
                f"{self.patch}: recipes whose names end in -3d are of volumes"
            )
        if self.pairing not in self.pairings:
            raise ValueError(
                f"{self.method} learns from {' or '.join(self.pairings)} scans, not from {self.pairing} ones"
            )
        if not 0 <= self.overlap < 1:
            raise ValueError(f"overlap must be at least 0 and below 1, got {self.overlap}")
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, got {self.samples}")
        if not 0 <= self.mirror <= 1:
            raise ValueError(f"mirror is a share, from 0 to 1, got {self.mirror}")
        if self.apply_batch < 1:
            raise ValueError(f"apply_batch must be at least 1, got {self.apply_batch}")
        if not self.ct_range[0] < self.ct_range[1]:
            raise ValueError(f"ct_range is two numbers of HU, the smaller first, got {self.ct_range}")
        if self.per_vertebra not in (1, 2):
            raise ValueError(f"per_vertebra is 1 or 2, got {self.per_vertebra}")

    @property
    def frame(self) -> Frame:
        """How scans are cut."""
        return Frame(self.dims, self.plane, self.spacing_mm)

    @property
    def channels(self) -> int:
        """Of what the network sees: the scan, and in volumes where it is looked at."""
        return 4 if self.dims == 3 else 1

    @property
    def noise_fields(self) -> int:
        """Noises that a translation is drawn from."""
        return 1

    @property
    def use(self) -> LandmarkUse:
        """How landmarks are used."""
        return LandmarkUse(self.per_vertebra, self.piecewise)

    @abstractmethod
    def build(self) -> nn.Module:
        """The networks, drawn from PyTorch's global generator."""

    @abstractmethod
    def translate(self, model: nn.Module, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Patches of the target, (B, 1, *patch); what is beyond [−1, 1] is cut afterwards.

        What is random is in the noise alone, so that patches of one voxel agree.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        source : (B, channels, *patch) float32
            In [−1, 1], first the scan.
        noise : (B, noise_fields, *patch) float32
            Standard normal, the same for a voxel in whichever patch it is; for methods that draw.
        """

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> "TranslationSource":
        """Read the pairs.

        Parameters
        ----------
        data : Path
            BIDS data set, or table, as of `data.pairs.find_pairs`.
        cache : Path
            Not needed.
        on_prepare : function, optional
            Called with how many of how many pairs are read.
        """
        from .translation_source import TranslationSource

        files, pairs = find_pairs(data, self.source_contrast, self.target_contrast), []
        for n, one in enumerate(files, 1):
            pairs.append(read_pair(one, self.source_contrast, self.target_contrast, self.use))
            if on_prepare:
                on_prepare(n, len(files))
        return TranslationSource(self, pairs)

    def check(self, data: Path) -> list[str]:
        """Nothing to say; ScanError where there are no pairs.

        Parameters
        ----------
        data : Path
            As of `prepare`.
        """
        find_pairs(data, self.source_contrast, self.target_contrast)
        return []

    def describe(self) -> dict[str, Any]:
        """Method and configuration: enough to build the networks again."""
        return {**super().describe(), "config": flat(self)}
