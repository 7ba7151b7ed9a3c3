"""What an audit asks for, of whom, and what it finds: plain values."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ...metrics.groups import Codes
from ...metrics.ranking import Labels, Scores

TOO_FEW = "too few to conclude"
SHIFT, NO_SHIFT = "shift found", "no shift found"
GAP, NO_GAP = "gap found", "no gap found"
LEVEL = 0.05
"""P below which something is said to be found."""
RATES = ("fpr", "tpr", "auc_within", "auc_across")
"""Numbers of a group whose gaps are told."""

Interval = tuple[float, float]
Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class AuditSettings:
    """What an audit asks for.

    Parameters
    ----------
    alpha : float
        Share of normals that may be called abnormal.
    least : int
        Normals of a group from which on something is concluded.
    reference : (str, str) or None
        Attribute and value of the normals that give the threshold; None: all.
    adjust : tuple of str
        Columns that are regressed out.
    match : tuple of (str, float or None)
        Columns in which normals of the groups are matched, and by how much they may differ.
    splits : int
        Random halves whose mean is taken.
    resamples : int
        Of the bootstrap over subjects.
    permutations : int
        Of the tests.
    seed : int
        Of everything random.
    """

    alpha: float = 0.05
    least: int = 20
    reference: tuple[str, str] | None = None
    adjust: tuple[str, ...] = ()
    match: tuple[tuple[str, float | None], ...] = ()
    splits: int = 200
    resamples: int = 1000
    permutations: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is a probability between 0 and 1, got {self.alpha:g}")
        if self.least < 2:
            raise ValueError(f"a group has at least 2 normals, got --least {self.least}")


@dataclass(frozen=True, eq=False)
class People:
    """Scores that are audited.

    Parameters
    ----------
    subjects : tuple of str
        Whose each is.
    scores : (N,) float
        The higher, the more abnormal.
    labels : (N,) int
        0 normal, 1 abnormal.
    pool : (N,) bool
        Normals that may give the threshold.
    """

    subjects: tuple[str, ...]
    scores: Scores
    labels: Labels
    pool: Chosen

    def only(self, chosen: Chosen) -> "People":
        """Some of them.

        Parameters
        ----------
        chosen : (N,) bool
            Which.
        """
        names = tuple(one for one, is_in in zip(self.subjects, chosen, strict=True) if is_in)
        return People(names, self.scores[chosen], self.labels[chosen], self.pool[chosen])

    @property
    def twins(self) -> Codes:
        """Place of the normal score of the same person, (N,); its own place where there is none."""
        normal = {s: n for n, s in enumerate(self.subjects) if self.labels[n] == 0}
        return np.array([normal.get(s, n) for n, s in enumerate(self.subjects)])


@dataclass(frozen=True)
class GroupRow:
    """Numbers of a group; nan: not known.

    Parameters
    ----------
    group : str
        Its name.
    normals, anomalies : int
        Scores.
    enough : bool
        Whether there are enough normals to conclude.
    scores : tuple of float
        Of the normals.
    numbers : mapping of str to float
        fpr, tpr: called abnormal at the threshold of all; auc_within: normals and anomalies of the group;
        auc_across: its normals against the anomalies of all groups; tpr_at_own: recall where `alpha` of
        these very normals are called; delta: Cliff's, of its normals against the others'; own_fpr, own_tpr,
        own_threshold: with a conformal threshold of the group's own; own_moved: how far that lies from the
        threshold of all, in standard deviations of the normals' scores; p: Mann-Whitney against the others.
    intervals : mapping of str to (float, float)
        95 %, by bootstrap over subjects, of `RATES` and delta.
    """

    group: str
    normals: int
    anomalies: int
    enough: bool
    scores: tuple[float, ...]
    numbers: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class AttributeAudit:
    """Numbers of an attribute.

    Parameters
    ----------
    name : str
        Of the attribute.
    kind : "as scored", "adjusted for …", "matched in …" or "random"
        What was compared: scores as they are, adjusted ones, of matched people, or random groups of the same
        sizes.
    rows : tuple of GroupRow
        One a group.
    threshold : float
        Median over the halves.
    realised : float
        Share of the normals that the threshold is for which is called abnormal.
    gaps : mapping of str to float
        Largest less smallest of each of `RATES`, between groups that are large enough.
    gap_intervals : mapping of str to (float, float)
        95 %.
    chance : float
        The 95th percentile of the gap of fpr if groups were drawn by lot.
    p_gap : float
        How often such a gap is as large by lot.
    explained : float
        Share η² of the variance of normals' scores.
    explained_by_chance : float
        What η² is on average if groups were drawn by lot.
    p : float
        Permutation test of η².
    p_mann_whitney : float
        The smallest of the groups', by Holm's correction.
    p_holm, p_gap_holm : float
        `p` and `p_gap`, corrected for the number of attributes.
    """

    name: str
    kind: str
    rows: tuple[GroupRow, ...]
    threshold: float
    realised: float
    gaps: dict[str, float]
    gap_intervals: dict[str, Interval]
    chance: float
    p_gap: float
    explained: float
    explained_by_chance: float
    p: float
    p_mann_whitney: float
    p_holm: float = float("nan")
    p_gap_holm: float = float("nan")

    @property
    def finding(self) -> str:
        """Whether scores are shifted, in words."""
        return self._said(self.p, self.p_holm, SHIFT, NO_SHIFT)

    @property
    def gap_finding(self) -> str:
        """Whether false alarms differ, in words: they may without a shift, where scores scatter more."""
        return self._said(self.p_gap, self.p_gap_holm, GAP, NO_GAP)

    def _said(self, p: float, corrected: float, found: str, not_found: str) -> str:
        if sum(row.enough for row in self.rows) < 2:
            return TOO_FEW
        return found if (p if np.isnan(corrected) else corrected) < LEVEL else not_found
