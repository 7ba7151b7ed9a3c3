"""`ReportInputs`: everything a report shows, and nothing it has to find out by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..scan.contrast import Decided, DecidedBy
from ..scan.scan import Scan
from .lesions import ListedLesion

PREDICTED = "Healthy anatomy (predicted)"


class Reportable(Protocol):
    """A result that can have a report, known by its attributes: see `ReportInputs` for what they are."""

    @property
    def scan(self) -> Scan:
        """The input."""

    @property
    def anatomy(self) -> Scan:
        """Healthy T1w."""

    @property
    def anomaly(self) -> Scan:
        """Probability."""

    @property
    def anomaly_mask(self) -> Scan:
        """Anomaly yes or no."""

    @property
    def uncertainty(self) -> Scan:
        """Expected absolute error of the anatomy."""

    @property
    def brain(self) -> Scan:
        """Brain yes or no."""

    @property
    def contrast(self) -> str | None:
        """Contrast of the input."""

    @property
    def contrast_by(self) -> DecidedBy:
        """Who said so."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """How it was made."""

    @property
    def title(self) -> str:
        """What the anatomy shows."""

    @property
    def others(self) -> Mapping[str, Scan]:
        """What is shown beside the anatomy, by title."""

    @property
    def numbers(self) -> Mapping[str, float]:
        """By name."""

    @property
    def lesions(self) -> Sequence[ListedLesion]:
        """The largest first."""


@dataclass(frozen=True, eq=False)
class ReportInputs:
    """What `render` needs; all six scans lie on one grid.

    Parameters
    ----------
    name : str
        What the reader knows the scan by, usually its file name. Any text: it is escaped.
    scan : Scan
        The input, in the unit it was read in (Hounsfield units for CT).
    anatomy : Scan
        Predicted healthy T1w, in units where white matter is 1.
    anomaly : Scan
        Probability in [0, 1].
    anomaly_mask : Scan
        Anomaly yes or no; a voxel counts where the value is above 0.5.
    uncertainty : Scan
        Expected absolute error of `anatomy`, in its units.
    brain : Scan
        Brain yes or no; a voxel counts where the value is above 0.5.
    contrast : str or None
        Contrast as it should be shown, e.g. "FLAIR". Its first word "CT" selects the brain window. None: not
        known.
    warnings : tuple of str
        Shown in a box above everything else, together with `scan.warnings`.
    provenance : mapping of str to str
        Shown in this order. Known keys get a readable label: version, weights, weights_sha256, stage,
        second_weights, second_weights_sha256, date, device, seconds, input, input_sha256. Other keys are
        shown as they are.
    title : str
        What the column of `anatomy` is called: what it shows, if that is not just what was predicted.
    contrast_by : str
        Who said what the contrast is, as of `sanum.scan.contrast.Decided`.
    others : mapping of str to Scan
        What is shown beside the anatomy and on its scale, by the title of the column.
    numbers : mapping of str to float
        Of the result, by name: its quality is shown, and how many lesions there are.
    lesions : sequence of ListedLesion
        The parts of the anomaly mask, the largest first.
    """

    name: str
    scan: Scan
    anatomy: Scan
    anomaly: Scan
    anomaly_mask: Scan
    uncertainty: Scan
    brain: Scan
    contrast: str | None
    warnings: tuple[str, ...]
    provenance: Mapping[str, str]
    title: str = PREDICTED
    contrast_by: DecidedBy = "nobody"
    others: Mapping[str, Scan] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    lesions: Sequence[ListedLesion] = ()

    @classmethod
    def of(cls, result: Reportable) -> "ReportInputs":
        """Inputs that show a result.

        Parameters
        ----------
        result : Reportable
            Any object with these attributes.
        """
        return cls(
            name=result.scan.path.name if result.scan.path else "scan",
            scan=result.scan,
            anatomy=result.anatomy,
            anomaly=result.anomaly,
            anomaly_mask=result.anomaly_mask,
            uncertainty=result.uncertainty,
            brain=result.brain,
            contrast=result.contrast,
            warnings=result.warnings,
            provenance=result.provenance,
            title=result.title,
            contrast_by=result.contrast_by,
            others=result.others,
            numbers=result.numbers,
            lesions=result.lesions,
        )

    @property
    def decided(self) -> Decided:
        """The contrast and who said so."""
        return Decided(self.contrast, self.contrast_by)

    @property
    def anatomies(self) -> dict[str, Scan]:
        """The anatomy and what is shown beside it, by title."""
        return {self.title: self.anatomy, **self.others}

    def __post_init__(self) -> None:
        require_one_grid(
            scan=self.scan,
            anatomy=self.anatomy,
            anomaly=self.anomaly,
            anomaly_mask=self.anomaly_mask,
            uncertainty=self.uncertainty,
            brain=self.brain,
            **self.others,
        )


def require_one_grid(**scans: Scan) -> None:
    """Raise ValueError, naming the odd one out, unless all scans put every voxel at the same place.

    Parameters
    ----------
    **scans : Scan
        By the names that the sentence has for them; the first is what the others are compared with.
    """
    (first, reference), *others = scans.items()
    for name, scan in others:
        if not scan.grid.same_as(reference.grid):
            raise ValueError(
                f"{name} {scan.grid.shape} does not lie on the grid of {first} {reference.grid.shape}: "
                f"resample it to {first} before reporting"
            )
