"""The folds of a data set, written down: who is in which set of which run."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...data.folds import Fold, Split, make_folds, manifest
from ...data.pictures import PictureSet
from ...files import parse_json, whole_file
from ...scan.errors import ScanError

FOLDS = "folds"
"""Folder of the manifests."""


def folds_of(
    found: PictureSet,
    *,
    normal_folds: int = 5,
    abnormal_folds: int = 2,
    seed: int = 0,
    grouped: bool = True,
) -> list[Fold]:
    """Runs of the protocol for a data set.

    Parameters
    ----------
    found : PictureSet
        Every picture with a label.
    normal_folds, abnormal_folds, seed : int
        As of `data.folds.make_folds`.
    grouped : bool
        Keep groups and near-duplicates together; False for the indices of the published protocol.

    Raises
    ------
    ScanError
        A picture without a label.
    ValueError
        As `make_folds`.
    """
    require_labels(found, "cross-validation")
    groups: Sequence[Hashable] | None = found.groups if grouped else None
    return make_folds(
        found.labels, groups, normal_folds=normal_folds, abnormal_folds=abnormal_folds, seed=seed
    )


def require_labels(found: PictureSet, who: str) -> None:
    """Raise `ScanError` if a picture has no label.

    Parameters
    ----------
    found : PictureSet
        The data set.
    who : str
        What needs them.
    """
    if missing := next((entry.id for entry in found.entries if entry.label is None), None):
        raise ScanError(
            f"{missing} has no label: {who} needs normals and abnormals in two folders, or labels"
        )


def write_manifests(found: PictureSet, folds: Sequence[Split], output: Path) -> list[Path]:
    """Write a manifest for each fold, where it does not stand there already; returns their paths.

    Parameters
    ----------
    found : PictureSet
        The data set.
    folds : sequence of Split
        Of `folds_of`, or others.
    output : Path
        The output folder.
    """
    rows: list[dict[str, object]] = [
        {"id": entry.id, "label": entry.label, "group": entry.group, "sha256": digest}
        for entry, digest in zip(found.entries, found.digests, strict=True)
    ]
    paths = []
    for fold in folds:
        path, text = output / FOLDS / f"{fold.name}.json", manifest(fold, rows)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            with whole_file(path) as partial:
                partial.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def sharing_a_training(
    manifests: Sequence[Path], together: Callable[[Mapping[str, Any], Mapping[str, Any]], bool]
) -> list[list[Path]]:
    """Manifests in their order, those that follow each other and share a training together.

    Parameters
    ----------
    manifests : sequence of Path
        As `write_manifests` returned them.
    together : function
        Whether two manifests share one, see `CrossvalJob.together`.
    """
    found: list[tuple[Mapping[str, Any], list[Path]]] = []
    for path in manifests:
        content = parse_json(path.read_bytes())
        if found and together(found[-1][0], content):
            found[-1][1].append(path)
        else:
            found.append((content, [path]))
    return [paths for _, paths in found]
