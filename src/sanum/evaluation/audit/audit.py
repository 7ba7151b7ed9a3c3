"""The audit: every attribute, with scores as they are, adjusted, and with random groups beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from ...data.attributes import Attribute
from ...metrics.conformal import fewest_normals
from ...metrics.groups import without_covariates
from ...metrics.statistics import holm
from .attributes import Grouping, covariates, grouping, spelling_key, words_of
from .matching import distances, matched
from .measure import measured
from .result import TOO_FEW, AttributeAudit, AuditSettings, People
from .table import ScoreTable, some

RANDOM = "random"
GOES_TOGETHER = 0.01
"""P below which two attributes are said to go together."""


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found.

    Parameters
    ----------
    settings : AuditSettings
        What was asked for.
    attributes : tuple of AttributeAudit
        Scores as they are; then adjusted, and of matched people, if asked; then random groups.
    groupings : tuple of Grouping
        Of the attributes as they are.
    people : People
        All scores.
    notes : tuple of str
        What a reader must know, one sentence each.
    """

    settings: AuditSettings
    attributes: tuple[AttributeAudit, ...]
    groupings: tuple[Grouping, ...]
    people: People
    notes: tuple[str, ...]


def audit(table: ScoreTable, asked: Sequence[Attribute], settings: AuditSettings) -> Audit:
    """Measure how scores differ between groups of people.

    Parameters
    ----------
    table : ScoreTable
        Scores and people.
    asked : sequence of Attribute
        Attributes.
    settings : AuditSettings
        What is asked for.

    Raises
    ------
    ValueError
        An attribute or the reference is not there; too few normals for any threshold.
    """
    notes = list(table.notes)
    groupings = [grouping(table, one, notes) for one in asked]
    pool = _pool(table, settings)
    people = People(table.subjects, table.scores, table.labels, pool)
    if pool.sum() // 2 < (most := fewest_normals(settings.alpha)):
        raise ValueError(
            f"{pool.sum()} normals give the threshold, and alpha {settings.alpha:g} needs {2 * most}: "
            "half of them calibrate"
        )
    as_scored = [_of(people, one, settings) for one in groupings]
    adjusted = _adjusted(table, people, groupings, settings, notes)
    alike = _matched(table, people, groupings, settings, notes)
    lots = [_by_lot(people, one, settings, n) for n, one in enumerate(groupings)]
    notes += _about(people, groupings, as_scored, settings)
    return Audit(
        settings,
        tuple(_corrected(as_scored) + _corrected(adjusted) + _corrected(alike) + lots),
        tuple(groupings),
        people,
        tuple(notes),
    )


def _pool(table: ScoreTable, settings: AuditSettings) -> npt.NDArray[np.bool_]:
    """Normals that may give the threshold."""
    normal: npt.NDArray[np.bool_] = table.labels == 0
    if settings.reference is None:
        return normal
    name, value = settings.reference
    words = words_of(table, name.lower())
    chosen = np.array([spelling_key(name, word) == spelling_key(name, value) for word in words])
    if not chosen.any():
        raise ValueError(f"nobody's {name} is {value}: there is {some(sorted(set(words)))}")
    pool: npt.NDArray[np.bool_] = normal & chosen
    return pool


def _of(people: People, one: Grouping, settings: AuditSettings) -> AttributeAudit:
    return measured(people, one.name, one.groups, one.codes, settings)


def _by_lot(people: People, one: Grouping, settings: AuditSettings, n: int) -> AttributeAudit:
    """The negative control: groups of the same sizes, dealt out among subjects who have the same labels."""
    rng = np.random.default_rng([settings.seed, 3, n])
    group_of: dict[str, int] = {}
    labels_of: dict[str, frozenset[int]] = {}
    for subject, code, label in zip(people.subjects, one.codes.tolist(), people.labels.tolist(), strict=True):
        if code >= 0:
            group_of[subject] = code
            labels_of[subject] = labels_of.get(subject, frozenset()) | {label}
    for kind in set(labels_of.values()):
        alike = [subject for subject in group_of if labels_of[subject] == kind]
        dealt = rng.permutation([group_of[subject] for subject in alike]).tolist()
        group_of.update(zip(alike, dealt, strict=True))
    drawn = np.array([group_of.get(subject, -1) for subject in people.subjects])
    names = tuple(f"as many as {group}" for group in one.groups)
    return measured(people, one.name, names, drawn, settings, kind=RANDOM)


def _adjusted(
    table: ScoreTable,
    people: People,
    groupings: Sequence[Grouping],
    settings: AuditSettings,
    notes: list[str],
) -> list[AttributeAudit]:
    """Every attribute but those that are adjusted for."""
    if not settings.adjust:
        return []
    z = covariates(table, settings.adjust)
    there = np.isfinite(z.sum(1))
    found = []
    for one in groupings:
        if one.name in settings.adjust:
            notes.append(f"{one.name} is not adjusted for itself: it is audited as scored alone.")
            continue
        part, codes = people.only(there), one.codes[there]
        normal = (part.labels == 0) & (codes >= 0)
        if part.pool.sum() // 2 < fewest_normals(settings.alpha) or normal.sum() < z.shape[1] + 20:
            notes.append(f"{one.name} is not adjusted: too few normals of known {some(settings.adjust)}.")
            continue
        part = replace(part, scores=without_covariates(part.scores, codes, z[there], normal))
        words = f"adjusted for {' and '.join(settings.adjust)}"
        found.append(measured(part, one.name, one.groups, codes, settings, kind=words, covariates=z[there]))
    return found


def _matched(
    table: ScoreTable,
    people: People,
    groupings: Sequence[Grouping],
    settings: AuditSettings,
    notes: list[str],
) -> list[AttributeAudit]:
    """Every attribute but those that are matched, of normals who have a partner in each other group."""
    if not settings.match:
        return []
    names = [name for name, _ in settings.match]
    asked = [Attribute(name, () if apart is None else (apart,)) for name, apart in settings.match]
    columns = distances(table, asked)
    normal = people.labels == 0
    found = []
    for one in groupings:
        if one.name in names:
            notes.append(f"{one.name} is not matched in itself: it is audited as scored alone.")
            continue
        known = normal & (one.codes >= 0)
        chosen = matched(columns, np.where(known, one.codes, -1), len(one.groups))
        part = people.only(chosen | ~normal)
        each = int(chosen.sum()) // len(one.groups)
        notes.append(
            f"Matched in {some(names)}, {chosen.sum()} of {known.sum()} normals of known {one.name} remain, "
            f"{each} of each group; anomalies are as they were."
        )
        if part.pool.sum() // 2 < fewest_normals(settings.alpha):
            notes.append(f"{one.name} is not audited matched: too few normals remain.")
            continue
        words = f"matched in {' and '.join(names)}"
        found.append(measured(part, one.name, one.groups, one.codes[chosen | ~normal], settings, kind=words))
    return found


def _corrected(found: list[AttributeAudit]) -> list[AttributeAudit]:
    """Holm's correction for the number of attributes on which something is concluded."""
    tested = [one for one in found if one.finding != TOO_FEW]
    shifts, gaps = holm([one.p for one in tested]), holm([one.p_gap for one in tested])
    corrected = {
        id(one): replace(one, p_holm=shift, p_gap_holm=gap)
        for one, shift, gap in zip(tested, shifts, gaps, strict=True)
    }
    return [corrected.get(id(one), one) for one in found]


def _about(
    people: People,
    groupings: Sequence[Grouping],
    found: Sequence[AttributeAudit],
    settings: AuditSettings,
) -> list[str]:
    """What makes differences hard to read."""
    notes = []
    normal = people.labels == 0
    for one, measured_one in zip(groupings, found, strict=True):
        if small := [f"{row.group} ({row.normals})" for row in measured_one.rows if not row.enough]:
            notes.append(f"Of {one.name}, fewer than {settings.least} normals: {some(small)}: {TOO_FEW}.")
        without = [row.group for row in measured_one.rows if not row.anomalies]
        if without and not normal.all():
            notes.append(f"Of {one.name}, groups without anomalies: {some(without)}.")
        known = one.codes >= 0
        if (p := _goes_with(one.codes[known], people.labels[known])) < GOES_TOGETHER:
            notes.append(
                f"Anomalies are not spread evenly over {one.name} (p = {p:.2g}): what looks like {one.name} "
                "may be disease that nobody labelled."
            )
    for n, one in enumerate(groupings):
        for other in groupings[n + 1 :]:
            both = normal & (one.codes >= 0) & (other.codes >= 0)
            if (p := _goes_with(one.codes[both], other.codes[both])) < GOES_TOGETHER:
                notes.append(
                    f"{one.name} and {other.name} go together (p = {p:.2g}): a shift of one may be the "
                    f"other's; compare with --adjust {other.name}."
                )
    return notes


def _goes_with(one: npt.NDArray[np.integer], other: npt.NDArray[np.integer]) -> float:
    """P of a χ² test of independence; 1 where one of them is constant."""
    rows, columns = np.unique(one), np.unique(other)
    if len(rows) < 2 or len(columns) < 2:
        return 1.0
    table = [[int(((one == a) & (other == b)).sum()) for b in columns] for a in rows]
    return float(stats.chi2_contingency(table).pvalue)
