"""Stacks of slices, of one time or of a cycle, as the network learns from them and is asked about them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ....scan import Scan, ScanError, read
from ....scan.maps import read_map
from ....scan.names import EXTENSIONS, bare_name, entities_of, printable
from ....scan.read import BROKEN_FILE
from ....space.grid import Grid
from ....types import FloatArray
from .loss import UNLABELLED

SCALE_PERCENTILES = (1.0, 99.0)
MOST_LABEL = 254


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Slices of one subject.

    Parameters
    ----------
    name : str
        Of the file.
    voxels : (X, Y, Z, T) float32
        Intensities as they are; T is 1 where there is no time.
    grid : Grid
        Of one time.
    labels : (X, Y, Z, T) int16 or None
        Label of each voxel, or `UNLABELLED`; None: nothing is known. Of training stacks only.
    """

    name: str
    voxels: FloatArray
    grid: Grid
    labels: npt.NDArray[np.int16] | None = None

    def __post_init__(self) -> None:
        for what, x in (("voxels", self.voxels), ("labels", self.labels)):
            if x is not None and (x.ndim != 4 or x.shape[:3] != self.grid.shape):
                raise ValueError(f"{self.name}: expected {what} of {self.grid.shape} × times, got {x.shape}")

    @property
    def group(self) -> str:
        """Whose it is: the subject of a BIDS name, or the name up to the first "_"."""
        return entities_of(self.name)[0].get("sub") or self.name.partition("_")[0]

    @property
    def frames(self) -> int:
        """Times."""
        return int(self.voxels.shape[3])

    def at_time(self, frame: int) -> "SliceStack":
        """One time by itself.

        Parameters
        ----------
        frame : int
            From 0.
        """
        known = None if self.labels is None else self.labels[..., frame : frame + 1]
        return replace(self, voxels=self.voxels[..., frame : frame + 1], labels=known)


def scaled(values: FloatArray, seen: FloatArray, what: str) -> FloatArray:
    """Intensities in [0, 1], by percentiles of those that are seen; what is beyond is cut off.

    Parameters
    ----------
    values : float array
        To scale.
    seen : float array
        Those that may be looked at: of a stack with slices left out, the others alone.
    what : str
        Name for the message.

    Raises
    ------
    ScanError
        All that is seen has one value.
    """
    low, high = np.percentile(seen, SCALE_PERCENTILES)
    if not high > low:
        low, high = float(seen.min()), float(seen.max())
    if not high > low:
        raise ScanError(f"{what} is constant, every voxel is {low:g}: expected an image that shows something")
    unit: FloatArray = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    return unit


def stack_of(
    scans: Scan | Sequence[Scan], labels: Sequence[Scan] | Scan | None = None, name: str = ""
) -> SliceStack:
    """SliceStack of a scan, or of the times of a cycle.

    Parameters
    ----------
    scans : Scan or sequence of Scan
        One, or each time, on one grid.
    labels : Scan or sequence of Scan, optional
        Of each.
    name : str
        Default the file's.

    Raises
    ------
    ScanError
        Grids that differ; labels that are no whole numbers.
    """
    times = [scans] if isinstance(scans, Scan) else list(scans)
    grid = times[0].grid
    name = name or (bare_name(times[0].path) if times[0].path else "stack")
    truths = None if labels is None else [labels] if isinstance(labels, Scan) else list(labels)
    for one in (*times, *(truths or ())):
        if not one.grid.same_as(grid):
            raise ScanError(
                f"{name}: expected images and labels on one grid, got others; resample the labels"
            )
    voxels = np.stack([np.asarray(one.voxels, dtype=np.float32) for one in times], axis=-1)
    known = None
    if truths is not None:
        known = np.stack([whole_labels(one.voxels, name) for one in truths], axis=-1)
        if known.shape != voxels.shape:
            raise ScanError(
                f"{name} has {len(times)} times and labels of {len(truths)}: expected one of each"
            )
    return SliceStack(name, voxels, grid, known)


def whole_labels(voxels: npt.NDArray[Any], what: str) -> npt.NDArray[np.int16]:
    """Labels as int16; anything below 0 is `UNLABELLED`.

    Parameters
    ----------
    voxels : array
        As a file holds them.
    what : str
        Name for the message.

    Raises
    ------
    ScanError
        Values that are no whole numbers, or above 254.
    """
    values = np.unique(voxels)
    if not np.array_equal(values, np.round(values)) or values[-1] > MOST_LABEL:
        raise ScanError(
            f"the labels of {what} hold the value {values[values != np.round(values)][:1] or values[-1:]}: "
            f"expected whole numbers up to {MOST_LABEL}, or -1 where nothing is known"
        )
    return np.where(voxels < 0, UNLABELLED, voxels).astype(np.int16)


def read_stack(path: Path, labels: Path | None = None) -> SliceStack:
    """SliceStack of a file; of a NIfTI file with four axes every time.

    Parameters
    ----------
    path : Path
        Of the image.
    labels : Path, optional
        Of its labels, on the same grid.

    Raises
    ------
    ScanError
        Either cannot be used, such as a 2-D image.
    """
    times = [read(path, volume=t) for t in range(times_in(path))] if times_in(path) > 1 else [read(path)]
    truths = None
    if labels is not None:
        found = read_map(labels)
        voxels = found.voxels if found.voxels.ndim == 4 else found.voxels[..., None]
        truths = [Scan(voxels[..., t], found.affine) for t in range(voxels.shape[3])]
    return stack_of(times, truths, bare_name(path))


def times_in(path: Path) -> int:
    """Volumes that the header of a NIfTI file speaks of; 1 of any other.

    Parameters
    ----------
    path : Path
        Of the file.
    """
    if not path.is_file() or not path.name.lower().endswith((".nii", ".nii.gz")):
        return 1
    try:
        shape = nib.load(path).shape  # type: ignore[attr-defined]
    except BROKEN_FILE:
        return 1  # `read` says what is wrong
    return int(shape[3]) if len(shape) == 4 and min(shape) > 0 else 1


def pairs_in(folder: Path) -> list[tuple[Path, Path]]:
    """Images of `folder/images` and their labels, of the same names in `folder/labels`.

    Parameters
    ----------
    folder : Path
        Of the data.

    Raises
    ------
    ScanError
        There are none; an image without labels, or labels without an image.
    """
    images, labels = ({_name(p): p for p in _files(folder / part)} for part in ("images", "labels"))
    if not images:
        raise ScanError(
            f"{printable(folder)} has no images: expected NIfTI files in {printable(folder / 'images')} and "
            "labels of the same names in labels"
        )
    for name in sorted(images.keys() ^ labels.keys()):
        lacks = "no labels" if name in images else "no image"
        raise ScanError(
            f"{printable(name)} has {lacks}: expected one file of that name in images and in labels"
        )
    return [(images[name], labels[name]) for name in sorted(images)]


def _files(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(p for p in found if p.name.lower().endswith(EXTENSIONS) and not p.name.startswith("."))


def _name(path: Path) -> str:
    return re.sub(r"_(dseg|seg|label|labels)$", "", bare_name(path))


@dataclass(frozen=True)
class Structures:
    """Which labels there are, in the order of the network's classes; class 0 is the background.

    Parameters
    ----------
    values : tuple of int
        Label of each class but the background.
    names : tuple of str
        Of each.
    """

    values: tuple[int, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, stacks: Sequence[SliceStack], given: str = "") -> "Structures":
        """Those that are named, or all that there are.

        Parameters
        ----------
        stacks : sequence of SliceStack
            With labels.
        given : str
            Such as "1=rv,2=myocardium,3=lv"; empty: all values.

        Raises
        ------
        ValueError
            Stacks hold a label that is not named, or none at all; names that cannot be read.
        """
        held = {
            s.name: {int(v) for v in np.unique(s.labels) if v > 0} for s in stacks if s.labels is not None
        }
        found = sorted(set().union(*held.values())) if held else []
        if not found:
            raise ValueError("no voxel is labelled: expected labels above 0 to learn from")
        if not given:
            return cls(tuple(found), tuple(f"label{value}" for value in found))
        named = dict(_named(part) for part in given.split(","))
        for name, values in held.items():
            if unknown := sorted(values - named.keys()):
                raise ValueError(
                    f"{name} holds the label {unknown[0]}, which is not known: expected "
                    + ", ".join(f"{v} ({n})" for v, n in named.items())
                )
        return cls(tuple(named), tuple(named.values()))

    def classes_of(self, labels: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
        """Class of each label; those below 0 stay `UNLABELLED`.

        Parameters
        ----------
        labels : int16 array
            Any shape.
        """
        table = np.zeros(MOST_LABEL + 2, np.int64)
        table[UNLABELLED] = UNLABELLED
        table[list(self.values)] = np.arange(1, len(self.values) + 1)
        classes: npt.NDArray[np.int64] = table[labels]
        return classes

    def labels_of(self, classes: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Label of each class.

        Parameters
        ----------
        classes : int array
            From 0.
        """
        labels: npt.NDArray[np.uint8] = np.array([0, *self.values], np.uint8)[classes]
        return labels


def _named(part: str) -> tuple[int, str]:
    value, _, name = part.strip().partition("=")
    if not value.isdecimal() or not 0 < int(value) <= MOST_LABEL:
        raise ValueError(f'labels are numbers with names, such as 1=rv,2=myocardium, got "{part.strip()}"')
    name = re.sub(r"[^A-Za-z0-9]", "", name) or f"label{value}"
    return int(value), name
