"""SynDiff as a translator."""

from pathlib import Path

from ...common.translator import Translator, open_translator
from .recipe import RECIPES


def load(
    *, weights: Path | None = None, device: str = "cpu", room: int | None = None, recipe: str | None = None
) -> Translator:
    """Translator, fitted if weights are given.

    Parameters
    ----------
    weights : Path, optional
        A file of `Translator.save`, or of `sanum train`.
    device : str
        A torch device.
    room : int, optional
        Not needed: patches are computed some at a time.
    recipe : str, optional
        Name in `RECIPES`.

    Raises
    ------
    ValueError
        Unknown recipe.
    WeightsError
        The file is missing, damaged, or of another method.
    """
    return open_translator(RECIPES, weights=weights, device=device, recipe=recipe)
