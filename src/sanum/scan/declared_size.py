"""How large a scan says that it is, from its header alone: nothing is read that takes memory."""

import gzip
import re
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from .errors import ScanError
from .itk_header import read_header
from .read import BROKEN_FILE, NIFTI2_BYTES, header_of, remarks_on_headers

_TEXT_HEADERS = (".nrrd", ".nhdr", ".mha", ".mhd")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


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
    """DeclaredSize of a scan file, or of a DICOM folder (by the size of its files, two bytes a voxel).

    Nothing is checked here. A damaged file declares nothing; reading it gives the error.
    """
    with suppress(ScanError, *BROKEN_FILE):
        if path.is_dir():
            return DeclaredSize(sum(file.stat().st_size for file in path.iterdir() if file.is_file()) // 2)
        if path.name.lower().endswith(_TEXT_HEADERS):
            return _of_text(path)
        return _of_nibabel(path)
    return DeclaredSize()


def _of_nibabel(path: Path) -> DeclaredSize:
    packed = path.name.lower().endswith((".gz", ".mgz"))
    with gzip.open(path) if packed else path.open("rb") as stream:
        start = stream.read(NIFTI2_BYTES)
    with remarks_on_headers():  # reading gives them as warnings
        header = header_of(start, path.name)
    scaled = header.get_slope_inter() not in ((1, 0), (None, None))
    in_memory = 4 if scaled else min(4, header.get_data_dtype().itemsize)
    return DeclaredSize(prod(header.get_data_shape()[:3]), in_memory, float(np.prod(header.get_zooms()[:3])))


def _of_text(path: Path) -> DeclaredSize:
    fields = read_header(path).fields
    sizes = [int(n) for n in fields.get("sizes", fields.get("dimsize", "")).split()]
    volume = None
    if len(spacing := _numbers(fields, "elementspacing")) == 3:
        volume = float(np.prod(spacing))
    elif len(axes := _numbers(fields, "spacedirections")) == 9:
        volume = abs(float(np.linalg.det(np.reshape(axes, (3, 3)))))
    return DeclaredSize(prod(sorted(sizes)[-3:]), 4, volume)


def _numbers(fields: dict[str, str], key: str) -> list[float]:
    return [float(n) for n in _NUMBER.findall(fields.get(key, ""))]
