"""Learning `sanum.healthy.rule.Rule`: weights of least log loss on made scans, shifts by split conformal."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize, special

from sanum.healthy.evidence import Evidence
from sanum.healthy.rule import Promise, Rule
from sanum.healthy.witness import log_odds, terms_of
from witness_cases import Case

VOXELS = 15_000  # of each case, to learn from
SMALL = 0.05  # share of a brain: smaller lesions weigh as if they were as large, up to `MOST_HEAVIER` times
MOST_HEAVIER = 20.0
ALPHA = 0.1  # share of healthy scans that may have more
ML = {"T1w": 0.5}  # of false anomaly that a healthy scan may have; of other contrasts `OTHER_ML`
OTHER_ML = 2.0
ODDS = np.arange(-3, 2.01, 0.25)  # at which a mask may begin: beyond, it misses too much
REAL, MADE = "healthy people that the network was trained on", "mildly corrupted made scans of healthy heads"
ALL = "healthy scans of other contrasts"
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
    return Rule(**numbers, promises={"unknown": Promise(0.0, 100.0, ALPHA, 1, "none yet")})


def with_promises(rule: Rule, sick: Sequence[Case], people: Sequence[Case], made: Sequence[Case]) -> Rule:
    """The rule with a shift for each contrast that has healthy scans.

    A mask begins at the log-odds that keep the wanted volume, no lower than is best for the lesions of made
    scans, and no higher than the last of `ODDS`: there the promise is the volume that is kept. All other
    contrasts have the most cautious shift.
    """
    healthy = [*people, *made]
    promises = {}
    for contrast in sorted({str(c.contrast) for c in healthy}):
        scans = [c for c in healthy if c.contrast == contrast]
        on = REAL if any(c.contrast == contrast for c in people) else MADE
        least = best_odds([c for c in sick if c.contrast == contrast], rule)
        promises[contrast] = promise(scans, rule, ML.get(contrast, OTHER_ML), least, on)
    cautious = max(-p.shift for p in promises.values())
    promises["unknown"] = promise(healthy, rule, OTHER_ML, cautious, ALL)
    return replace(rule, promises=promises)


def best_odds(sick: Sequence[Case], rule: Rule) -> float:
    """Log-odds of the best mean Dice."""
    dice = [c.dice(c.both(rule), special.expit(ODDS)) for c in sick if c.lesion.any()]
    return float(ODDS[np.argmax(np.mean(dice, axis=0))]) if dice else 0.0


def promise(cases: Sequence[Case], rule: Rule, ml: float, least: float, on: str) -> Promise:
    """Split conformal: of each scan the log-odds that leave `ml` above; of these the ⌈(n + 1)(1 − α)⌉th."""
    scores = [np.sort(odds_of(c, rule))[::-1] for c in cases]
    place = int(np.ceil((len(cases) + 1) * (1 - ALPHA)))
    if place > len(cases):
        raise ValueError(f"{len(cases)} healthy scans are too few for alpha {ALPHA}")
    wanted = sorted(
        float(s[min(int(ml / c.voxel_ml), s.size - 1)]) for s, c in zip(scores, cases, strict=True)
    )[place - 1]
    begins = min(max(wanted, least), float(ODDS[-1]))
    if begins < wanted:
        volumes = sorted(float((s > begins).sum()) * c.voxel_ml for s, c in zip(scores, cases, strict=True))
        ml = round(volumes[place - 1] + 0.05, 1)
    return Promise(round(-begins, 3), ml, ALPHA, len(cases), on)


def odds_of(case: Case, rule: Rule) -> np.ndarray:
    """Log-odds of both, as the rule has them without a shift."""
    return np.asarray(special.logit(np.clip(case.both(rule), 1e-6, 1 - 1e-6)))
