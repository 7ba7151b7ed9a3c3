"""The folder of a training beside the model that it makes: `MODEL.training/`."""

from contextlib import suppress
from pathlib import Path

from ..files import PARTIAL

OURS = (
    *("checkpoint.pt", "log.csv", "log-*.csv", "tensorboard/events*", "sheets/step-*.png"),
    *(f"{PARTIAL}*", f"sheets/{PARTIAL}*"),
)
"""What a training leaves there; nothing else is ever removed."""


def training_folder(output: Path) -> Path:
    """Where a training keeps what it needs to go on: a folder that is new, or holds a training and no more.

    Parameters
    ----------
    output : Path
        File of the model.

    Raises
    ------
    FileExistsError
        The folder holds something else.
    """
    folder = output.with_suffix(".training")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file, and the training needs a folder of this name: move it")
    ours = set(_ours(folder))
    strange = sorted(path for path in folder.rglob("*") if not path.is_dir() and path not in ours)
    if strange:
        raise FileExistsError(
            f"{folder} holds {strange[0].name}, which is of no training: move it, or choose another --output"
        )
    return folder


def remove_training(folder: Path) -> None:
    """Remove what a training has left, and its folder if that is empty then.

    Parameters
    ----------
    folder : Path
        Of `training_folder`.
    """
    for path in _ours(folder):
        path.unlink()
    for empty in (folder / "tensorboard", folder / "sheets", folder):
        with suppress(OSError):  # not there, or something else is in it
            empty.rmdir()


def _ours(folder: Path) -> list[Path]:
    return [path for pattern in OURS for path in folder.glob(pattern)]
