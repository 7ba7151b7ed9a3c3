"""What a translator has to beat: the mean target, and a table of intensities; neither sees surroundings."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ....methods.common.translation_images import range_of
from ....scan import Scan, ScanError
from ....types import FloatArray

BASELINES = ("mean target", "intensity table")
LEVELS = 64
CT_LEVELS = 1000
"""2 HU each: with 64 levels, of 31 HU, tissues of a brain could not be told apart."""
BODY = -0.8
"""Above it, a source in [−1, 1] shows the body."""


@dataclass(frozen=True, eq=False)
class LevelTally:
    """Sums over pairs, from which both baselines follow; tallies of different people are added.

    Parameters
    ----------
    sums, counts : (`LEVELS`,) float64, of a CT (`CT_LEVELS`,)
        Of the targets' values at each level of the sources, and of their voxels.
    inside, least : float
        Sum over pairs of the mean target where the source shows the body, and of the target's least value.
    pairs : int
        How many.
    """

    sums: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]
    inside: float
    least: float
    pairs: int

    @classmethod
    def of(cls, source: Scan, target: Scan, contrast: str) -> "LevelTally":
        """Of one pair.

        Parameters
        ----------
        source, target : Scan
            On one grid.
        contrast : str
            Of the source: "CT" or another.
        """
        x = unit_of(source, contrast)
        y, level = np.asarray(target.voxels, np.float64), levels_of(x, contrast).ravel()
        most = _most(contrast)
        body = x > BODY
        return cls(
            np.bincount(level, y.ravel(), most).astype(np.float64),
            np.bincount(level, minlength=most).astype(np.float64),
            float(y[body].mean() if body.any() else y.mean()),
            float(y.min()),
            1,
        )

    def __add__(self, other: "LevelTally") -> "LevelTally":
        return LevelTally(
            self.sums + other.sums,
            self.counts + other.counts,
            self.inside + other.inside,
            self.least + other.least,
            self.pairs + other.pairs,
        )

    def mean_target(self, source: Scan, contrast: str) -> FloatArray:
        """The mean target where the source shows the body, and the targets' least value elsewhere.

        Parameters
        ----------
        source : Scan
            To translate.
        contrast : str
            "CT" or another.
        """
        body = unit_of(source, contrast) > BODY
        made: FloatArray = np.where(body, self.inside / self.pairs, self.least / self.pairs).astype(
            np.float32
        )
        return made

    def by_table(self, source: Scan, contrast: str) -> FloatArray:
        """The mean target at each voxel's level; between levels that were seen, linearly.

        Parameters
        ----------
        source : Scan
            To translate.
        contrast : str
            "CT" or another.
        """
        known = np.flatnonzero(self.counts)
        table = np.interp(np.arange(_most(contrast)), known, self.sums[known] / self.counts[known])
        made: FloatArray = table.astype(np.float32)[levels_of(unit_of(source, contrast), contrast)]
        return made


@dataclass(frozen=True, eq=False)
class TableBaseline:
    """One of `BASELINES`, which has learned from pairs.

    Parameters
    ----------
    name : str
        In `BASELINES`.
    tallies : mapping of str to LevelTally
        By group.
    apart : bool
        A pair is not told what was learned of its own group.
    """

    name: str
    tallies: Mapping[str, LevelTally]
    apart: bool

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of all that it has learned."""
        digest = hashlib.sha256(f"{self.name} {self.apart}".encode())
        for group, tally in sorted(self.tallies.items()):
            digest.update(repr((group, tally.inside, tally.least, tally.pairs)).encode())
            digest.update(tally.sums.tobytes() + tally.counts.tobytes())
        return digest.hexdigest()

    def translated(self, source: Scan, contrast: str, group: str) -> Scan:
        """A scan's translation.

        Parameters
        ----------
        source : Scan
            To translate.
        contrast : str
            Of the source.
        group : str
            Whose scan it is.

        Raises
        ------
        ScanError
            There is nobody else to learn from.
        """
        told = [tally for other, tally in self.tallies.items() if not (self.apart and other == group)]
        if not told:
            raise ScanError(f"{self.name} has nobody to learn from but {group} itself")
        tally = told[0]
        for other in told[1:]:
            tally = tally + other
        made = (tally.mean_target if self.name == BASELINES[0] else tally.by_table)(source, contrast)
        return source.with_voxels(made)


def baselines_of(tallies: Mapping[str, LevelTally], *, apart: bool) -> dict[str, TableBaseline]:
    """Both baselines by name; none where there is nobody else to learn from.

    Parameters
    ----------
    tallies : mapping of str to LevelTally
        By group.
    apart : bool
        They are of the pairs that are measured: each group is left out for itself.
    """
    if len(tallies) < (2 if apart else 1):
        return {}
    return {name: TableBaseline(name, tallies, apart) for name in BASELINES}


def by_group(tallies: Iterable[tuple[str, LevelTally]]) -> dict[str, LevelTally]:
    """Sums of the tallies of each group.

    Parameters
    ----------
    tallies : iterable of (str, LevelTally)
        Group and tally of each pair.
    """
    found: dict[str, LevelTally] = {}
    for group, tally in tallies:
        found[group] = found[group] + tally if group in found else tally
    return found


def unit_of(source: Scan, contrast: str) -> FloatArray:
    """A source in [−1, 1], as translators see it.

    Parameters
    ----------
    source : Scan
        Finite values.
    contrast : str
        "CT" or another.
    """
    return range_of(source, contrast).unit(source.voxels)


def levels_of(unit: FloatArray, contrast: str) -> npt.NDArray[Any]:
    """Level of each voxel, from 0 to `LEVELS` − 1, of a CT to `CT_LEVELS` − 1.

    Parameters
    ----------
    unit : float array
        In [−1, 1].
    contrast : str
        "CT" or another.
    """
    most = _most(contrast)
    return np.clip(((unit + 1) * (most / 2)).astype(np.intp), 0, most - 1)


def _most(contrast: str) -> int:
    return CT_LEVELS if contrast == "CT" else LEVELS
