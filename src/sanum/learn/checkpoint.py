"""The state of a run on disk: whole or not at all, and only of the run that goes on."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..files import whole_file

# what may change under way: how it is computed, how long it goes on, how it is calmed after a bad step
FREE = (
    "workers", "compile", "loop.accumulate", "loop.save_every", "loop.sheet_every",
    "loop.steps", "loop.learning_rate", "loop.clip",
)  # fmt: skip


def checkpoint_in(folder: Path, *, resume: bool) -> Path:
    """Where the checkpoint of `folder` is; raises FileExistsError or FileNotFoundError as `fit` does."""
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise FileExistsError(f"{checkpoint} exists: pass --resume to go on, or choose another folder")
    if resume and not checkpoint.exists():
        raise FileNotFoundError(f"nothing to resume: {checkpoint} is missing; leave out --resume")
    return checkpoint


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` in place of what was there."""
    with whole_file(path) as partial:
        torch.save(state, partial)


def load_checkpoint(path: Path, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """State of a run of `recipe`, a flat table of plain values; unpickles nothing but such and tensors.

    Raises
    ------
    ValueError
        Damaged, or of another recipe: the difference is named.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        theirs = state["recipe"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged; remove it and start again without --resume") from error
    changed = [
        f"{key} was {told(theirs, key)} and is now {told(recipe, key)}"
        for key in [*theirs, *(k for k in recipe if k not in theirs)]
        if key not in FREE and told(theirs, key) != told(recipe, key)
    ]
    if changed:
        raise ValueError(
            f"{path} is of another recipe: {'; '.join(changed)}; give the same, or choose another folder"
        )
    return state


def told(recipe: Mapping[str, Any], key: str) -> str:
    """A value of a recipe as `--set` takes it."""
    value = recipe.get(key, "missing")
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def misfit(theirs: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> str | None:
    """The first difference between two networks' weights, in words; None if they fit."""
    for name in [*own, *theirs]:
        if name not in theirs:
            return f"{name} is missing in it"
        if name not in own:
            return f"this network has no {name}"
        if theirs[name].shape != own[name].shape:
            return f"{name} is {_by(theirs[name])} in it and {_by(own[name])} in this network"
    return None


def _by(x: torch.Tensor) -> str:
    return "×".join(map(str, x.shape)) or "a number"


def remove_partials(folder: Path) -> None:
    """Remove what a run that was killed while saving has left in `folder`."""
    for partial in (*folder.glob(".*.tmp"), *folder.glob("sheets/.*.tmp")):
        partial.unlink()
