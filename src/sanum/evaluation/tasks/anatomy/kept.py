"""Results kept on disk: numbers that are thought of later need no second prediction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....healthy.reconstruction import reconstruct
from ....healthy.result import Reconstruction
from ....methods.common.anatomy import Predictor
from ....scan import Scan
from ....scan.write import atomic_path
from ....types import FloatArray
from .cases import Case
from .scores import OF_IMAGES, OF_RUN, SCORES

_MAPS = ("anatomy", "anomaly", "anomaly_mask", "uncertainty", "brain")


@dataclass(frozen=True, eq=False)
class Done:
    """A scan reconstructed, and every score map of it.

    Parameters
    ----------
    result : Reconstruction
        Of the scan.
    scores : mapping of str to (X, Y, Z) float32
        By the names of `SCORES`.
    """

    result: Reconstruction
    scores: Mapping[str, FloatArray]


def done(case: Case, method: Predictor, folder: Path | None = None) -> Done:
    """The result of a case; if a folder is given, it is kept there, and taken from there the next time.

    What is kept is of the same scan and the same weights, and has all score maps of `OF_RUN`; those of
    `OF_IMAGES` are made anew. It is not known whether today's code would predict the same: who changes that
    removes the folder.

    Parameters
    ----------
    case : Case
        Its scan is reconstructed.
    method : Predictor
        A loaded method.
    folder : Path, optional
        Made if it is not there.

    Raises
    ------
    ScanError
        The scan cannot be reconstructed, or the folder not be written to.
    """
    path = None if folder is None else kept_path(folder, case, method)
    if path is not None and path.exists():
        there = _load(path)
        if OF_RUN.keys() <= there.scores.keys():
            made = {name: score(there.result) for name, score in OF_IMAGES.items()}
            return Done(there.result, {**there.scores, **made})
    result = reconstruct(case.scan, predictor=method)
    found = Done(result, {name: score(result) for name, score in SCORES.items()})
    if path is not None:
        _save(found, path)
    return found


def kept_path(folder: Path, case: Case, method: Predictor) -> Path:
    """Where the result of a case is kept, by the content of its scan and of the weights.

    Parameters
    ----------
    folder : Path
        Of all that is kept.
    case : Case
    method : Predictor
    """
    return folder / f"{method.weights_sha256[:12]}_{case.data}_{case.name}_{case.scan_digest()}.npz"


def _save(found: Done, path: Path) -> None:
    result = found.result
    words = {
        "contrast": result.contrast,
        "contrast_by": result.contrast_by,
        "warnings": result.warnings,
        "provenance": result.provenance,
    }
    arrays = {name: np.asarray(getattr(result, name).voxels) for name in (*_MAPS, "scan")}
    scores = {f"score_{name}": score for name, score in found.scores.items() if name in OF_RUN}
    with atomic_path(path, overwrite=True) as partial, partial.open("wb") as file:
        everything = {"affine": result.scan.affine, "words": np.array(json.dumps(words)), **arrays, **scores}
        np.savez_compressed(file, **everything)  # type: ignore[arg-type]


def _load(path: Path) -> Done:
    with np.load(path) as arrays:
        words = json.loads(str(arrays["words"]))
        scan = Scan(arrays["scan"], arrays["affine"], words["contrast"])
        maps = {name: scan.with_voxels(arrays[name]) for name in _MAPS}
        scores = {k.removeprefix("score_"): arrays[k] for k in arrays.files if k.startswith("score_")}
    result = Reconstruction(
        scan=scan,
        **maps,
        contrast=words["contrast"],
        contrast_by=words["contrast_by"],
        warnings=tuple(words["warnings"]),
        provenance=words["provenance"],
    )
    return Done(result, scores)
