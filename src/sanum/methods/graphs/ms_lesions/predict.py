"""The lesion graph as a predictor."""

from pathlib import Path

from .predictor import LesionGraphs
from .recipe import RECIPES


def load(
    *, weights: Path | None = None, device: str = "cpu", room: int | None = None, recipe: str | None = None
) -> LesionGraphs:
    """LesionGraphs, fitted if weights are given.

    Parameters
    ----------
    weights : Path, optional
        A file of `LesionGraphs.save`, or of `sanum train`.
    device : str
        A torch device.
    room : int, optional
        Not needed: the network is small.
    recipe : str, optional
        Name in `RECIPES`.

    Raises
    ------
    ValueError
        Unknown recipe.
    WeightsError
        The file is missing, damaged, or of another method.
    """
    name = recipe or "ms-lesions"
    if name not in RECIPES:
        raise ValueError(f'unknown recipe "{name}": known are {", ".join(RECIPES)}')
    made = LesionGraphs(RECIPES[name], device=device)
    return made if weights is None else made.restore(weights)
