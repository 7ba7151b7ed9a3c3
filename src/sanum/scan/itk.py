"""NRRD and MetaImage files, through SimpleITK."""

import contextlib
import os
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..types import AnyArray
from .checks import UNKNOWN_SIDES, check_shape, pick_volume, usable_scan
from .errors import ScanError
from .itk_header import TextHeader, check_voxels, read_header
from .names import contrast_of, printable
from .scan import Scan

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_STDERR = 2


_SILENCE = threading.Lock()


@contextlib.contextmanager
def quiet_natives() -> Iterator[None]:
    """Send what ITK's C libraries write straight to file descriptor 2 to nowhere, for the whole process.

    MetaIO and GDCM report broken files there, past Python and in several lines; the same files make ITK
    raise, and that becomes our one sentence. One thread at a time, or the second would take "nowhere" for
    what is to be put back.
    """
    with _SILENCE:
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


def itk_reader(path: Path, image_io: str) -> sitk.ImageFileReader:
    """Reader of one format; left to itself, ITK lets the content choose among twenty.

    Parameters
    ----------
    path : Path
        What it shall read.
    image_io : str
        ITK's name of the format.

    Raises
    ------
    ScanError
        A path that is not UTF-8, which would end the process.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ScanError(
            f"{printable(path)} is not a UTF-8 name: expected one for this format; "
            "rename the file or its folder"
        ) from error
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    return reader


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
        As `sanum.scan.read`; voxels that are spread over several files.
    """
    what = printable(path.name)
    meta = path.suffix.lower() in (".mha", ".mhd")
    reader = itk_reader(path, "MetaImageIO" if meta else "NrrdImageIO")
    try:
        header = read_header(path)
        with quiet_natives():
            voxels, affine = _volume(reader, header, volume, what)
    except (RuntimeError, OSError, EOFError, zlib.error, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, ScanError):
            raise
        raise ScanError(
            f"{what} cannot be read as NRRD or MetaImage: it is damaged, cut short or not what its name "
            "says; copy or convert it again"
        ) from error
    return usable_scan(
        voxels,
        affine,
        contrast=contrast_of(path),
        path=path,
        what=what,
        warnings=() if header.has_orientation else (UNKNOWN_SIDES,),
        ours=True,
    )


def _volume(
    reader: sitk.ImageFileReader, header: TextHeader, volume: int | None, what: str
) -> tuple[AnyArray, npt.NDArray[np.float64]]:
    """Voxels (X, Y, Z) and affine (RAS+), after the checks that need no voxels."""
    reader.ReadImageInformation()
    size = reader.GetSize()
    check_shape(size, what)
    _check_pixels(reader, what)
    index = pick_volume(size, volume, what)
    check_voxels(header, _claimed_bytes(reader), what)
    affine = _ras_affine(reader)
    if len(size) > 3:
        reader.SetExtractIndex([0, 0, 0, index or 0])
        reader.SetExtractSize([*size[:3], 0])
    return np.asarray(_Pixels(reader.Execute())).T, affine


class _Pixels:
    """An image's own memory for an array, which keeps the image; ITK's copies would hold the voxels twice."""

    def __init__(self, image: sitk.Image) -> None:
        self.image = image
        self.__array_interface__ = sitk.GetArrayViewFromImage(image).__array_interface__


def _check_pixels(reader: sitk.ImageFileReader, what: str) -> None:
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    if "complex" in kind:
        raise ScanError(f"{what} is a complex image: expected real values; give its magnitude")
    if reader.GetNumberOfComponents() != 1 or "vector" in kind:
        raise ScanError(
            f"{what} has {reader.GetNumberOfComponents()} values a voxel, a colour (RGB) or vector image: "
            "expected one grey value a voxel"
        )


def _claimed_bytes(reader: sitk.ImageFileReader) -> int:
    """Bytes of all voxels, unpacked."""
    bits = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    width = next((n // 8 for n in (8, 16, 32, 64) if f"{n}-bit" in bits), 1)
    return int(np.prod(reader.GetSize(), dtype=object)) * width


def _ras_affine(reader: sitk.ImageFileReader) -> npt.NDArray[np.float64]:
    n = reader.GetDimension()
    affine = np.eye(4)
    direction = np.array(reader.GetDirection()).reshape(n, n)[:3, :3]
    affine[:3, :3] = direction * np.array(reader.GetSpacing()[:3])
    affine[:3, 3] = reader.GetOrigin()[:3]
    return LPS_TO_RAS @ affine
