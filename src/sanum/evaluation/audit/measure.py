"""Numbers of one attribute: of each group, and of the differences between groups."""

import numpy as np

from ...metrics.conformal import fewest_normals
from ...metrics.group_rates import (
    Halves,
    called,
    called_by_group,
    draw_halves,
    recall_at_rate,
    resampled_rates,
)
from ...metrics.groups import (
    Codes,
    auc_weighted,
    chance_gaps,
    cliffs_delta,
    gap,
    mann_whitney,
    permutation_test,
    share_explained,
)
from ...metrics.ranking import Scores, auc
from ...metrics.resampling import draw_weights
from ...metrics.statistics import holm
from .result import RATES, AttributeAudit, AuditSettings, Chosen, GroupRow, Interval, People


def measured(
    people: People,
    name: str,
    groups: tuple[str, ...],
    codes: Codes,
    settings: AuditSettings,
    *,
    kind: str = "as scored",
    covariates: Scores | None = None,
) -> AttributeAudit:
    """Numbers of people in groups.

    Parameters
    ----------
    people : People
        All; who is in no group takes part in the threshold alone.
    name : str
        Of the attribute.
    groups : tuple of str
        Names.
    codes : (N,) int
        Group of each; −1: in none.
    settings : AuditSettings
        What is asked for.
    kind : str
        As of `AttributeAudit`.
    covariates : (N, c) float, optional
        Regressed out in the permutation test; the scores are adjusted already.
    """
    rng = np.random.default_rng([settings.seed, 1])
    normal = people.labels == 0
    known_group = normal & (codes >= 0)
    halves = draw_halves(people.pool, settings.splits, rng)
    everyone = called(people.scores, halves, settings.alpha, people.twins)
    counts = np.bincount(codes[known_group], minlength=len(groups))
    enough = [n for n in range(len(groups)) if counts[n] >= settings.least]
    rows = [
        _row(people, groups[n], codes == n, codes >= 0, everyone.rates, settings) for n in range(len(groups))
    ]
    threshold = float(np.median(everyone.thresholds))
    _own(people, codes, rows, halves, threshold, settings)
    gap_intervals = _intervals(people, codes, rows, enough, settings)
    _test(people, codes, rows, enough)
    gaps = {rate: float(gap([rows[n].numbers[rate] for n in enough] or [np.nan])) for rate in RATES}
    return AttributeAudit(
        name,
        kind,
        tuple(rows),
        threshold,
        float(np.nanmean(everyone.rates[people.pool])),
        gaps,
        gap_intervals,
        **_between(people, codes, enough, everyone.rates, gaps["fpr"], settings, covariates, rng),
        p_mann_whitney=_smallest([rows[n].numbers["p"] for n in enough]),
    )


def _between(
    people: People,
    codes: Codes,
    enough: list[int],
    rates: Scores,
    found: float,
    settings: AuditSettings,
    covariates: Scores | None,
    rng: np.random.Generator,
) -> dict[str, float]:
    """What the groups that are large enough explain, and what they would by lot."""
    if len(enough) < 2:
        return dict.fromkeys(("chance", "p_gap", "explained", "explained_by_chance", "p"), float("nan"))
    compared = (people.labels == 0) & np.isin(codes, enough)
    known = compared & np.isfinite(rates)
    times = settings.permutations
    by_lot = chance_gaps(rates[known], codes[known], enough, repeats=times, rng=rng)
    z = None if covariates is None else covariates[compared]
    scores, own = people.scores[compared], codes[compared]
    freedom = len(scores) - 1 - (0 if z is None else z.shape[1])
    return {
        "chance": float(np.quantile(by_lot, 0.95)),
        "p_gap": float((1 + (by_lot >= found - 1e-12).sum()) / (1 + times)),
        "explained": share_explained(scores, own, z),
        "explained_by_chance": (len(enough) - 1) / max(freedom, 1),
        "p": permutation_test(scores, own, z, repeats=times, rng=rng),
    }


def _row(
    people: People,
    group: str,
    own: Chosen,
    in_any: Chosen,
    rates: Scores,
    settings: AuditSettings,
) -> GroupRow:
    """Numbers of a group that need no other threshold."""
    normal, every = people.labels == 0, people.scores
    mine, sick, all_sick = every[own & normal], every[own & ~normal], every[~normal]
    joined = np.concatenate([mine, all_sick])
    return GroupRow(
        group,
        len(mine),
        len(sick),
        len(mine) >= settings.least,
        tuple(mine.tolist()),
        {
            "fpr": _mean(rates[own & normal]),
            "tpr": _mean(rates[own & ~normal]),
            "auc_within": auc(every[own], people.labels[own]),
            "auc_across": auc(joined, np.repeat([0, 1], [len(mine), len(all_sick)])),
            "tpr_at_own": recall_at_rate(mine, sick, settings.alpha),
            "delta": cliffs_delta(mine, every[~own & in_any & normal]),
        },
    )


def _own(
    people: People,
    codes: Codes,
    rows: list[GroupRow],
    halves: Halves,
    threshold: float,
    settings: AuditSettings,
) -> None:
    """The remedy: a threshold for each group, of its own normals."""
    normal = people.labels == 0
    own_halves = np.zeros_like(halves)
    rng = np.random.default_rng([settings.seed, 2])
    spread = float(people.scores[normal].std()) or float("nan")
    for n in range(len(rows)):
        own_halves |= draw_halves(normal & (codes == n), len(halves), rng)
    found = called_by_group(people.scores, own_halves, codes, settings.alpha, people.twins)
    for n, row in enumerate(rows):
        wide_enough = row.normals // 2 >= fewest_normals(settings.alpha)
        nan = float("nan")
        row.numbers["own_fpr"] = _mean(found.rates[normal & (codes == n)]) if wide_enough else nan
        row.numbers["own_tpr"] = _mean(found.rates[~normal & (codes == n)]) if wide_enough else nan
        own = float(np.median(found.thresholds[:, n])) if wide_enough else nan
        row.numbers["own_threshold"], row.numbers["own_moved"] = own, (own - threshold) / spread


def _intervals(
    people: People, codes: Codes, rows: list[GroupRow], enough: list[int], settings: AuditSettings
) -> dict[str, Interval]:
    """Give the rows their intervals; those of the gaps are returned."""
    normal, twins = people.labels == 0, people.twins
    weights = draw_weights(
        2 * codes + people.labels, people.subjects, resamples=settings.resamples, seed=settings.seed
    )
    own = [codes == n for n in range(len(rows))]
    sets = np.stack([one & (normal == is_normal) for is_normal in (True, False) for one in own])
    both = resampled_rates(people.scores, weights, people.pool, sets, settings.alpha, twins)
    drawn = {"fpr": list(both[:, : len(rows)].T), "tpr": list(both[:, len(rows) :].T)}

    def areas(low: list[Chosen], high: list[Chosen]) -> list[Scores]:
        return [
            auc_weighted(people.scores[a], people.scores[b], weights[:, a], weights[:, b])
            for a, b in zip(low, high, strict=True)
        ]

    mine = [one & normal for one in own]
    drawn["auc_within"] = areas(mine, [one & ~normal for one in own])
    drawn["auc_across"] = areas(mine, [~normal for _ in own])
    others = [~one & (codes >= 0) & normal for one in own]
    drawn["delta"] = [2 * area - 1 for area in areas(others, mine)]
    for n, row in enumerate(rows):
        for name, values in drawn.items():
            row.intervals[name] = _percentiles(values[n])
        for name, many in (("fpr", row.normals), ("tpr", row.anomalies)):
            row.intervals[name] = _widened(row.intervals[name], row.numbers[name], many)
    return {
        name: _percentiles(gap(np.stack([drawn[name][n] for n in enough], 1)))
        if len(enough) > 1
        else (float("nan"), float("nan"))
        for name in RATES
    }


def _test(people: People, codes: Codes, rows: list[GroupRow], enough: list[int]) -> None:
    """Each group's normals against those of the other groups that are large enough."""
    compared = (people.labels == 0) & np.isin(codes, enough)
    for n, row in enumerate(rows):
        one, other = people.scores[compared & (codes == n)], people.scores[compared & (codes != n)]
        row.numbers["p"] = mann_whitney(one, other) if len(one) and len(other) else float("nan")


def _smallest(p: list[float]) -> float:
    """Of two groups both tests are the same one."""
    return p[0] if len(p) == 2 else min(holm(p), default=float("nan"))


def _widened(found: Interval, rate: float, many: int) -> Interval:
    """With the exact binomial limit where less than one person was called, or missed.

    Resamples of nothing are nothing.
    """
    low, high = found
    if rate * many < 1:
        high = max(high, 1 - 0.025 ** (1 / many))
    if (1 - rate) * many < 1:
        low = min(low, 0.025 ** (1 / many))
    return low, high


def _mean(values: Scores) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _percentiles(values: Scores) -> Interval:
    known = values[np.isfinite(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
