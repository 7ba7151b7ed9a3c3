"""NRRD and MetaImage files, through SimpleITK."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from .checks import UNKNOWN_SIDES, check_shape, pick_volume, usable_scan
from .errors import ScanError
from .names import contrast_of, shown
from .scan import Scan

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_LONGEST_HEADER = 65536
_STDERR = 2


@contextlib.contextmanager
def quiet_natives() -> Iterator[None]:
    """Send what ITK's C libraries write straight to file descriptor 2 to nowhere, for the whole process.

    MetaIO and GDCM tell of broken files there, past Python and in several lines; the same files make ITK
    raise, and that becomes our one sentence.
    """
    try:
        sys.stderr.flush()
        kept = os.dup(_STDERR)
    except (OSError, AttributeError):  # no stderr: nothing to silence
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)


def read_itk(path: Path, *, volume: int | None = None) -> Scan:
    """Read .nrrd, .nhdr, .mha or .mhd.

    Parameters
    ----------
    path : Path
        The file; .nhdr and .mhd name a second one with the voxels.
    volume : int, optional
        Which volume of a 4D file, from 0.

    Returns
    -------
    Scan
        (X, Y, Z) voxels; ITK's LPS world turned into RAS+.

    Raises
    ------
    ScanError
        As `sanum.scan.read`.
    """
    what = shown(path.name)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        fields = _text_header(path)
        with quiet_natives():
            voxels, affine = _volume(reader, path, fields, volume, what)
    except (RuntimeError, OSError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, ScanError):
            raise
        raise ScanError(
            f"{what} cannot be read as NRRD or MetaImage: it is damaged, cut short or its data file is "
            "missing; copy or convert it again"
        ) from error
    return usable_scan(
        voxels,
        affine,
        contrast=contrast_of(path),
        path=path,
        what=what,
        warnings=() if _has_orientation(fields) else (UNKNOWN_SIDES,),
    )


def _volume(
    reader: sitk.ImageFileReader, path: Path, fields: dict[str, str], volume: int | None, what: str
) -> tuple[npt.NDArray, npt.NDArray[np.float64]]:
    """Voxels (X, Y, Z) and affine (RAS+), after the checks that need no voxels."""
    reader.ReadImageInformation()
    size = reader.GetSize()
    check_shape(size, what)
    _check_pixels(reader, what)
    index = pick_volume(size, volume, what)
    _check_size_on_disk(path, fields, reader, what)
    affine = _ras_affine(reader)
    if len(size) > 3:
        reader.SetExtractIndex([0, 0, 0, index or 0])
        reader.SetExtractSize([*size[:3], 0])
    return sitk.GetArrayFromImage(reader.Execute()).T, affine


def _text_header(path: Path) -> dict[str, str]:
    """Fields of the header, `key: value` or `key = value`; keys in lower case without blanks."""
    with path.open("rb") as stream:
        text = stream.read(_LONGEST_HEADER).decode("latin-1")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            break
        separator = ":" if ":" in line and "=" not in line.split(":")[0] else "="
        key, _, value = line.partition(separator)
        fields[key.strip().lower().replace(" ", "")] = value.strip()
        if "elementdatafile" in fields:
            break
    return fields


def data_file(path: Path) -> Path:
    """Where a NRRD or MetaImage header says that its voxels are: often the file itself."""
    return _data_file(path, _text_header(path))


def _data_file(path: Path, fields: dict[str, str]) -> Path:
    name = fields.get("elementdatafile") or fields.get("datafile") or "LOCAL"
    return path if name.upper() == "LOCAL" else path.parent / name


def _has_orientation(fields: dict[str, str]) -> bool:
    if "objecttype" in fields or "ndims" in fields:
        return any(key in fields for key in ("transformmatrix", "rotation", "orientation"))
    return "space" in fields


def _check_pixels(reader: sitk.ImageFileReader, what: str) -> None:
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    if "complex" in kind:
        raise ScanError(f"{what} is a complex image: expected real values; give its magnitude")
    if reader.GetNumberOfComponents() != 1 or "vector" in kind:
        raise ScanError(
            f"{what} has {reader.GetNumberOfComponents()} values a voxel, a colour (RGB) or vector image: "
            "expected one grey value a voxel"
        )


def _check_size_on_disk(path: Path, fields: dict[str, str], reader: sitk.ImageFileReader, what: str) -> None:
    """Compare what an uncompressed file claims with what is there, before ITK allocates it."""
    stored = (
        fields.get("encoding", "raw").lower() == "raw" and fields.get("compresseddata", "False") != "True"
    )
    data = _data_file(path, fields)
    if not stored or not data.is_file():  # compressed, or a list of files: ITK finds out by itself
        return
    bits = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    width = next((n // 8 for n in (8, 16, 32, 64) if f"{n}-bit" in bits), 1)
    claimed = int(np.prod(reader.GetSize(), dtype=object)) * width
    if claimed > data.stat().st_size:
        raise ScanError(
            f"{what} is cut short: its header claims {claimed} bytes of voxels and {shown(data.name)} has "
            f"{data.stat().st_size} bytes; copy or download it again"
        )


def _ras_affine(reader: sitk.ImageFileReader) -> npt.NDArray[np.float64]:
    n = reader.GetDimension()
    affine = np.eye(4)
    direction = np.array(reader.GetDirection()).reshape(n, n)[:3, :3]
    affine[:3, :3] = direction * np.array(reader.GetSpacing()[:3])
    affine[:3, 3] = reader.GetOrigin()[:3]
    return LPS_TO_RAS @ affine
