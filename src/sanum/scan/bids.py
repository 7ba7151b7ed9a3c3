"""The layout of BIDS data sets: which files there are, and what their names say."""

from collections.abc import Sequence
from pathlib import Path

from .names import ENTITIES, entities_of

__all__ = ["ANAT", "ENTITIES", "entities_of", "find", "labels_of"]

ANAT = ("sub-*/anat", "sub-*/ses-*/anat")
"""Folders of anatomical scans, without and with sessions."""


def find(
    root: Path,
    *,
    folders: Sequence[str] = ANAT,
    suffix: str | None = None,
    desc: str | None = None,
    extensions: Sequence[str] = (".nii", ".nii.gz"),
) -> list[Path]:
    """Files of a BIDS data set, sorted within each kind of folder; hidden ones are other programs' own.

    Parameters
    ----------
    root : Path
        Of the data set, or a folder in it.
    folders : sequence of str
        Patterns of the folders to look into, below `root`.
    suffix : str, optional
        What the names end in before the extension, such as "T1w"; default anything.
    desc : str, optional
        Label of their entity `desc`; default any, and none.
    extensions : sequence of str
        One of which they have, in any case.
    """
    return [
        path
        for folder in folders
        for path in sorted(root.glob(f"{folder}/*"))
        if path.name.lower().endswith(tuple(extensions))
        and not path.name.startswith(".")
        and (suffix is None or _stem(path).rpartition("_")[2] == suffix)
        and (desc is None or labels_of(path).get("desc") == desc)
    ]


def labels_of(path: Path) -> dict[str, str]:
    """Labels of the entities in a file name, by their keys, also where it breaks the rules of BIDS.

    Parameters
    ----------
    path : Path
        Any file; `entities_of` is as strict as BIDS.

    Examples
    --------
    >>> labels_of(Path("anat/sub-my-own_desc-brain_mask.nii.gz"))
    {'sub': 'my-own', 'desc': 'brain'}
    """
    return dict(part.split("-", 1) for part in _stem(path).split("_") if "-" in part)


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]
