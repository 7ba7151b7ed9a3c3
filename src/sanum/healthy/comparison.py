"""A scan beside an atlas, as a batch sees it: its healthy anatomy finds the place, the scan is compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import __version__
from ..methods.api import OutputSpec, Result
from ..methods.atlas.population.atlas import Atlas
from ..methods.atlas.population.compare import BEYOND, Compared, compare, require_contrast
from ..methods.atlas.population.members import Member
from ..methods.atlas.population.norms import age_of, sex_of
from ..methods.atlas.population.prepared import read_scan
from ..methods.common.anatomy import Predictor
from ..methods.common.file_job import FileJob
from ..methods.common.plain_result import PlainResult
from ..report.comparison import Column, comparison_page, comparison_png
from ..scan import Scan
from ..scan.names import stem_of
from .job import HasPath
from .reconstruction import reconstruct

OUTPUTS: Mapping[str, OutputSpec] = {
    "z": OutputSpec(
        "z", "(scan - mean of the atlas) / standard deviation, on the scan's grid.", "z", "statmap"
    ),
    "z_atlas": OutputSpec("z_atlas", "The same on the atlas's grid.", "zatlas", "statmap"),
    "usual": OutputSpec("usual", "The atlas's mean, laid onto the scan.", "usual", "map"),
    "anatomy": OutputSpec("anatomy", "What was laid onto the atlas: the healthy anatomy.", "anatomy", "T1w"),
    "volumes": OutputSpec("volumes", "Volume of each label, and its percentile.", None, "volumes", ".tsv"),
    "page": OutputSpec("page", "One page to look at.", None, "comparison", ".html"),
}
TABLES: Mapping[str, Mapping[str, int | None]] = {
    "comparisons.tsv": {"beyond_share": 5, "unusual_labels": 0, "labelled_ml": 1, "warnings": None},
}
TAILS = (2.5, 97.5)
"""Percentiles between which a volume is usual."""

WHOLE = 0.95
"""Share of a label that a scan must hold: with less its volume is a guess, and not judged."""

USED_UP = 0.05
"""Share beyond `BEYOND` above which the whole scan may be wrong, not a part of it."""


@dataclass(frozen=True, eq=False)
class CompareJob(FileJob):
    """`compare` for every scan of a batch.

    Parameters
    ----------
    atlas : Atlas
        The group.
    atlas_sha256 : str
        Of its files.
    predictor : Predictor or None
        Gives the healthy anatomy; None: the scan itself is laid onto the atlas.
    people : mapping of mapping
        Columns of participants.tsv by subject; "" stands for everybody.
    resources : object
        As of `cohort.job.Job`.
    """

    atlas: Atlas
    atlas_sha256: str
    predictor: Predictor | None
    people: Mapping[str, Mapping[str, str]]
    resources: Any
    name: ClassVar[str] = "atlas compare"
    past: ClassVar[str] = "compared"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, atlas, weights, and what is known of the people."""
        return {
            "version": __version__,
            "atlas_sha256": self.atlas_sha256,
            "weights_sha256": None if self.predictor is None else self.predictor.weights_sha256,
            "people": {name: dict(told) for name, told in sorted(self.people.items())},
        }

    def read(self, item: HasPath) -> tuple[str, Scan]:
        """Subject and scan.

        Parameters
        ----------
        item : HasPath
            Of the batch.
        """
        return f"sub-{Member(item.path).subject.removeprefix('sub-')}", read_scan(item.path)

    def compute(self, loaded: tuple[str, Scan], on_step: Callable[[str], None]) -> Result:
        """z, what is usual, volumes and page.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        subject, scan = loaded
        told = self.people.get(subject, self.people.get("", {}))
        strangers = "" not in self.people and bool(self.people) and subject not in self.people
        healthy, brain, warnings = self._healthy(scan, on_step)
        on_step("comparing")
        found = compare(self.atlas, scan, healthy=healthy, brain=brain)
        rows = volumes(found, told)
        unusual = sum(not TAILS[0] <= row[3] <= TAILS[1] for row in rows if np.isfinite(row[3]))
        numbers = {
            "beyond_share": found.beyond,
            "unusual_labels": float(unusual),
            "labelled_ml": float(found.placed.volumes_ml.sum()),
        }
        if strangers:
            warnings = (
                *warnings,
                f"participants.tsv has no line of {subject}: its age and sex are not known",
            )
        warnings = (*warnings, *doubts(self.atlas, found, told))
        anatomy = healthy or found.shown
        contents = {
            "z": found.z,
            "z_atlas": found.z_atlas,
            "usual": found.usual,
            "anatomy": anatomy,
            "volumes": _table(rows),
            "page": self._page(scan, found, healthy, rows, numbers, told, warnings),
        }
        return PlainResult.of(OUTPUTS, _stem(scan), contents, numbers, warnings)

    def _healthy(
        self, scan: Scan, on_step: Callable[[str], None]
    ) -> tuple[Scan | None, Scan | None, tuple[str, ...]]:
        if self.predictor is None:
            return None, None, scan.warnings
        require_contrast(self.atlas, scan)
        result = reconstruct(scan, predictor=self.predictor, compose="keep-healthy", on_step=on_step)
        return result.anatomy, result.brain, result.warnings

    def _page(
        self,
        scan: Scan,
        found: Compared,
        healthy: Scan | None,
        rows: list[tuple[str, float, float, float]],
        numbers: Mapping[str, float],
        told: Mapping[str, str],
        warnings: tuple[str, ...],
    ) -> str:
        shown = [Column("Scan", found.shown)]
        if healthy is not None:
            shown.append(Column("Healthy anatomy", healthy))
        shown += [Column("Usual", found.usual), Column("z over the scan", found.shown, found.z)]
        people = len(self.atlas.about.get("subjects", ()))
        facts = {
            "Atlas": f"of {people} people" + (f", {self.atlas.contrast}" if self.atlas.contrast else ""),
            f"Beyond |z| {BEYOND:g}": f"{numbers['beyond_share']:.2%} of what is compared",
            "Age": f"{age:g} years" if (age := age_of(told)) is not None else "not told",
            "Sex": sex_of(told) or "not told",
            "Laid onto the atlas": "the healthy anatomy" if healthy is not None else "the scan itself",
        }
        if rows:
            out = f"{numbers['unusual_labels']:.0f} of {len(rows)}"
            facts["Labels of unusual volume"] = f"{out} (by chance {0.05 * len(rows):.0f})"
        return comparison_page(_stem(scan), comparison_png(shown, found.z), facts, rows, warnings)


def volumes(found: Compared, told: Mapping[str, str]) -> list[tuple[str, float, float, float]]:
    """Name, volume and expected volume in mL, and percentile of each label; NaN: not known.

    Parameters
    ----------
    found : Compared
        Of the scan.
    told : mapping of str
        Columns of participants.tsv.
    """
    atlas = found.placed.atlas
    names, own = list(atlas.names.values()), found.placed.volumes_ml
    expected = percentile = np.full(len(names), np.nan)
    if atlas.norms is not None and len(names):
        about = (age_of(told), sex_of(told))
        expected, percentile = atlas.norms.expected(*about), atlas.norms.percentile(own, *about)
        percentile = np.where(found.seen < WHOLE, np.nan, percentile)
    return [
        (n, float(v), float(e), float(p)) for n, v, e, p in zip(names, own, expected, percentile, strict=True)
    ]


def _table(rows: list[tuple[str, float, float, float]]) -> str:
    def cell(value: float) -> str:
        return f"{value:.4g}" if np.isfinite(value) else "n/a"

    lines = ["\t".join(("label", "volume_ml", "expected_ml", "percentile"))]
    lines += ["\t".join((name, *map(cell, numbers))) for name, *numbers in rows]
    return "\n".join(lines) + "\n"


def doubts(atlas: Atlas, found: Compared, told: Mapping[str, str]) -> list[str]:
    """What to be careful about, in sentences.

    Parameters
    ----------
    atlas : Atlas
        The group.
    found : Compared
        Of the scan.
    told : mapping of str
        Columns of participants.tsv.
    """
    words = []
    if found.beyond > USED_UP:
        words.append(
            f"{found.beyond:.0%} of the brain lies beyond |z| {BEYOND:g}: the scan may be of another kind "
            "than those of the atlas, or lie badly on it; look at the picture"
        )
    if cut := int((found.seen < WHOLE).sum()):
        words.append(
            f"{cut} of {len(found.seen)} labels reach beyond the scan's field of view: their volumes are "
            "guesses, carried on from what is seen, and have no percentile"
        )
    age, norms = age_of(told), atlas.norms
    if norms is not None and norms.ages:
        low, high = norms.ages
        if age is None:
            words.append("no age was told: volumes are compared with those of the group's mean age")
        elif not low <= age <= high:
            words.append(f"the age {age:g} is beyond those of the atlas ({low:.0f} to {high:.0f} years)")
    return words


def _stem(scan: Scan) -> str:
    return stem_of(scan.path) if scan.path else "scan"
