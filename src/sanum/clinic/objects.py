"""All DICOM objects of one result, one after the other, and their files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
from pydicom.dataset import Dataset

from ..extras import needs_extra
from ..healthy.lesions import LesionRow
from ..healthy.result import Reconstruction
from ..scan.dicom_planes import SourcePlanes, read_planes
from ..scan.write import OWN
from ..space.components import components
from ..space.grid import Grid
from ..types import Mask
from .maker import maker_of
from .reference import reference_of
from .sampling import nearest_slices, on_planes

EXTRA = "clinic"


@dataclass(frozen=True)
class DicomOptions:
    """Choices of the objects.

    Parameters
    ----------
    omit_empty_frames : bool
        Leave frames without anomaly out of the segmentation.
    """

    omit_empty_frames: bool = False


def objects_of(
    result: Reconstruction, source: SourcePlanes, options: DicomOptions | None = None
) -> Iterator[tuple[str, Dataset]]:
    """File name and content of each object: segmentation, maps, healthy T1w, report and its page.

    Where nothing was found there is no segmentation, and the report says so.

    Parameters
    ----------
    result : Reconstruction
        Of the main job.
    source : SourcePlanes
        The series that it is of.
    options : DicomOptions, optional
        Default: all frames.

    Raises
    ------
    ScanError
        The source cannot be referred to: see `reference_of`.
    MissingExtra
        highdicom is not installed.
    """
    options = options or DicomOptions()
    with needs_extra("--dicom", EXTRA), catch_warnings():
        simplefilter("ignore")  # pydicom's, of values that are the source's
        yield from _objects(result, source, options)


def write_dicom(
    result: Reconstruction,
    source: str | Path,
    folder: str | Path,
    *,
    series: str | None = None,
    options: DicomOptions | None = None,
) -> list[Path]:
    """Write the objects of a result of a DICOM series; paths of the files.

    Parameters
    ----------
    result : Reconstruction
        Of the main job.
    source : str or Path
        The DICOM series that it is of: folder, file or zip archive.
    folder : str or Path
        Made if missing. All objects that are there (sanum-….dcm) are replaced, once the new ones are whole.
    series : str, optional
        Which one, as in `sanum.read`.
    options : DicomOptions, optional
        Default: all frames.

    Raises
    ------
    ScanError
        As `read_planes` and `objects_of`.
    MissingExtra
        highdicom is not installed.
    """
    planes, folder = read_planes(Path(source), series=series), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        hidden = ((f".{name}", one) for name, one in objects_of(result, planes, options))
        written = save_objects(hidden, folder)
        for old in folder.glob(f"{OWN}*.dcm"):
            old.unlink()
        return [path.replace(folder / path.name[1:]) for path in written]
    finally:
        for left in folder.glob(f".{OWN}*.dcm"):
            left.unlink()


def save_objects(objects: Iterator[tuple[str, Dataset]], folder: Path) -> list[Path]:
    """Paths of the files.

    Parameters
    ----------
    objects : iterator of (str, Dataset)
        From `objects_of`.
    folder : Path
        Exists.
    """
    paths = []
    for name, one in objects:
        paths.append(folder / name)
        one.save_as(paths[-1], enforce_file_format=True)
    return paths


def _objects(
    result: Reconstruction, source: SourcePlanes, options: DicomOptions
) -> Iterator[tuple[str, Dataset]]:
    from .anatomy import anatomy_series
    from .enhanced import enhanced_anatomy
    from .findings import findings
    from .page import page
    from .parametric import PROBABILITY, UNCERTAINTY, parametric_map
    from .segmentation import segmentation

    reference = reference_of(source)
    maker = maker_of(result, reference.uids, options)
    mask: Mask = np.asarray(on_planes(result.anomaly_mask, source, nearest=True), bool)
    kept = [k for k, plane in enumerate(mask) if plane.any() or not options.omit_empty_frames]
    segmented = segmentation(mask, kept, reference, maker) if mask.any() else None
    if segmented is not None:
        yield f"{OWN}anomaly.dcm", segmented
    for kind, image in ((PROBABILITY, result.anomaly), (UNCERTAINTY, result.uncertainty)):
        values = np.asarray(on_planes(image, source), np.float32)
        yield f"{OWN}{kind.series.key}.dcm", parametric_map(values, kind, reference, maker)
    anatomy = np.asarray(on_planes(result.anatomy, source), np.float32)
    if source.is_multi_frame:
        yield f"{OWN}anatomy.dcm", enhanced_anatomy(anatomy, reference, maker)
    else:
        for k, one in enumerate(anatomy_series(anatomy, reference, maker), start=1):
            yield f"{OWN}anatomy-{k:04d}.dcm", one
    lesions = [*zip(result.lesions, _frames(result, source, mask, kept), strict=True)]
    yield f"{OWN}findings.dcm", findings(lesions, result.numbers, segmented, reference, maker)
    yield f"{OWN}page.dcm", page(result, reference, maker)


def _frames(
    result: Reconstruction, source: SourcePlanes, mask: Mask, kept: Sequence[int]
) -> list[list[int] | None]:
    """For each lesion that is listed, the frames that it is in, from 1; None where grids differ."""
    rows: tuple[LesionRow, ...] = result.lesions
    if not result.anomaly_mask.grid.same_as(Grid(source.shape, source.affine)):
        return [None] * len(rows)
    slices = nearest_slices(source.places, source.shape[2])
    found: list[list[int] | None] = []
    for _, (_, (_, _, depth)) in zip(
        rows, components(np.asarray(result.anomaly_mask.voxels) > 0.5).parts(), strict=False
    ):
        there = (slices >= depth.start) & (slices < depth.stop)
        found.append([frame for frame, k in enumerate(kept, start=1) if there[k]])
    return found
