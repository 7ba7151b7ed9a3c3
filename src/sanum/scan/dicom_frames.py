"""The frames of an enhanced multi-frame DICOM file as slices."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from .dicom_contrast import nested
from .dicom_file import DAMAGED, open_dicom
from .dicom_stack import Slice, placed_slice, require_grey
from .errors import ScanError
from .names import printable

MOST_FRAMES = 3000

_GEOMETRY = {
    "ImagePositionPatient": ("PlanePositionSequence", 3),
    "ImageOrientationPatient": ("PlaneOrientationSequence", 6),
    "PixelSpacing": ("PixelMeasuresSequence", 2),
}
_TIMES = {  # as single-frame files have them: the first of these paths that is there
    "EchoTime": (
        ("MREchoSequence", "EffectiveEchoTime"),
        ("MRTimingAndRelatedParametersSequence", "EchoTime"),
    ),
    "RepetitionTime": (("MRTimingAndRelatedParametersSequence", "RepetitionTime"),),
    "InversionTime": (("MRModifierSequence", "InversionTimes"),),
    "DiffusionBValue": (("MRDiffusionSequence", "DiffusionBValue"),),
}


def is_multi_frame(header: Dataset) -> bool:
    """Whether a file says that it has more than one frame.

    Parameters
    ----------
    header : Dataset
        Of the file.
    """
    return str(header.get("NumberOfFrames") or "1") != "1"


def frames_of(path: Path, what: str) -> list[Slice]:
    """Slices of a multi-frame file, in the file's order (PS3.3, C.7.6.16).

    Parameters
    ----------
    path : Path
        Of the file.
    what : str
        The series, for messages.

    Raises
    ------
    ScanError
        Too many frames, colour, or frames whose place is not said, as in films.
    """
    name = f"{printable(path.name)} in {what}" if path.name != what else what
    try:
        header = open_dicom(path, pixels=False)
        require_grey(header, name)
        count, size = int(header.NumberOfFrames), (int(header.Columns), int(header.Rows))
        if not 1 < count <= MOST_FRAMES:
            raise ScanError(f"{name} claims {count} frames: expected at most {MOST_FRAMES}")
        each = header["PerFrameFunctionalGroupsSequence"].value
        shared = header.get("SharedFunctionalGroupsSequence") or [Dataset()]
        if len(each) != count:
            raise ValueError("a frame without a place")
        _add_times(header, each[0], shared[0])
        return [_frame(path, k, header, size, (group, shared[0]), name) for k, group in enumerate(each)]
    except ScanError:
        raise
    except DAMAGED as error:
        raise ScanError(
            f"{name} is a multi-frame file that does not say where each frame lies: expected an enhanced MR "
            "or CT volume; convert it to NIfTI, for instance with dcm2niix"
        ) from error


def _frame(
    path: Path, k: int, header: Dataset, size: tuple[int, int], groups: tuple[Dataset, Dataset], name: str
) -> Slice:
    values = {}
    for tag, (sequence, length) in _GEOMETRY.items():
        found = next((v for g in groups if (v := nested(g, sequence, tag)) is not None), None)
        values[tag] = np.array(found, dtype=np.float64).ravel()
        if values[tag].shape != (length,) or not np.isfinite(values[tag]).all():
            raise ValueError(f"no usable {tag}")
    slope, intercept = (
        next(
            (
                float(str(v))
                for g in groups
                if (v := nested(g, "PixelValueTransformationSequence", tag)) is not None
            ),
            float(header.get(tag) or default),
        )
        for tag, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    return placed_slice(path, header, size, values, name=name, frame=k, rescale=(slope or 1.0, intercept))


def _add_times(header: Dataset, *groups: Dataset) -> None:
    """Set the times of the sequence where a single-frame file has them."""
    for tag, paths in _TIMES.items():
        found = (nested(group, *path) for path in paths for group in groups)
        value = next((v for v in found if v is not None), None)
        if value is not None and tag not in header:
            setattr(header, tag, np.ravel(np.array(value, dtype=np.float64))[0])
