"""The rule that weighs the two witnesses of an anomaly: part of a weights file, for it belongs to a network.

`bench/witnesses.py learn` learns it from made scans that the network has been through, and writes it into the
header of the weights. Weights without one have the network's map alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..methods.common.anatomy import Predictor
from ..scan.contrast import CONTRASTS
from ..weights.file import WeightsError

KEY = "witnesses"
"""Of the rule in the header of a weights file."""

_FREE = ("base", "alone_base")  # all other weights are at least 0, so that no witness speaks against itself
MOST = 100.0  # of any number: beyond, it is no weight of log-odds


@dataclass(frozen=True)
class Promise:
    """What the mask of scans of one contrast keeps.

    Parameters
    ----------
    shift : float
        Added to the log-odds, so that the mask is where the probability exceeds 0.5.
    ml : float
        False anomaly that a healthy scan has at most, in mL, but for a share `alpha` of healthy scans.
    alpha : float
        That share, split conformal.
    scans : int
        Healthy scans that it was found on.
    on : str
        What kind of scans these were, as the end of a sentence.
    """

    shift: float
    ml: float
    alpha: float
    scans: int
    on: str

    def __str__(self) -> str:
        return f"at most {self.ml:g} mL in {1 - self.alpha:.0%} of healthy scans, by {self.scans} {self.on}"


@dataclass(frozen=True)
class Rule:
    """How the two are weighed; the log-odds of an anomaly are the sum of these, each times its weight.

    Where the residual says something: the network's log-odds; z⁺, the residual in the direction of lesions;
    the mean of z⁺ around; and by what z⁺ exceeds that on the other side of the head, for nuclei and ageing
    are alike on both. Where it says nothing (fluid, the brain's border): the network's log-odds.

    Parameters
    ----------
    base : float
        Log-odds where both say nothing.
    network : float
        Weight of the network's log-odds.
    residual : float
        Weight of z⁺.
    around : float
        Weight of the mean of z⁺ around.
    one_sided : float
        Weight of z⁺ beyond that of the other side.
    alone_base, alone : float
        Log-odds, and weight of the network's log-odds, where it stands alone.
    promises : dict of str to Promise
        By contrast; "unknown" is that of all others.
    """

    base: float
    network: float
    residual: float
    around: float
    one_sided: float
    alone_base: float
    alone: float
    promises: dict[str, Promise]

    def promise(self, contrast: str | None) -> Promise:
        """What is promised of a contrast.

        Parameters
        ----------
        contrast : str or None
            One of `scan.contrast.CONTRASTS`, or another BIDS suffix.
        """
        return self.promises.get(contrast or "unknown", self.promises["unknown"])


def rule_of(predictor: Predictor) -> Rule | None:
    """The rule of a network's weights; None if these have none, or the method knows of none.

    Parameters
    ----------
    predictor : Predictor
        A loaded method.

    Raises
    ------
    WeightsError
        The header of the weights has a rule that is none.
    """
    said = getattr(predictor, "witnesses", None)
    try:
        return None if said is None else rule_from(said)
    except ValueError as error:
        raise WeightsError(
            f"{predictor.weights_name} has a rule of the two witnesses that cannot be used ({error}); "
            "take an undamaged copy, or learn the rule anew"
        ) from None


def to_header(rule: Rule) -> dict[str, Any]:
    """The rule as `rule_from` reads it.

    Parameters
    ----------
    rule : Rule
        Any.
    """
    return asdict(rule)


def rule_from(said: Any) -> Rule:
    """The rule that a header holds.

    Parameters
    ----------
    said : values of JSON
        Of the key `KEY`.

    Raises
    ------
    ValueError
        What is wrong, as a part of a sentence.
    """
    names = {f.name for f in fields(Rule)}
    if not isinstance(said, Mapping) or set(said) != names:
        raise ValueError(f"expected a table of {', '.join(sorted(names))}")
    weights = {name: _number(name, said[name], _FREE) for name in names - {"promises"}}
    promises = said["promises"]
    if not isinstance(promises, Mapping) or "unknown" not in promises:
        raise ValueError('promises is no table with "unknown" in it')
    if strange := sorted(set(promises) - set(CONTRASTS)):
        raise ValueError(f"promises has {strange[0]!r}, which is no contrast")
    return Rule(**weights, promises={name: _promise(name, p) for name, p in promises.items()})


def _promise(contrast: str, said: Any) -> Promise:
    names = {f.name for f in fields(Promise)}
    if not isinstance(said, Mapping) or set(said) != names:
        raise ValueError(f"the promise of {contrast} is no table of {', '.join(sorted(names))}")
    numbers = {n: _number(f"{n} of {contrast}", said[n], ("shift",)) for n in ("shift", "ml", "alpha")}
    scans, on = said["scans"], said["on"]
    if not 0 < numbers["alpha"] < 1:
        raise ValueError(f"alpha of {contrast} is {said['alpha']}, expected a share between 0 and 1")
    if isinstance(scans, bool) or not isinstance(scans, int) or scans < 1 or not isinstance(on, str):
        raise ValueError(f"the promise of {contrast} does not say on how many scans, or on which")
    return Promise(**numbers, scans=scans, on=on)


def _number(name: str, value: Any, free: tuple[str, ...]) -> float:
    return number_from(name, value, least=-MOST if name.split()[0] in free else 0.0)


def number_from(name: str, value: Any, *, least: float) -> float:
    """A number of a header, at most `MOST`.

    Parameters
    ----------
    name : str
        For the message.
    value : value of JSON
        As it was read.
    least : float
        The smallest that is one.

    Raises
    ------
    ValueError
        What is wrong, as a part of a sentence.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= MOST:  # NaN is neither
        raise ValueError(f"{name} is {value!r}, expected a number from {least:g} to {MOST:g}")
    return float(value)
