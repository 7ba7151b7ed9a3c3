"""Made-up patients as lists of lesions, whose outcome depends on how lesions lie to each other.

Lesions of type A are told from others by their features. A patient is likely active where lesions of type A
lie near each other. How many lesions there are, and how many of type A, says nothing. Others lie near lesions
of type A, and near each other, whatever the outcome. So sums over lesions cannot see the rule, and what looks
at neighbours can.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
RADII_MM = (65.0, 80.0, 55.0)
"""Of the ellipsoid that lesions lie in, about a brain's."""

LEAST, MOST = 2, 40
"""Lesions of a patient."""

TRIES = 1000
"""Draws of the places of a patient's lesions; with the default rule a few are enough."""


@dataclass(frozen=True)
class RelationalRule:
    """The rule, and what lesions look like. Lengths are in mm.

    Parameters
    ----------
    near_mm : float
        Two lesions that are not farther apart are a pair.
    slope, offset : float
        P(active) = sigmoid(slope · pairs of type A + offset).
    features : int
        Numbers of each lesion.
    apart : float
        How far the means of type A and of the others are apart, in standard deviations of the noise.
    count : float
        Median number of lesions; the distribution is log-normal, cut to 2 to 40.
    share : float
        Of type A, which at least two lesions are.
    beside : float
        Probability that a lesion of type A has one of another type beside it, and that two others lie
        together.
    """

    near_mm: float = 15.0
    slope: float = 4.0
    offset: float = -2.0
    features: int = 16
    apart: float = 6.0
    count: float = 12.0
    share: float = 0.3
    beside: float = 0.5

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.name != "offset"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not self.chance(0) < 0.5 < self.chance(1):
            raise ValueError(
                "expected a rule by which a patient without a pair is below 0.5, and with one above"
            )

    def chance(self, pairs: int) -> float:
        """P(active).

        Parameters
        ----------
        pairs : int
            Of type A.
        """
        return float(1 / (1 + np.exp(-(self.slope * pairs + self.offset))))


@dataclass(frozen=True, eq=False)
class MadeUpPatient:
    """One patient.

    Parameters
    ----------
    centres_mm : (N, 3) float64
        Of the lesions.
    features : (N, F) float64
        Of the lesions.
    type_a : (N,) bool
        Which are of type A.
    informative : (N,) bool
        Which are one of a pair of type A.
    active : int
        The outcome, 0 or 1.
    """

    centres_mm: Numbers
    features: Numbers
    type_a: npt.NDArray[np.bool_]
    informative: npt.NDArray[np.bool_]
    active: int


def draw_lesion_patient(rng: np.random.Generator, rule: RelationalRule | None = None) -> MadeUpPatient:
    """One random patient; P(active) is 1/2, whatever the numbers of lesions are.

    Either all lesions of type A are pairs, or none; how often is chosen such that this holds.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    rule : RelationalRule, optional
        Default: its defaults.
    """
    rule = rule or RelationalRule()
    n = int(np.clip(round(float(rng.lognormal(np.log(rule.count), 0.7))), LEAST, MOST))
    of_a = min(n, max(2, round(rule.share * n)))
    without, with_them = rule.chance(0), rule.chance(of_a // 2)
    pairs = of_a // 2 if rng.uniform() < (0.5 - without) / (with_them - without) else 0
    centres = _placed(rng, n, of_a, pairs, rule)
    type_a = np.arange(n) < of_a
    informative = np.zeros(n, bool)
    informative[:of_a] = pairs_within(centres[:of_a], rule.near_mm).any(1)
    mean = np.where(type_a, 0.5, -0.5)[:, None] * rule.apart * np.resize((1.0, -1.0), rule.features)
    features = rng.normal(size=(n, rule.features)) + mean / np.sqrt(rule.features)
    order = rng.permutation(n)
    active = int(rng.uniform() < rule.chance(pairs))
    return MadeUpPatient(centres[order], features[order], type_a[order], informative[order], active)


def pairs_within(centres_mm: Numbers, near_mm: float) -> npt.NDArray[np.bool_]:
    """Which lesions are near which others, (N, N); none is near itself.

    Parameters
    ----------
    centres_mm : (N, 3) float
        Of the lesions.
    near_mm : float
        Largest distance.
    """
    distance = np.linalg.norm(centres_mm[:, None] - centres_mm, axis=-1)
    near: npt.NDArray[np.bool_] = (distance <= near_mm) & ~np.eye(len(centres_mm), dtype=bool)
    return near


def _placed(rng: np.random.Generator, n: int, of_a: int, pairs: int, rule: RelationalRule) -> Numbers:
    """Centres (n, 3) with exactly so many pairs among the first `of_a`; drawn anew until it is so."""
    beside = [(2 * k, 2 * k + 1) for k in range(pairs)]
    others = list(range(of_a, n))
    for one in range(of_a):
        if others and rng.uniform() < rule.beside:
            beside.append((one, others.pop()))
    beside += [two for two in zip(others[::2], others[1::2], strict=False) if rng.uniform() < rule.beside]
    for _ in range(TRIES):
        centres = _in_ball(rng, n) * RADII_MM
        for one, other in beside:
            centres[other] = centres[one] + _in_ball(rng, 1)[0] * rule.near_mm
        if pairs_within(centres[:of_a], rule.near_mm).sum() == 2 * pairs:
            return centres
    raise ValueError(
        f"no places for {n} lesions with {pairs} pairs of type A within {rule.near_mm} mm: make near_mm "
        "smaller"
    )


def _in_ball(rng: np.random.Generator, count: int) -> Numbers:
    """Points (count, 3) in the unit ball."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    found: Numbers = direction * rng.uniform(size=(count, 1)) ** (1 / 3)
    return found
