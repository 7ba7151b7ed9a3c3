"""Reading parcellations: their numbering is told by their values, or by the table beside them."""

import csv
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from scipy import ndimage

from ..files import read_small
from ..scan.bids import labels_of
from ..scan.errors import ScanError
from ..scan.maps import read_map
from ..scan.read import BROKEN_FILE
from ..space.grid import Grid
from ..types import Affine, AnyArray
from .schemes import ASEG, DLMUSE, FREESURFER, GROUPS, SCHEMES, Labels, Scheme

__all__ = [
    "ASEG",
    "DLMUSE",
    "FREESURFER",
    "GROUPS",
    "SCHEMES",
    "Labels",
    "Scheme",
    "on_one_grid",
    "read_canonical",
    "read_labels",
    "scheme_in_table",
    "scheme_of",
]
HEAD = frozenset((502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530))  # labels of a head beyond its brain
SAME_MM = 1e-2
MOST_ABOVE, MOST_BYTES = 4, 1 << 20  # folders above a parcellation that a table may be in; its size
_TELLING = ((ASEG, "2", "cerebralwhitematter"), (DLMUSE, "51", "lateralventricle"))


def read_canonical(path: Path) -> tuple[npt.NDArray[Any], Affine]:
    """Voxels on canonical axes, and their affine.

    Parameters
    ----------
    path : Path
        NIfTI file.

    Raises
    ------
    ValueError
        Not a whole image.
    """
    try:
        image = read_map(path)
        turn = io_orientation(image.affine)
        voxels = np.array(apply_orientation(image.voxels, turn))  # the caller's own, to write to
        return voxels, image.affine @ inv_ornt_aff(turn, image.grid.shape)
    except ScanError as error:
        raise ValueError(f"{path} is not an image that can be read whole: {error}") from None


def on_one_grid(one: Path, other: Path) -> bool:
    """Whether two images have their voxels in the same places, by their headers; axes may be swapped.

    Parameters
    ----------
    one, other : Path
        Images; true also of what cannot be read, for whoever reads it says so.
    """
    try:
        grids = [_canonical_grid(path) for path in (one, other)]
    except BROKEN_FILE:
        return True
    return grids[0].same_as(grids[1], SAME_MM)


def _canonical_grid(path: Path) -> Grid:
    image: Any = nib.load(path)
    turn, shape = io_orientation(image.affine), image.shape[:3]
    order = np.argsort(turn[:, 0])
    return Grid(tuple(shape[n] for n in order), image.affine @ inv_ornt_aff(turn, shape))


def scheme_of(labels: AnyArray) -> Scheme:
    """The numbering that knows most of a parcellation's voxels and has its cortex.

    Parameters
    ----------
    labels : (X, Y, Z) number
        Of a brain, or of a whole head.
    """
    values, counts = np.unique(labels, return_counts=True)
    present = set(values.tolist())
    if present & HEAD:
        return FREESURFER

    def known(scheme: Scheme) -> tuple[bool, int]:
        return bool(present & scheme.cortex), int(counts[np.isin(values, list(scheme.known - {0}))].sum())

    return max((DLMUSE, ASEG), key=known)  # the first of equals


def scheme_in_table(parcellation: Path) -> Scheme | None:
    """The numbering that a BIDS table of labels names: a `dseg.tsv` beside a parcellation, or above it.

    Parameters
    ----------
    parcellation : Path
        Whose table it is.

    Returns
    -------
    Scheme or None
        None where there is no table, or one that names neither: then the values tell.
    """
    own = labels_of(parcellation).items()
    for folder in list(parcellation.parents)[:MOST_ABOVE]:
        tables = [t for t in sorted(folder.glob("*dseg.tsv")) if labels_of(t).items() <= own]
        for table in sorted(tables, key=lambda t: -len(labels_of(t))):
            names = _names_in(table)
            for scheme, label, name in _TELLING:
                if name in names.get(label, ""):
                    return scheme
        if tables or (folder / "dataset_description.json").exists():
            break
    return None


def _names_in(table: Path) -> dict[str, str]:
    """Names by index, in small letters and digits alone; none of what is no such table."""
    try:
        lines = read_small(table, MOST_BYTES).decode().splitlines()
    except (OSError, ValueError):
        return {}
    rows = csv.DictReader(lines, delimiter="\t")
    return {
        (row.get("index") or "").strip(): re.sub(r"[^a-z0-9]", "", (row.get("name") or "").lower())
        for row in rows
    }


def read_labels(path: Path, scheme: Scheme, *, ignore_unknown: bool = False) -> tuple[Labels, Affine]:
    """Labels on canonical axes, and their affine.

    Parameters
    ----------
    path : Path
        Parcellation.
    scheme : Scheme
        Its numbering.
    ignore_unknown : bool
        A voxel whose label the scheme lacks gets that of the nearest one that it knows.

    Raises
    ------
    ValueError
        Labels that are not integers, that the scheme does not have, or that are not a whole brain's.
    """
    labels, affine = read_canonical(path)
    name = path.name
    values = np.unique(labels)
    if not np.array_equal(values, np.round(values)):
        raise ValueError(f"{name} holds values that are not integers: expected labels of {scheme.name}")
    unknown = [int(v) for v in values if v not in scheme.known]
    if unknown and not ignore_unknown:
        listed = ", ".join(map(str, unknown[:8])) + (" …" if len(unknown) > 8 else "")
        raise ValueError(
            f"{name} holds labels that {scheme.name} does not have: {listed}; "
            "pass --ignore-unknown to give them to their neighbours"
        )
    if unknown:
        strange = np.isin(labels, unknown)
        nearest = ndimage.distance_transform_edt(strange, return_distances=False, return_indices=True)
        labels = labels[tuple(nearest)]
        values = np.unique(labels)
    for tissue in ("white", "fluid", "cortex"):
        if not set(values.tolist()) & getattr(scheme, tissue):
            kind = "white matter" if tissue == "white" else tissue
            raise ValueError(f"{name} has no {kind}: expected a whole brain in the labels of {scheme.name}")
    return labels.astype(np.int16), affine
