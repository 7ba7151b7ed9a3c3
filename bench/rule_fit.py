"""Learning `sanum.healthy.rule.Rule`: weights of least log loss on made scans, shifts by split conformal."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from sanum.healthy.evidence import Evidence
from sanum.healthy.rule import Promise, Rule
from sanum.healthy.witness import log_odds, terms_of
from witness_cases import Case

VOXELS = 15_000  # of each case, to learn from
SMALL = 0.05  # share of a brain: smaller lesions weigh as if they were as large, up to `MOST_HEAVIER` times
MOST_HEAVIER = 20.0
ODDS = np.arange(-3, 3.01, 0.25)
EVEN = 0.0  # log-odds: no mask begins where an anomaly is less likely than none, whatever is promised
COST = 0.1  # share of the Dice of made lesions that a promise may cost


class Wanted(NamedTuple):
    """What is wanted of the mask of a healthy scan: at most `ml` but for a share `alpha` of scans."""

    ml: float
    alpha: float
    on: str


REAL = Wanted(0.5, 0.1, "healthy people that the network was trained on")
MADE = Wanted(2.0, 0.2, "mildly corrupted made scans of healthy heads")
ALL = Wanted(2.0, 0.2, "healthy scans of other contrasts")
_NAMES = ("base", "network", "residual", "around", "one_sided", "alone_base", "alone")
_BOUNDS = [(-9, 3), (0, 2), (0, 3), (0, 3), (0, 3), (-9, 3), (0, 2)]
_START = np.array([-3, 0.4, 0.3, 0.3, 0.3, -1, 0.8])


def design(case: Case, rows: np.ndarray) -> np.ndarray:
    """(N, 7): what `_NAMES` weigh."""
    found = Evidence(*(x[rows] for x in vars(case.found).values()))
    odds, said = log_odds(case.p[rows]), found.said.astype(np.float64)
    inside = [np.ones_like(said), odds, *terms_of(found, case.contrast)]
    return np.stack([*(said * x for x in inside), 1 - said, (1 - said) * odds], axis=1)


def learn(cases: Sequence[Case]) -> Rule:
    """The rule of least log loss, each case counting alike; bounded, so that it is monotone."""
    rng = np.random.default_rng(0)
    terms, truth, weight = [], [], []
    for case in cases:
        rows = rng.choice(case.p.size, min(VOXELS, case.p.size), replace=False)
        lesion = case.lesion[rows]
        heavier = np.clip(SMALL / max(float(lesion.mean()), 1e-6), 1, MOST_HEAVIER)
        terms.append(design(case, rows))
        truth.append(lesion.astype(float))
        weight.append(np.where(lesion, heavier, 1) / (rows.size * len(cases)))
    x, y, w = np.concatenate(terms), np.concatenate(truth), np.concatenate(weight)

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        odds = x @ numbers
        return float(w @ (np.logaddexp(0, odds) - y * odds)), x.T @ (w * (special.expit(odds) - y))

    best = optimize.minimize(loss, _START, jac=True, method="L-BFGS-B", bounds=_BOUNDS)
    numbers = {name: round(float(v), 3) for name, v in zip(_NAMES, best.x, strict=True)}
    return Rule(**numbers, promises={"unknown": Promise(0.0, 100.0, 0.5, 1, "none yet")})


def with_promises(rule: Rule, sick: Sequence[Case], people: Sequence[Case], made: Sequence[Case]) -> Rule:
    """The rule with a shift for each contrast that has healthy scans.

    A mask begins at the log-odds that keep the wanted volume, within `limits`, and not below `EVEN`; where
    these are too low for it, the promise is the volume that is kept. All other contrasts have the most
    cautious shift.
    """
    healthy, within = [*people, *made], limits(sick, rule)
    promises = {}
    for contrast in sorted({str(c.contrast) for c in healthy}):
        scans = [c for c in healthy if c.contrast == contrast]
        of = REAL if any(c.contrast == contrast for c in people) else MADE
        promises[contrast] = promise(scans, rule, of, within)
    cautious = max(-p.shift for p in promises.values())
    promises["unknown"] = promise(healthy, rule, ALL, (cautious, cautious))
    return replace(rule, promises=promises)


def limits(sick: Sequence[Case], rule: Rule) -> tuple[float, float]:
    """Log-odds of the best mean Dice of made lesions, and the highest that cost no more than `COST` of it."""
    dice = np.mean([c.dice(c.both(rule), special.expit(ODDS)) for c in sick if c.lesion.any()], axis=0)
    good = np.flatnonzero(dice >= (1 - COST) * dice.max())
    return float(ODDS[np.argmax(dice)]), float(ODDS[good[-1]])


def promise(cases: Sequence[Case], rule: Rule, of: Wanted, within: tuple[float, float]) -> Promise:
    """Split conformal: of each scan the log-odds that leave `ml` above; of these the ⌈(n + 1)(1 − α)⌉th."""
    scores = [np.sort(odds_of(c, rule))[::-1] for c in cases]
    place = int(np.ceil((len(cases) + 1) * (1 - of.alpha)))
    if place > len(cases):
        raise ValueError(f"{len(cases)} healthy scans are too few for alpha {of.alpha}")
    last = [float(s[min(int(of.ml / c.voxel_ml), s.size - 1)]) for s, c in zip(scores, cases, strict=True)]
    wanted, ml = sorted(last)[place - 1], of.ml
    begins = max(min(max(wanted, within[0]), within[1]), EVEN)
    if begins < wanted:
        volumes = [float((s > begins).sum()) * c.voxel_ml for s, c in zip(scores, cases, strict=True)]
        ml = float(np.ceil(10 * sorted(volumes)[place - 1]) / 10)
    return Promise(round(0 - begins, 3), ml, of.alpha, len(cases), of.on)


def odds_of(case: Case, rule: Rule) -> np.ndarray:
    """Log-odds of both, as the rule has them without a shift."""
    return np.asarray(special.logit(np.clip(case.both(rule), 1e-6, 1 - 1e-6)))
