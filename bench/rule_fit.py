"""Learning `sanum.healthy.rule.Rule`: weights of least log loss on made scans, shifts by split conformal."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize, special

from sanum.healthy.evidence import Evidence
from sanum.healthy.rule import Promise, Rule
from sanum.healthy.witness import log_odds, terms_of
from witness_cases import Case

VOXELS = 20_000  # of each case, to learn from
DOUBTS = (0.5, 1.0, 2.0, 3.0, 6.0)
ALPHA = 0.1  # share of healthy scans that may have more
ML = {"T1w": 0.5}  # of false anomaly that a healthy scan may have; of other contrasts `OTHER_ML`
OTHER_ML = 2.0
REAL, MADE = "healthy people that the network was trained on", "made scans of healthy heads"
_NAMES = ("base", "network", "residual", "large", "one_sided", "both", "alone_base", "alone")
_BOUNDS = [(-9, 3), (0, 2), (0, 3), (0, 3), (0, 3), (0, 2), (-9, 3), (0, 2)]
_START = np.array([-3, 0.4, 0.5, 0.3, 0.1, 0.2, -1, 0.8])


def design(case: Case, doubt: float, rows: np.ndarray) -> np.ndarray:
    """(N, 8): what `_NAMES` weigh."""
    p = case.p[rows]
    found = Evidence(*(x[rows] for x in vars(case.found).values()))
    odds, said = log_odds(p), found.said.astype(np.float64)
    inside = [np.ones_like(said), np.maximum(odds, -doubt), *terms_of(p, found, case.contrast)]
    return np.stack([*(said * x for x in inside), 1 - said, (1 - said) * odds], axis=1)


def learn(cases: Sequence[Case]) -> Rule:
    """The rule of least log loss, each case counting alike; bounded, so that it is monotone."""
    rng = np.random.default_rng(0)
    rows = [rng.choice(c.p.size, min(VOXELS, c.p.size), replace=False) for c in cases]
    truth = np.concatenate([c.lesion[r] for c, r in zip(cases, rows, strict=True)]).astype(float)
    share = np.concatenate([np.full(r.size, 1 / (r.size * len(rows))) for r in rows])
    found: list[tuple[float, float, np.ndarray]] = []
    for doubt in DOUBTS:
        terms = np.concatenate([design(c, doubt, r) for c, r in zip(cases, rows, strict=True)])

        def loss(x: np.ndarray, terms: np.ndarray = terms) -> tuple[float, np.ndarray]:
            odds = terms @ x
            each = np.logaddexp(0, odds) - truth * odds
            return float(share @ each), terms.T @ (share * (special.expit(odds) - truth))

        best = optimize.minimize(loss, _START, jac=True, method="L-BFGS-B", bounds=_BOUNDS)
        found.append((float(best.fun), doubt, best.x))
    _, doubt, weights = min(found, key=lambda f: f[0])
    numbers = {name: round(float(v), 3) for name, v in zip(_NAMES, weights, strict=True)}
    return Rule(**numbers, doubt=doubt, promises={"unknown": Promise(0.0, 100.0, 0.5, 1, "nothing")})


def with_promises(rule: Rule, people: Sequence[Case], made: Sequence[Case]) -> Rule:
    """The rule with a shift for each contrast that has healthy scans; unknown: that of all of them."""
    promises = {}
    for contrast in sorted({str(c.contrast) for c in (*people, *made)}):
        scans = [c for c in (*people, *made) if c.contrast == contrast]
        on = REAL if any(c.contrast == contrast for c in people) else MADE
        promises[contrast] = _promise(scans, rule, ML.get(contrast, OTHER_ML), on)
    everyone = [c for c in (*people, *made)]
    promises["unknown"] = _promise(
        everyone, rule, OTHER_ML, "healthy scans of other contrasts, most of them made"
    )
    return replace(rule, promises=promises)


def _promise(cases: Sequence[Case], rule: Rule, ml: float, on: str) -> Promise:
    """Of each scan the log-odds that leave `ml` above; the ⌈(n + 1)(1 − α)⌉th of those become 0."""
    each = []
    for case in cases:
        most = np.sort(special.logit(np.clip(case.both(rule), 1e-6, 1 - 1e-6)))[::-1]
        each.append(float(most[min(int(ml / case.voxel_ml), most.size - 1)]))
    place = int(np.ceil((len(each) + 1) * (1 - ALPHA)))
    if place > len(each):
        raise ValueError(f"{len(each)} healthy scans are too few for alpha {ALPHA}")
    return Promise(round(-sorted(each)[place - 1], 3), ml, ALPHA, len(each), on)
