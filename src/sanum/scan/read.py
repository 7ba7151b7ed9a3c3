"""`read`: one brain scan from a file, a DICOM folder, a nibabel image or a `Scan`."""

import gzip
import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.fileholders import FileHolder
from nibabel.freesurfer.mghformat import MGHError
from nibabel.imageglobals import logger as nibabel_logger
from nibabel.spatialimages import HeaderDataError, HeaderTypeError, SpatialImage
from nibabel.wrapstruct import WrapStructError

from .checks import UNKNOWN_SIDES, check_dtype, check_shape, pick_volume, usable_scan
from .dicom import read_dicom
from .errors import ScanError
from .itk import read_itk
from .names import EXTENSIONS, contrast_of, shown
from .scan import Scan

MOST_DEFLATED = 1032
"""Deflate shrinks at most this many times; a header that claims more lies."""

NIFTI2_SIZE = (540).to_bytes(4, "little")
"""First bytes of a NIfTI-2 header; NIfTI-1 has 348 there."""

_BROKEN_FILE = (
    OSError,
    EOFError,
    zlib.error,
    struct.error,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    ArithmeticError,
    MemoryError,
    ImageFileError,
    HeaderDataError,
    HeaderTypeError,
    WrapStructError,
    MGHError,
)


def read(source: "str | Path | SpatialImage | Scan", *, volume: int | None = None) -> Scan:
    """Read one 3D scan.

    Parameters
    ----------
    source : str, Path, nibabel image or Scan
        NIfTI (.nii, .nii.gz), MGH (.mgh, .mgz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), a folder that
        holds one DICOM series, or what is already in memory.
    volume : int, optional
        Which volume of a 4D file, from 0.

    Returns
    -------
    Scan
        (X, Y, Z) voxels as stored on disk: integers in their own dtype where no scaling applies, float32
        otherwise; world in mm, RAS+. `contrast` is what name or DICOM tags say. Not-finite voxels are set
        to the background; that, unknown left and right, and a CT that is not in Hounsfield units are in
        `warnings`.

    Raises
    ------
    ScanError
        For every input that cannot be used: one sentence saying what was expected and what came.
    """
    if isinstance(source, Scan):
        return _from_scan(source, volume)
    if isinstance(source, SpatialImage):
        name = source.get_filename()
        path = Path(name) if name else None
        what = shown(path.name) if path else "the image"
        with _unreadable(what, "nibabel image"):
            return _from_nibabel(source, path, what, volume)
    if not isinstance(source, (str, Path)):
        raise ScanError(
            f"cannot read a scan from {type(source).__name__}: expected a path, a nibabel image or a Scan"
        )
    return _from_path(Path(source), volume)


def _from_scan(scan: Scan, volume: int | None) -> Scan:
    what = shown(scan.path.name) if scan.path else "the scan"
    check_shape(scan.voxels.shape, what)
    index = pick_volume(scan.voxels.shape, volume, what)
    voxels = scan.voxels if index is None else scan.voxels[..., index]
    return usable_scan(
        voxels, scan.affine, contrast=scan.contrast, path=scan.path, what=what, warnings=scan.warnings
    )


def _from_path(path: Path, volume: int | None) -> Scan:
    what = shown(path.name or path)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
        size = path.stat().st_size
    except FileNotFoundError:
        raise ScanError(f"{shown(path)} does not exist: expected a scan file or a DICOM folder") from None
    except (OSError, ValueError) as error:
        raise ScanError(f"{what} cannot be opened: check its path and permissions") from error
    if is_folder:
        scan = read_dicom(path)
        pick_volume(scan.voxels.shape, volume, what)
        return scan
    ending = next((e for e in EXTENSIONS if path.name.lower().endswith(e)), None)
    if not is_file or ending is None:
        hint = "; give the folder of the DICOM series" if path.suffix.lower() in (".dcm", ".ima") else ""
        raise ScanError(
            f"{what} is not a scan file: expected {', '.join(EXTENSIONS)} or a folder with a DICOM "
            f"series{hint}"
        )
    if size == 0:
        raise ScanError(f"{what} is empty: expected an image; copy or download it again")
    if ending in (".nrrd", ".nhdr", ".mha", ".mhd"):
        return read_itk(path, volume=volume)
    return _from_stream(path, ending, what, volume)


def _from_stream(path: Path, ending: str, what: str, volume: int | None) -> Scan:
    """Read NIfTI or MGH from a stream that is ours: closed whatever happens, gzip read to its checksum."""
    packed = ending in (".nii.gz", ".mgz")
    kind = "MGH" if ending in (".mgh", ".mgz") else "NIfTI"
    with _unreadable(what, f"{kind} file"), gzip.open(path) if packed else path.open("rb") as stream:
        start = stream.read(30)
        stream.seek(0)
        if kind == "MGH":
            reader: Any = nib.MGHImage
            oriented = start[28:30] != b"\0\0"  # goodRASFlag, which nibabel overwrites
        else:
            reader = nib.Nifti2Image if start[:4] in (NIFTI2_SIZE, NIFTI2_SIZE[::-1]) else nib.Nifti1Image
            oriented = True
        with _remarks() as remarks:
            image = reader.from_file_map({"image": FileHolder(fileobj=stream)}, mmap=False)
        scan = _from_nibabel(image, path, what, volume)
        for remark in remarks:
            scan = scan.warn(f"the header is faulty: {remark}")
        while packed and stream.read(1 << 20):
            pass
    return scan if oriented else scan.warn(UNKNOWN_SIDES)


def _from_nibabel(image: SpatialImage, path: Path | None, what: str, volume: int | None) -> Scan:
    shape = tuple(int(n) for n in image.shape)
    check_shape(shape, what)
    check_dtype(image.get_data_dtype(), what)
    index = pick_volume(shape, volume, what)
    _check_size_on_disk(image, path, what)
    codes = [int(image.header[c]) for c in ("sform_code", "qform_code") if isinstance(image, nib.Nifti1Pair)]
    return usable_scan(
        _values(image, index),
        image.affine,
        contrast=contrast_of(path) if path else None,
        path=path,
        what=what,
        warnings=(UNKNOWN_SIDES,) if codes == [0, 0] else (),
    )


def _check_size_on_disk(image: SpatialImage, path: Path | None, what: str) -> None:
    """Compare what the header claims with the file, before an array of that size is made."""
    proxy = image.dataobj
    if path is None or not isinstance(proxy, ArrayProxy) or not path.is_file():
        return
    claimed = int(np.prod(proxy.shape, dtype=object)) * proxy.dtype.itemsize
    size = path.stat().st_size
    holds = size * MOST_DEFLATED if path.suffix.lower() in (".gz", ".mgz") else size - int(proxy.offset)
    if claimed > holds:
        raise ScanError(
            f"{what} is cut short: its header claims {claimed} bytes of voxels and the file has {size} "
            "bytes; copy or download it again"
        )


def _values(image: SpatialImage, index: int | None) -> npt.NDArray[Any]:
    """Voxels (X, Y, Z, …) of one volume; scaled ones as float32, slice by slice to spare memory."""
    proxy = image.dataobj
    if index is not None:
        return np.asanyarray(proxy[:, :, :, index])
    if not isinstance(proxy, ArrayProxy):
        return np.asanyarray(proxy)
    raw = proxy.get_unscaled()
    slope, intercept = float(proxy.slope), float(proxy.inter)
    if (slope, intercept) == (1.0, 0.0):
        return raw
    raw = raw.reshape(raw.shape[:3])
    scaled = np.empty(raw.shape, np.float32, order="F")
    for k in range(raw.shape[2]):
        scaled[..., k] = raw[..., k].astype(np.float64) * slope + intercept
    return scaled


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """Collect what nibabel would log to stderr about a header that it repairs."""
    remarks: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        remarks.append(record.getMessage())
        return False

    nibabel_logger.addFilter(keep)
    try:
        yield remarks
    finally:
        nibabel_logger.removeFilter(keep)


@contextmanager
def _unreadable(what: str, kind: str) -> Iterator[None]:
    """Turn whatever a broken file makes the reader raise into one sentence."""
    try:
        with np.errstate(all="ignore"):  # what overflows is found by the checks
            yield
    except ScanError:
        raise
    except _BROKEN_FILE as error:
        raise ScanError(
            f"{what} cannot be read as a {kind}: it is damaged, cut short or not what its name says; copy or "
            "convert it again"
        ) from error
