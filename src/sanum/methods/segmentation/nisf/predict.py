"""NISF as a segmenter."""

from pathlib import Path

from .recipe import RECIPES
from .segmenter import NisfSegmenter


def load(
    *, weights: Path | None = None, device: str = "cpu", room: int | None = None, recipe: str | None = None
) -> NisfSegmenter:
    """NisfSegmenter, fitted if weights are given.

    Parameters
    ----------
    weights : Path, optional
        A file of `NisfSegmenter.save`, or of `sanum train`.
    device : str
        A torch device.
    room : int, optional
        Not needed: points are computed some at a time.
    recipe : str, optional
        Name in `RECIPES`.

    Raises
    ------
    ValueError
        Unknown recipe.
    WeightsError
        The file is missing, damaged, or of another method.
    """
    name = recipe or "nisf"
    if name not in RECIPES:
        raise ValueError(f'unknown recipe "{name}": known are {", ".join(RECIPES)}')
    made = NisfSegmenter(RECIPES[name], device=device)
    return made if weights is None else made.restore(weights)
