"""How large a scan says that it is, from its header alone: nothing is read that takes memory."""

import re
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from .errors import ScanError
from .itk_header import read_header

_TEXT_HEADERS = (".nrrd", ".nhdr", ".mha", ".mhd")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Claim:
    """What a header claims of one volume.

    Parameters
    ----------
    voxels : int
        0 if it cannot be told.
    voxel_bytes : int
        Of a voxel in memory once it is read; scaled integers become float32.
    voxel_mm3 : float or None
        Volume of a voxel, where the header is clear about it.
    """

    voxels: int = 0
    voxel_bytes: int = 4
    voxel_mm3: float | None = None


def claim_of(path: Path) -> Claim:
    """Claim of a scan file, or of a DICOM folder (by the size of its files, two bytes a voxel).

    Nothing is checked here, and of a damaged file nothing is claimed: reading it will tell.
    """
    broken = (ImageFileError, HeaderDataError, ScanError, OSError, ValueError, EOFError, IndexError)
    with suppress(*broken):
        if path.is_dir():
            return Claim(sum(file.stat().st_size for file in path.iterdir() if file.is_file()) // 2)
        if path.name.lower().endswith(_TEXT_HEADERS):
            return _of_text(path)
        image: Any = nib.load(path)
        scaled = getattr(image.dataobj, "slope", 1) != 1 or getattr(image.dataobj, "inter", 0) != 0
        in_memory = min(4, image.get_data_dtype().itemsize) if not scaled else 4
        return Claim(prod(image.shape[:3]), in_memory, float(np.prod(image.header.get_zooms()[:3])))
    return Claim()


def _of_text(path: Path) -> Claim:
    fields = read_header(path).fields
    sizes = [int(n) for n in fields.get("sizes", fields.get("dimsize", "")).split()]
    volume = None
    if len(spacing := _numbers(fields, "elementspacing")) == 3:
        volume = float(np.prod(spacing))
    elif len(axes := _numbers(fields, "spacedirections")) == 9:
        volume = abs(float(np.linalg.det(np.reshape(axes, (3, 3)))))
    return Claim(prod(sorted(sizes)[-3:]), 4, volume)


def _numbers(fields: dict[str, str], key: str) -> list[float]:
    return [float(n) for n in _NUMBER.findall(fields.get(key, ""))]
