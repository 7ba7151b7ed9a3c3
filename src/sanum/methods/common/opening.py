"""Making a detector of a name, of a configuration, or of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from .findings import LABEL_FREE, LABELS, Chosen
from .scorer import PictureScorer

ScorerT = TypeVar("ScorerT", bound=PictureScorer)


def open_detector(
    kind: type[ScorerT],
    configs: Mapping[str, Any],
    *,
    weights: Path | None = None,
    device: str = "cpu",
    recipe: str | None = None,
) -> ScorerT:
    """A detector that has learned nothing, or what a file says.

    Parameters
    ----------
    kind : class
        The method's detector.
    configs : mapping
        Its configurations by name, the usual one first.
    weights : Path, optional
        Its file says the configuration.
    device : str
        A torch device.
    recipe : str, optional
        Which configuration, without a file.

    Raises
    ------
    ValueError
        Unknown configuration.
    WeightsError
        The file is missing, damaged, or of another method.
    """
    name = recipe or next(iter(configs))
    if name not in configs:
        raise ValueError(f'unknown recipe "{name}": known are {", ".join(configs)}')
    made = kind(configs[name], device=device)
    return made if weights is None else made.restore(weights)


def closed_form(one: Chosen, *, both: bool) -> dict[str, Chosen]:
    """Choices of a method that has nothing to choose: the same state, whoever chooses the threshold.

    Parameters
    ----------
    one : Chosen
        What was learned.
    both : bool
        Whether validation has normals and abnormals.
    """
    return {LABEL_FREE: one, LABELS: one} if both else {LABEL_FREE: one}
