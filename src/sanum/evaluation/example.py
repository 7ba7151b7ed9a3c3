"""One slice of a case, kept for the figure: what went in, what came out, what is true."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..healthy.result import Reconstruction
from ..report.planes import ras_voxels
from ..scan.write import atomic_path
from .numbers import Known

Slice = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Example:
    """An axial slice, each map (Y, X): rows go to the front, columns to the right.

    Parameters
    ----------
    scan, anatomy, anomaly : array
    brain : array
        Predicted mask.
    truth, lesion : array
        All nan where they are not known.
    spacing_mm : (2,) float
        Along rows and columns.
    """

    scan: Slice
    anatomy: Slice
    anomaly: Slice
    brain: Slice
    truth: Slice
    lesion: Slice
    spacing_mm: Slice


def example_path(folder: Path, data: str, case: str) -> Path:
    """Where the slice of a case is kept."""
    return folder / "examples" / f"{data}_{case}.npz"


def example_of(result: Reconstruction, facts: Known) -> Example:
    """The slice with most of the lesion, or of the brain where no lesion is known."""

    def turned(x: npt.ArrayLike) -> npt.NDArray:
        return ras_voxels(result.scan.with_voxels(np.asarray(x)))

    brain = turned(result.brain.voxels)
    sick = facts.lesion if facts.lesion is not None and facts.lesion.any() else None
    z = int((turned(sick) if sick is not None else brain).sum(axis=(0, 1)).argmax())

    def cut(x: npt.ArrayLike | None) -> Slice:
        if x is None:
            return np.full(brain.shape[1::-1], np.nan, np.float32)
        return turned(x)[:, :, z].T.astype(np.float32)

    across = [int(np.abs(result.scan.affine[axis, :3]).argmax()) for axis in (1, 0)]
    return Example(
        scan=cut(result.scan.voxels),
        anatomy=cut(result.anatomy.voxels),
        anomaly=cut(result.anomaly.voxels),
        brain=cut(result.brain.voxels),
        truth=cut(facts.truth),
        lesion=cut(facts.lesion),
        spacing_mm=result.scan.grid.spacing_mm[across].astype(np.float32),
    )


def save_example(example: Example, path: Path) -> None:
    """Write a slice."""
    with atomic_path(path, overwrite=True) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **asdict(example))


def load_example(path: Path) -> Example:
    """Read a slice."""
    with np.load(path) as arrays:
        return Example(**arrays)
