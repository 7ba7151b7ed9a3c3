"""The state of a run on disk: whole or not at all, and only of the run that goes on."""

import errno
import hashlib
import pickle
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..files import PARTIAL, whole_file

FORMAT = 2  # of the state: one entry for each turn. 1, without a number: one optimizer
# what may change under way: how it is computed and how long it goes on …
FREE = (
    *("workers", "compile", "loop.accumulate", "loop.save_every", "loop.sheet_every", "loop.steps"),
    *("step.chunk", "step.epsilon"),
)
FREE_OF_ANY_OPTIMIZER = ("learning_rate", "clip")  # … and how it is calmed after a bad step
MISSING = "missing"
_SEAL = b"sanum sha256 "  # behind the archive, where PyTorch and unzip let anything stand
_DAMAGE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, LookupError, TypeError, ValueError),
    *(zipfile.BadZipFile, zlib.error, struct.error, OverflowError),
)


def checkpoint_in(folder: Path, *, resume: bool) -> Path:
    """Where the checkpoint of `folder` is; raises FileExistsError or FileNotFoundError as `fit` does.

    Parameters
    ----------
    folder : Path
        Of the run.
    resume : bool
        Whether there has to be one, or must not be one.
    """
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise FileExistsError(f"{checkpoint} exists: pass --resume to go on, or choose another folder")
    if resume and not checkpoint.exists():
        raise FileNotFoundError(f"nothing to resume: {checkpoint} is missing; leave out --resume")
    return checkpoint


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` in place of what was there.

    Parameters
    ----------
    path : Path
        Of the file; it is whole at any moment.
    state : dict
        Plain values and tensors.
    """
    with whole_file(path) as partial:
        torch.save(state, partial)
        digest = _digest(partial, partial.stat().st_size)
        with partial.open("ab") as stream:
            stream.write(_SEAL + digest)


def load_checkpoint(
    path: Path,
    recipe: Mapping[str, Any],
    *,
    assumed: Mapping[str, Any] | None = None,
    renamed: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """State of a run of `recipe`; unpickles nothing but plain values and tensors, and those undamaged.

    Parameters
    ----------
    path : Path
        Of the checkpoint, of this format or an older one.
    recipe : mapping
        A flat table of plain values.
    assumed : mapping, optional
        Values of keys that the recipes of older checkpoints do not have.
    renamed : mapping, optional
        Key of today by the key that older checkpoints have.

    Raises
    ------
    ValueError
        Damaged, or of another recipe: the difference is named.
    """
    try:
        _require_whole(path)
        state = _of_today(torch.load(path, map_location="cpu", weights_only=True))
        theirs = {**(assumed or {}), **{(renamed or {}).get(k, k): v for k, v in state["recipe"].items()}}
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged; remove it and start again without --resume") from error
    changed = [
        f"{key} was {as_setting(theirs, key)} and is now {as_setting(recipe, key)}"
        for key in [*theirs, *(k for k in recipe if k not in theirs)]
        if not _free(key) and as_setting(theirs, key) != as_setting(recipe, key)
    ]
    if changed:
        raise ValueError(
            f"{path} is of another recipe: {'; '.join(changed)}; give the same, or choose another folder"
        )
    return state


def _require_whole(path: Path) -> None:
    """Compare all bytes with their SHA-256, which stands behind them; else the archive with its checksums.

    The latter is all that older checkpoints have. PyTorch looks at neither.
    """
    size, length = path.stat().st_size, len(_SEAL) + hashlib.sha256().digest_size
    with path.open("rb") as stream:
        stream.seek(max(size - length, 0))
        seal = stream.read()
    if seal.startswith(_SEAL):
        if seal != _SEAL + _digest(path, size - length):
            raise ValueError("it has not its SHA-256")
        return
    try:
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("compressed, as PyTorch writes none")
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} has not its checksum")
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place outside of the file
            raise ValueError("it names places that it does not have") from error
        raise


def _digest(path: Path, size: int) -> bytes:
    """SHA-256 of the first `size` bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while size and (part := stream.read(min(size, 1 << 20))):
            digest.update(part)
            size -= len(part)
    return digest.digest()


def _of_today(state: dict[str, Any]) -> dict[str, Any]:
    """A state of format 1 as one of format 2, whose one turn is called main."""
    if "format" in state:
        return state
    turn = {"optimizer": state["optimizer"], "step": {}, "recent": state["recent"]}
    return {**state, "format": FORMAT, "turns": {"main": turn}}


def _free(key: str) -> bool:
    return key in FREE or key.rpartition(".")[2] in FREE_OF_ANY_OPTIMIZER


def as_setting(recipe: Mapping[str, Any], key: str) -> str:
    """A value of a recipe as `--set` takes it.

    Parameters
    ----------
    recipe : mapping
        A flat table of plain values.
    key : str
        One that may be missing.
    """
    value = recipe.get(key, MISSING)
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def misfit(theirs: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> str | None:
    """The first difference between two networks' weights, in words; None if they fit.

    Parameters
    ----------
    theirs : mapping of tensor
        Weights by name, as a file has them.
    own : mapping of tensor
        Those of the network.
    """
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
    """Remove what a run that was killed while saving has left.

    Parameters
    ----------
    folder : Path
        Of the run.
    """
    for place in (folder, folder / "sheets"):
        for partial in (*place.glob(f"{PARTIAL}*"), *place.glob(".*.tmp")):  # the latter of versions before
            partial.unlink()
