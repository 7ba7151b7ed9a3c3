"""Results kept on disk: numbers that are thought of later need no second prediction."""

import json
from pathlib import Path

import numpy as np

from ....healthy.grids import ScanMaps
from ....healthy.network import second_stage
from ....healthy.reconstruction import reconstruct
from ....healthy.result import Reconstruction
from ....healthy.witness import Parts
from ....methods.common.anatomy import Predictor
from ....scan import Scan
from ....scan.write import atomic_path
from .cases import Case

_MAPS = ("anatomy", "anomaly", "anomaly_mask", "uncertainty", "brain", "network")


def result_of(case: Case, method: Predictor, folder: Path | None = None) -> Reconstruction:
    """The result of a case; if a folder is given, it is kept there, and taken from there the next time.

    What is kept is of the same scan and the same weights. It is not known whether today's code would predict
    the same: who changes that removes the folder.

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
        return _load(path)
    result = reconstruct(case.scan, predictor=method)
    if path is not None:
        _save(result, path)
    return result


def kept_path(folder: Path, case: Case, method: Predictor) -> Path:
    """Where the result of a case is kept, by the content of its scan and of the weights of all stages.

    Parameters
    ----------
    folder : Path
        Of all that is kept.
    case : Case
    method : Predictor
    """
    second = second_stage(method)
    weights = method.weights_sha256[:12] + (f"-{second.weights_sha256[:12]}" if second else "")
    return folder / f"{weights}_{case.data}_{case.name}_{case.scan_digest()}.npz"


def _save(result: Reconstruction, path: Path) -> None:
    words = {
        "contrast": result.contrast,
        "contrast_by": result.contrast_by,
        "warnings": result.warnings,
        "provenance": result.provenance,
    }
    arrays = {name: np.asarray(getattr(result, name).voxels) for name in (*_MAPS, "scan")}
    with atomic_path(path, overwrite=True) as partial, partial.open("wb") as file:
        everything = {"affine": result.scan.affine, "words": np.array(json.dumps(words)), **arrays}
        np.savez_compressed(file, **everything)  # type: ignore[arg-type]


def _load(path: Path) -> Reconstruction:
    with np.load(path) as arrays:
        words = json.loads(str(arrays["words"]))
        scan = Scan(arrays["scan"], arrays["affine"], words["contrast"])
        maps = {name: scan.with_voxels(arrays[name]) for name in _MAPS}
    by_network = maps.pop("network")
    alone = ScanMaps(**{**maps, "anomaly": by_network})
    return Reconstruction(
        scan=scan,
        anatomy=maps["anatomy"],
        anomaly=maps["anomaly"],
        anomaly_mask=maps["anomaly_mask"],
        uncertainty=maps["uncertainty"],
        brain=maps["brain"],
        contrast=words["contrast"],
        contrast_by=words["contrast_by"],
        warnings=tuple(words["warnings"]),
        provenance=words["provenance"],
        witnesses=Parts(scan, alone, words["contrast"]),
    )
