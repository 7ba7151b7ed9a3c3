"""How large a scan says that it is, from its header alone: nothing is read that takes memory."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import Any, SupportsInt

import nibabel as nib
import numpy as np
import numpy.typing as npt
from pydicom.errors import InvalidDicomError

from .dicom import ARCHIVE, holds_dicom
from .dicom_file import DAMAGED, open_dicom
from .dicom_series import files_in
from .dicom_zip import unpacked_bytes
from .errors import ScanError
from .names import EXTENSIONS
from .nifti import NIFTI2_BYTES, forms_of, header_of, unpacked
from .raw_volume import read_header
from .read import BROKEN_FILE
from .text_header import UNKNOWN_SIZE

_TEXT_HEADERS = (".nrrd", ".nhdr", ".mha", ".mhd")
_HEADERS = 8  # of a DICOM folder that are read, evenly spread: its slices are alike


@dataclass(frozen=True)
class DeclaredSize:
    """What a header claims of one volume.

    Parameters
    ----------
    voxels : int
        0 if the header does not say.
    voxel_bytes : int
        Of a voxel in memory once it is read; scaled integers become float32.
    voxel_mm3 : float or None
        Volume of a voxel, where the header is clear about it.
    """

    voxels: int = 0
    voxel_bytes: int = 4
    voxel_mm3: float | None = None


def declared_size(path: Path) -> DeclaredSize:
    """DeclaredSize of a scan file, or of DICOM: a folder, a file, or a zip archive.

    Of DICOM by the size of all files of the folder, or the archive's when it is unpacked, two bytes a voxel;
    of compressed files by the rows and columns that some of them claim. Nothing is checked here. A damaged
    file, or what is no file, declares nothing; reading it gives the error. All numbers are Python's own:
    those of a header would overflow.

    Parameters
    ----------
    path : Path
        It need not exist.
    """
    with suppress(ScanError, *BROKEN_FILE), np.errstate(all="ignore"):
        if path.is_dir():
            return DeclaredSize(_voxels_of_files(files_in(path, deep=not holds_dicom(path))))
        if not path.is_file():
            return DeclaredSize()
        if path.name.lower().endswith(ARCHIVE):
            return DeclaredSize(unpacked_bytes(path) // 2)
        if not path.name.lower().endswith(EXTENSIONS):
            return DeclaredSize(_voxels_of_files(files_in(path.parent, deep=False)))
        if path.name.lower().endswith(_TEXT_HEADERS):
            return _of_text(path)
        return _of_nibabel(path)
    return DeclaredSize()


def _voxels_of_files(found: Iterable[Path]) -> int:
    files = list(found)
    stored = sum(file.stat().st_size for file in files) // 2
    some = files[:: max(1, len(files) // _HEADERS)]
    return max(stored, len(files) * max(map(_compressed_voxels, some), default=0))


def _compressed_voxels(path: Path) -> int:
    """Voxels of a compressed DICOM file, 0 of any other file."""
    with suppress(ScanError, InvalidDicomError, *DAMAGED):
        header = open_dicom(path, pixels=False)
        if header.file_meta.TransferSyntaxUID.is_compressed:
            return int(header.Rows) * int(header.Columns) * int(header.get("NumberOfFrames") or 1)
    return 0


def _of_nibabel(path: Path) -> DeclaredSize:
    with unpacked(path) as stream:
        start = stream.read(NIFTI2_BYTES)
    header, _ = header_of(start, path.name)
    scaled = header.get_slope_inter() not in ((1, 0), (None, None))
    in_memory = 4 if scaled else min(4, int(header.get_data_dtype().itemsize))
    nifti = isinstance(header, nib.Nifti1Header)
    affine = forms_of(header)[0].affine if nifti else header.get_best_affine()
    return DeclaredSize(_product(header.get_data_shape()[:3]), in_memory, _determinant(affine[:3, :3]))


def _of_text(path: Path) -> DeclaredSize:
    header = read_header(path)
    known = UNKNOWN_SIZE not in header.warnings
    return DeclaredSize(_product(header.shape[:3]), 4, _determinant(header.affine[:3, :3]) if known else None)


def _product(shape: Iterable[SupportsInt]) -> int:
    return prod(max(int(n), 0) for n in shape)


def _determinant(axes: npt.NDArray[Any]) -> float | None:
    """Volume of a voxel in mm³, None where it is none."""
    volume = abs(float(np.cross(axes[0], axes[1]) @ axes[2]))
    return volume if 0 < volume < inf else None
