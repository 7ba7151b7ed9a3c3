"""What the network's expected error is worth: factors that make its intervals keep what they say.

They are part of the weights.

A network that learned from made scans is too sure of real ones. How far a scan's own intensities scatter
around those of its anatomy (`residual.own_contrast_residual`) says how unlike the made ones it is. So the
scale b of the Laplace law becomes b · f · (s / s₀)^β, with a factor f and a usual scatter s₀ for each
contrast. `bench/uncertainty.py learn` finds them, and writes them into the header of the weights. Weights
without them, or without a rule of the two witnesses, keep what the network says.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..methods.common.anatomy import Predictor
from ..scan.contrast import CONTRASTS
from ..weights.file import WeightsError
from .rule import number_from

KEY = "calibration"
"""Of the numbers in the header of a weights file."""

FARTHEST = 3.0  # times the usual scatter, or a third of it: beyond, the power says nothing


@dataclass(frozen=True)
class Calibration:
    """Factors of the expected error.

    Parameters
    ----------
    factor : dict of str to float
        By contrast, above 0; "unknown" is that of all others.
    usual : dict of str to float
        Scatter of made scans of the same contrasts around their anatomies, above 0.
    slope : float
        β: how the expected error grows with the scatter.
    """

    factor: dict[str, float]
    usual: dict[str, float]
    slope: float

    def times(self, contrast: str | None, scatter: float) -> float:
        """What the network's expected error is multiplied by.

        Parameters
        ----------
        contrast : str or None
            One of `scan.contrast.CONTRASTS`, or another BIDS suffix.
        scatter : float
            Of the scan; NaN where it could not be found, which is as bad as it gets.
        """
        beyond = min(max(self.beyond(contrast, scatter), 1 / FARTHEST), FARTHEST)
        return self.factor.get(contrast or "unknown", self.factor["unknown"]) * float(beyond**self.slope)

    def beyond(self, contrast: str | None, scatter: float) -> float:
        """Scatter over what is usual in a contrast; infinite for NaN.

        Parameters
        ----------
        contrast, scatter
            As of `times`.
        """
        usual = self.usual.get(contrast or "unknown", self.usual["unknown"])
        return scatter / usual if np.isfinite(scatter) else float("inf")


def calibration_of(predictor: Predictor) -> Calibration | None:
    """The calibration of a network's weights; None if these have none, or the method knows of none.

    Parameters
    ----------
    predictor : Predictor
        A loaded method.

    Raises
    ------
    WeightsError
        The header of the weights has a calibration that is none.
    """
    said = getattr(predictor, KEY, None)
    try:
        return None if said is None else calibration_from(said)
    except ValueError as error:
        raise WeightsError(
            f"{predictor.weights_name} has a calibration that cannot be used ({error}); "
            "take an undamaged copy, or learn it anew"
        ) from None


def to_header(calibration: Calibration) -> dict[str, Any]:
    """The calibration as `calibration_from` reads it.

    Parameters
    ----------
    calibration : Calibration
        Any.
    """
    return asdict(calibration)


def calibration_from(said: Any) -> Calibration:
    """The calibration that a header holds.

    Parameters
    ----------
    said : values of JSON
        Of the key `KEY`.

    Raises
    ------
    ValueError
        What is wrong, as a part of a sentence.
    """
    names = {f.name for f in fields(Calibration)}
    if not isinstance(said, Mapping) or set(said) != names:
        raise ValueError(f"expected a table of {', '.join(sorted(names))}")
    tables = {name: _table(name, said[name]) for name in ("factor", "usual")}
    if set(tables["factor"]) != set(tables["usual"]):
        raise ValueError("factor and usual are not of the same contrasts")
    return Calibration(**tables, slope=number_from("slope", said["slope"], least=0.0))


def _table(name: str, said: Any) -> dict[str, float]:
    if not isinstance(said, Mapping) or "unknown" not in said:
        raise ValueError(f'{name} is no table with "unknown" in it')
    if strange := sorted(set(said) - set(CONTRASTS)):
        raise ValueError(f"{name} has {strange[0]!r}, which is no contrast")
    return {
        contrast: number_from(f"{name} of {contrast}", value, least=1e-3) for contrast, value in said.items()
    }
