"""An atlas: a folder of maps on one grid, and what is known of the people it is made of."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ....files import parse_json, whole_file
from ....scan import Scan, ScanError
from ....scan.maps import read_map
from ....space.grid import Grid
from ....types import FloatArray, Mask
from .norms import Norms

if TYPE_CHECKING:
    from .compare import Compared

VERSION = 1
NAMES = TEMPLATE, SPREAD, REGION, VOLUME, LABELS, SHARES, TISSUES = (
    "template.nii.gz",
    "spread.nii.gz",
    "region.nii.gz",
    "log_jacobian_sd.nii.gz",
    "dseg.nii.gz",
    "probseg.nii.gz",
    "tissue.nii.gz",
)
ABOUT = "atlas.json"
Packed = tuple[npt.NDArray[Any], float]
"""Whole numbers, and the unit they count."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """What a group looks like; maps (X, Y, Z) on one grid.

    Parameters
    ----------
    grid : Grid
        Along the world's axes.
    template : float32
        Mean intensity; what is bright in a subject is near 1.
    spread : float32
        Standard deviation over subjects, of the same unit.
    region : bool
        Where it may be compared: the labels of most subjects, or what is not background.
    contrast : str or None
        Of the scans.
    labels : int32 or None
        The label of most subjects.
    shares : (X, Y, Z, K) float32 or None
        Share of the subjects that have each label of `names` there.
    tissues : (X, Y, Z, T) float32 or None
        As `shares`, of the tissues that `about["tissues"]` names.
    log_jacobian_sd : float32 or None
        Standard deviation over subjects of the logarithm of a voxel's volume in them.
    names : mapping of str
        Of the labels, by their number.
    norms : Norms or None
        Volumes of the labels, in the order of `names`.
    about : mapping
        Members, rounds, numbers, settings, `to_reference` (template mm → mm of the first pose).
    """

    grid: Grid
    template: FloatArray
    spread: FloatArray
    region: Mask
    contrast: str | None = None
    labels: npt.NDArray[np.int32] | None = None
    shares: FloatArray | None = None
    tissues: FloatArray | None = None
    log_jacobian_sd: FloatArray | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    norms: Norms | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def to_reference(self) -> npt.NDArray[np.float64]:
        """Template mm → mm of the reference, (4, 4): of the atlas that ships, MNI space."""
        return np.asarray(self.about.get("to_reference", np.eye(4)), np.float64)

    def compare(self, scan: Scan, *, healthy: Scan | None = None, brain: Scan | None = None) -> "Compared":
        """See `compare.compare`.

        Parameters
        ----------
        scan, healthy, brain : Scan
            As there.
        """
        from .compare import compare  # which knows atlases

        return compare(self, scan, healthy=healthy, brain=brain)

    def save(self, folder: Path) -> list[Path]:
        """Write it; the paths. `atlas.json` comes last, and says that the others are whole.

        Parameters
        ----------
        folder : Path
            Made if missing; files of an earlier atlas are replaced.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ABOUT).unlink(missing_ok=True)
        maps: dict[str, Packed | None] = {
            TEMPLATE: _packed(self.template),
            SPREAD: _packed(self.spread),
            REGION: (self.region.astype(np.uint8), 1.0),
            VOLUME: None if self.log_jacobian_sd is None else _packed(self.log_jacobian_sd),
            LABELS: None if self.labels is None else (self.labels.astype(np.int32), 1.0),
            SHARES: None if self.shares is None else (_bytes(self.shares), 1 / 255),
            TISSUES: None if self.tissues is None else (_bytes(self.tissues), 1 / 255),
        }
        written = []
        for name, packed in maps.items():
            (folder / name).unlink(missing_ok=True)
            if packed is not None:
                _write(folder / name, packed, self.grid)
                written.append(folder / name)
        about = {
            "version": VERSION,
            "contrast": self.contrast,
            "names": {str(code): name for code, name in self.names.items()},
            "norms": None if self.norms is None else self.norms.as_json(),
            **self.about,
        }
        with whole_file(folder / ABOUT) as partial:
            Path(partial).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        return [*written, folder / ABOUT]


def read_atlas(folder: Path) -> Atlas:
    """An atlas of `Atlas.save`.

    Parameters
    ----------
    folder : Path
        Where it is.

    Raises
    ------
    ScanError
        It is no atlas, not whole, of another version, or its maps lie on several grids.
    """
    if not (folder / ABOUT).is_file():
        raise ScanError(f"{folder.name} is no atlas: expected a folder with {ABOUT}, of sanum atlas build")
    try:
        about = parse_json((folder / ABOUT).read_bytes())
        version = about.pop("version")
        names = {int(code): name for code, name in about.pop("names").items()}
        told = about.pop("norms")
        norms = None if told is None else Norms.from_json(told)
        contrast = about.pop("contrast")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ScanError(f"{folder.name}/{ABOUT} is damaged: build the atlas again") from error
    if version != VERSION:
        raise ScanError(f"{folder.name} is an atlas of version {version}, expected {VERSION}: build it again")
    template = read_map(folder / TEMPLATE, dtype=np.float32)
    maps = {name: _read(folder / name, template.grid) for name in NAMES[1:]}
    spread, region = maps[SPREAD], maps[REGION]
    if spread is None or region is None:
        raise ScanError(f"{folder.name} is not whole: {SPREAD} or {REGION} is missing; build it again")
    labels = maps[LABELS]
    return Atlas(
        template.grid,
        np.asarray(template.voxels, np.float32),
        spread,
        region > 0.5,
        contrast,
        None if labels is None else np.rint(labels).astype(np.int32),
        maps[SHARES],
        maps[TISSUES],
        maps[VOLUME],
        names,
        norms,
        about,
    )


def _packed(values: FloatArray) -> tuple[npt.NDArray[np.int16], float]:
    """Whole numbers and their unit, a 10,000th of the largest value."""
    unit = max(float(np.abs(values).max()), 1e-6) / 10_000
    return np.rint(values / unit).astype(np.int16), unit


def _bytes(shares: FloatArray) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def _write(path: Path, packed: Packed, grid: Grid) -> None:
    values, unit = packed
    image = nib.Nifti1Image(values, np.asarray(grid.affine))
    image.header.set_slope_inter(unit, 0)
    image.header.set_xyzt_units("mm")
    with whole_file(path) as partial:
        Path(partial).write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0))


def _read(path: Path, grid: Grid) -> FloatArray | None:
    if not path.exists():
        return None
    found: Any = nib.load(path)
    if not Grid(found.shape[:3], found.affine).same_as(grid):
        raise ScanError(f"{path.name} lies on another grid than {TEMPLATE}: build the atlas again")
    return np.asarray(found.dataobj, np.float32)
