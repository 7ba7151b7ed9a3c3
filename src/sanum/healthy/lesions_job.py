"""Tables of lesions of many masks, as a batch sees it (`cohort.job.Job`)."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import __version__
from ..methods.api import OutputSpec, Result
from ..methods.common.anatomy import Predictor
from ..methods.common.file_job import FileJob
from ..methods.common.plain_result import PlainResult
from ..scan import Scan, ScanError
from ..scan.maps import in_order_of, read_map
from ..scan.names import entities_of, printable, stem_of
from ..space.components import Components
from .job import HasPath
from .lesions import Brightness, LesionRow, brightness_of, dictionary_of, found_in, rows_of, table_of
from .places import IN_MNI, Places, with_atlas
from .reconstruction import reconstruct

OUTPUTS: Mapping[str, OutputSpec] = {
    "lesions": OutputSpec("lesions", "One row per lesion, the largest first", None, "lesions", ".tsv"),
    "columns": OutputSpec("columns", "What the columns of that table are", None, "lesions", ".json"),
    "labels": OutputSpec("labels", "The id of each voxel's lesion", "lesions", "dseg"),
}
TABLES: Mapping[str, Mapping[str, int | None]] = {
    "lesion_load.tsv": {"lesions": 0, "lesions_ml": 3, "warnings": None},
}
MNI_152 = 4  # NIfTI's code of that space


@dataclass(frozen=True)
class Counted:
    """What counts as a lesion, and where the masks lie.

    Parameters
    ----------
    threshold : float
        A voxel counts above it.
    min_ml : float
        Smaller lesions are left out, mL.
    is_mni : bool
        The masks lie in MNI space, whatever their names and headers say.
    """

    threshold: float = 0.5
    min_ml: float = 0.0
    is_mni: bool = False

    def found(self, mask: Scan, path: Path, scan: Scan | None) -> tuple[Scan, Components]:
        """A mask in the order of its scan's voxels, and its lesions.

        Parameters
        ----------
        mask : Scan
            As it was read.
        path : Path
            Of its file.
        scan : Scan or None
            That it lies on.

        Raises
        ------
        ScanError
            They lie on two grids; there are too many lesions.
        """
        name = printable(path.name)
        if scan is not None:
            of = scan.path.name if scan.path else "the scan"
            mask = in_order_of(mask, scan.grid, name=name, scan=of)
        return mask, found_in(mask, min_ml=self.min_ml, threshold=self.threshold, name=name)

    @property
    def why_none(self) -> str:
        """What is said of a mask without a lesion."""
        least = f" in a part of {self.min_ml:g} mL or more" if self.min_ml else ""
        return f"there is no lesion: no voxel{least} is above {self.threshold:g}"


@dataclass(frozen=True, eq=False)
class Measured:
    """The lesions of one mask.

    Parameters
    ----------
    mask : Scan
        That they were found in.
    found : Components
        The lesions.
    rows : tuple of LesionRow
        One for each.
    warnings : tuple of str
        What a user should know.
    """

    mask: Scan
    found: Components
    rows: tuple[LesionRow, ...]
    warnings: tuple[str, ...]

    @property
    def contents(self) -> dict[str, Any]:
        """Of `OUTPUTS`."""
        return {
            "lesions": table_of(self.rows),
            "columns": dictionary_of(),
            "labels": labels_of(self.found, self.mask),
        }

    @property
    def numbers(self) -> dict[str, float]:
        """How many, and how large together, mL."""
        ml = float(self.found.sizes.sum()) * self.mask.grid.voxel_volume_ml
        return {"lesions": len(self.rows), "lesions_ml": ml}


@dataclass(frozen=True, eq=False)
class LesionsJob(FileJob):
    """The table of every mask.

    Parameters
    ----------
    counted : Counted
        What counts.
    scan : Scan or None
        On whose grid the masks lie; its brain is looked at, with each mask hidden.
    predictor : Predictor or None
        A loaded method; needed with a scan.
    resources : object
        As of `cohort.job.Job`.
    """

    counted: Counted
    scan: Scan | None
    predictor: Predictor | None
    resources: Any
    name: ClassVar[str] = "lesions"
    past: ClassVar[str] = "listed"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, what counts, and the scan."""
        return {
            "version": __version__,
            "threshold": self.counted.threshold,
            "min_ml": self.counted.min_ml,
            "is_mni": self.counted.is_mni,
            "scan_sha256": None if self.scan is None else digest(self.scan),
            "weights_sha256": None if self.predictor is None else self.predictor.weights_sha256,
        }

    def read(self, item: HasPath) -> tuple[Path, Scan]:
        """Path and mask of an item.

        Parameters
        ----------
        item : HasPath
            Of the batch.
        """
        return item.path, read_mask(item.path)

    def compute(self, loaded: tuple[Path, Scan], on_step: Callable[[str], None]) -> Result:
        """Its table.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        measured = self.measured(loaded, on_step)
        stem = stem_of(loaded[0])
        return PlainResult.of(OUTPUTS, stem, measured.contents, measured.numbers, measured.warnings)

    def measured(self, loaded: tuple[Path, Scan], on_step: Callable[[str], None]) -> "Measured":
        """The lesions of a mask.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        path, mask = loaded
        on_step("finding the lesions")
        mask, found = self.counted.found(mask, path, self.scan)
        said = () if len(found.sizes) else (self.counted.why_none,)
        places, light, warned = self._look(path, mask, found, on_step)
        on_step("measuring the lesions")
        return Measured(mask, found, rows_of(found, mask.grid, places, light), (*said, *warned))

    def _look(
        self, path: Path, mask: Scan, found: Components, on_step: Callable[[str], None]
    ) -> tuple[Places, Brightness | None, tuple[str, ...]]:
        """What is known of the place and the scan of a mask, and what was warned of."""
        is_mni = self.counted.is_mni or says_mni(path, mask)
        if not len(found.sizes):
            return Places(), None, ()
        if self.scan is None:
            return (with_atlas(IN_MNI) if is_mni else Places()), None, ()
        inside = np.zeros(mask.grid.shape, bool)
        inside[found.box] = found.labels > 0
        lesions = Scan(inside, mask.affine)
        result = reconstruct(self.scan, mask=lesions, predictor=self.predictor, fast=True, on_step=on_step)
        seen = result.scan.with_contrast(result.decided)
        light = brightness_of(seen, result.anatomy, result.brain, lesions)
        places = with_atlas(IN_MNI if is_mni else result.places or Places())
        return places, light, result.warnings


def read_mask(path: Path) -> Scan:
    """A mask or a map of probabilities, as it was written.

    Parameters
    ----------
    path : Path
        A volume.

    Raises
    ------
    ScanError
        It cannot be read, or has times or colours.
    """
    mask = read_map(path)
    if mask.voxels.ndim != 3 or mask.voxels.dtype.kind not in "biuf":
        raise ScanError(f"{printable(path.name)} is no mask: expected one volume of numbers")
    return mask


def labels_of(found: Components, mask: Scan) -> Scan:
    """The id of each voxel's lesion, 0 elsewhere.

    Parameters
    ----------
    found : Components
        The lesions.
    mask : Scan
        That they were found in.
    """
    out = np.zeros(mask.grid.shape, np.uint16)
    out[found.box] = found.labels
    return Scan(out, mask.affine, forms=mask.forms)


def says_mni(path: Path, mask: Scan) -> bool:
    """Whether a file says that it lies in MNI space: by its name (space-MNI…) or its header's code.

    Parameters
    ----------
    path : Path
        Of the mask.
    mask : Scan
        Read from it.
    """
    space = entities_of(path)[0].get("space", "")
    return space.startswith("MNI") or (mask.forms is not None and mask.forms.sform_code == MNI_152)


def digest(scan: Scan) -> str:
    """SHA-256 of a scan's voxels and their place.

    Parameters
    ----------
    scan : Scan
        Any.
    """
    found = hashlib.sha256(np.ascontiguousarray(scan.voxels).tobytes())
    found.update(np.asarray(scan.affine, np.float64).tobytes())
    return found.hexdigest()
