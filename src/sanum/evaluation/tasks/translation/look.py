"""Every pair read once, before a model is asked: what the baselines learn, and what could not be measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ....files import sha256_of
from ....methods.common.translation_images import range_of
from ....scan import ScanError
from ....scan.names import printable
from .baselines import LevelTally, TableBaseline, baselines_of, by_group
from .cases import PairCase
from .finders import ThresholdFinder
from .numbers import body_of


@dataclass(frozen=True, eq=False)
class SeenPairs:
    """What one knows of pairs before they are measured.

    Parameters
    ----------
    baselines : mapping of str to TableBaseline
        By name; empty where there is nobody to learn from.
    largest : float
        Largest range of a target, in its unit.
    warnings : tuple of str
        What a user should know of scans, each with its pair's name.
    """

    baselines: dict[str, TableBaseline]
    largest: float
    warnings: tuple[str, ...] = ()


def first_look(
    cases: Sequence[PairCase],
    train: Sequence[PairCase] = (),
    on_case: Callable[[int, int], None] = lambda n, of: None,
) -> SeenPairs:
    """Read all pairs, and learn the baselines; pairs that cannot be read are left to the measurement.

    Parameters
    ----------
    cases : sequence of PairCase
        To be measured, one or more.
    train : sequence of PairCase
        What baselines learn from; without any, they learn of each group from the others that are measured.
    on_case : function
        Called with how many of how many are read.

    Raises
    ------
    ScanError
        No pair can be read, or one of `train` cannot.
    ValueError
        The threshold finds nothing in any truth; a scan is measured and learned from.
    """
    finder, source = cases[0].how.finder, cases[0].how.source
    refuse_shared(cases, train)
    reasons: list[ScanError] = []
    own: list[tuple[str, LevelTally]] = []
    ends: list[tuple[float, float]] = []
    found, ranges = False, []
    warnings: list[str] = []
    count = len(cases) + len(train)
    for n, case in enumerate(cases, 1):
        try:
            image, truth = case.read()
            ranges.append(range_of(truth, case.how.target))
            own.append((case.subject, LevelTally.of(image, truth, source)))
        except ScanError as error:
            reasons.append(error)
        else:
            warnings += [f"{case.name}: {what}" for what in (*image.warnings, *truth.warnings)]
            inside = np.asarray(truth.voxels)[body_of(image, source)]
            ends.append((float(inside.min()), float(inside.max())) if inside.size else (np.nan, np.nan))
            if isinstance(finder, ThresholdFinder) and not found:
                found = bool(finder.labels(truth)[body_of(image, source)].any())
        on_case(n, count)
    if not own:
        raise reasons[0]
    if isinstance(finder, ThresholdFinder) and not found:
        low, high = np.nanmin(ends), np.nanmax(ends)
        raise ValueError(
            f"nothing in any target is {finder.name}: in the body they go from {low:.4g} to {high:.4g}; "
            "choose another --threshold, or leave it out"
        )
    warnings += _of_one_name(cases, train)
    told = []
    for n, case in enumerate(train, len(cases) + 1):
        told.append((case.subject, LevelTally.of(*case.read(), source)))
        on_case(n, count)
    baselines = baselines_of(by_group(told or own), apart=not told)
    return SeenPairs(baselines, max(one.high - one.low for one in ranges), tuple(warnings))


def refuse_shared(cases: Sequence[PairCase], train: Sequence[PairCase]) -> None:
    """Raise ValueError if a scan is measured and learned from, whatever its file is called.

    Parameters
    ----------
    cases, train : sequence of PairCase
        To be measured; to learn from.
    """
    if not train:
        return
    learned = {sha256_of([path]) for case in train for path in case.scans()}
    for case in cases:
        if any(sha256_of([path]) in learned for path in case.scans()):
            raise ValueError(
                f"{printable(case.name)} is measured, and among the pairs of --train: leave it out of one of "
                "both, or leave out --train, and each person's baselines learn from the others"
            )


def _of_one_name(cases: Sequence[PairCase], train: Sequence[PairCase]) -> list[str]:
    """A warning of people that both have by name: other scans of one person are no other person."""
    both = sorted({case.subject for case in cases} & {case.subject for case in train})
    if not both:
        return []
    shown = ", ".join(printable(name) for name in both[:3]) + (", …" if len(both) > 3 else "")
    return [
        f"measured, and by name among the people of --train: {shown}; if they are the same people, the "
        "baselines have learned from them, so leave them out of one of both"
    ]
