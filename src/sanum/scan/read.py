"""`read`: one brain scan from a file, a DICOM folder, a nibabel image or a `Scan`."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.freesurfer.mghformat import MGHError
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError, HeaderTypeError, SpatialImage
from nibabel.wrapstruct import WrapStructError

from .absent import require_content
from .checks import (
    MOST_BESIDE,
    MOST_DEFLATED,
    UNKNOWN_SIDES,
    check_dtype,
    check_shape,
    pick_volume,
    usable_scan,
)
from .contrast import CONTRASTS, Decided
from .contrast_words import contrast_named
from .dicom import ARCHIVE, holds_dicom, read_dicom
from .errors import ScanError
from .hounsfield import contrast_by_values
from .names import EXTENSIONS, printable
from .nifti import claimed_bytes, find_voxels, forms_of, opened
from .raw_volume import read_raw_volume
from .scan import Scan
from .sidecar import contrast_beside

BROKEN_FILE = (
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
"""What nibabel and the libraries below it raise for a damaged file."""


class Reading(TypedDict, total=False):
    """Choices of `read` that others pass on.

    Parameters
    ----------
    volume, contrast, series, skip_damaged
        As in `read`.
    """

    volume: int | None
    contrast: str | None
    series: str | int | None
    skip_damaged: bool


def read(
    source: "str | Path | SpatialImage | Scan",
    *,
    volume: int | None = None,
    contrast: str | None = None,
    series: str | int | None = None,
    skip_damaged: bool = False,
) -> Scan:
    """Read one 3D scan.

    Parameters
    ----------
    source : str, Path, nibabel image or Scan
        NIfTI (.nii, .nii.gz), MGH (.mgh, .mgz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd); DICOM: a folder,
        one file of a series, or a zip archive; or what is already in memory.
    volume : int, optional
        Which volume of a 4D file, from 0.
    contrast : str, optional
        What the scan is, in place of what its name, its tags and its values say: "T1w", "T1wCE", "T2w",
        "FLAIR", "PD", "DWI", "ADC", "CT" for Hounsfield units, or another name of these; "unknown" to be told
        of nothing.
    series : str or int, optional
        Which DICOM series, where there are several: its number, UID or description.
    skip_damaged : bool
        Leave damaged files of a DICOM series out, with a warning; the gap is interpolated.

    Returns
    -------
    Scan
        (X, Y, Z) voxels as stored on disk: integers in their own dtype where no scaling applies, float32
        otherwise; world in mm, RAS+. `contrast` is what name, DICOM tags or the JSON file beside a NIfTI file
        say, or CT where the values are a head's Hounsfield units; `contrast_by` is who. Not-finite voxels are
        set to the background; that, unknown left and right, and a CT that is not in Hounsfield units are in
        `warnings`.

    Raises
    ------
    ScanError
        For every input that cannot be used: one sentence saying what was expected and what came. Of several
        DICOM series, further lines list what there is.
    ValueError
        `contrast` is no contrast.
    """
    asked = None if contrast is None else contrast_named(contrast)
    if contrast is not None and asked is None:
        raise ValueError(f'contrast is {", ".join(CONTRASTS)}, not "{printable(contrast)}"')
    scan = _read(source, volume, None if series is None else str(series), skip_damaged)
    return contrast_by_values(scan, asked)


@np.errstate(all="ignore")  # what overflows is found by the checks
def _read(source: Any, volume: int | None, series: str | None, skip_damaged: bool) -> Scan:
    if isinstance(source, Scan):
        _require_no_choice(series, skip_damaged, "a scan in memory")
        return _from_scan(source, volume)
    if isinstance(source, SpatialImage):
        _require_no_choice(series, skip_damaged, "an image in memory")
        name = source.get_filename()
        path = Path(name) if name else None
        what = printable(path.name) if path else "the image"
        with _unreadable(what, "nibabel image"):
            header, voxels = source.header, source.dataobj
            if type(voxels) is ArrayProxy and isinstance(header, nib.Nifti1Header) and header.is_single:
                voxels = find_voxels(voxels, int(header.sizeof_hdr), what)
            return _from_nibabel(voxels, header, source.affine, path, what, volume)
    if not isinstance(source, (str, Path)):
        raise ScanError(
            f"cannot read a scan from {type(source).__name__}: expected a path, a nibabel image or a Scan"
        )
    return _from_path(Path(source), volume, series, skip_damaged)


def _require_no_choice(series: str | None, skip_damaged: bool, what: str) -> None:
    """Refuse choices that only DICOM gives."""
    if series is not None or skip_damaged:
        option = "--skip-damaged" if series is None else "--series"
        raise ScanError(f"{option} is for DICOM only, and {what} is none: leave it out")


def _from_scan(scan: Scan, volume: int | None) -> Scan:
    what = printable(scan.path.name) if scan.path else "the scan"
    check_shape(scan.voxels.shape, what)
    index = pick_volume(scan.voxels.shape, volume, what)
    voxels = scan.voxels if index is None else scan.voxels[..., index]
    return usable_scan(
        voxels,
        scan.affine,
        contrast=scan.decided,
        path=scan.path,
        what=what,
        warnings=scan.warnings,
        forms=scan.forms,
    )


def _from_path(path: Path, volume: int | None, series: str | None, skip_damaged: bool) -> Scan:
    what = printable(path.name or path)
    try:
        require_content(path)
        is_folder, is_file = path.is_dir(), path.is_file()
        size = path.stat().st_size
    except ScanError:
        raise
    except (OSError, ValueError) as error:
        raise ScanError(f"{what} cannot be opened: check its path and permissions") from error
    ending = next((e for e in EXTENSIONS if path.name.lower().endswith(e)), None)
    zipped = path.name.lower().endswith(ARCHIVE)
    if is_folder or (is_file and ending is None and size and (zipped or holds_dicom(path))):
        scan = read_dicom(path, series=series, skip_damaged=skip_damaged)
        pick_volume(scan.voxels.shape, volume, what)
        return scan
    if not is_file or ending is None:
        raise ScanError(
            f"{what} is not a scan file: expected {', '.join(EXTENSIONS)}, a DICOM file, or a folder or zip "
            "archive with a DICOM series"
        )
    _require_no_choice(series, skip_damaged, what)
    if size == 0:
        raise ScanError(f"{what} is empty: expected an image; copy or download it again")
    if ending in (".nrrd", ".nhdr", ".mha", ".mhd"):
        return read_raw_volume(path, volume=volume)
    return _from_stream(path, ending, what, volume)


def _from_stream(path: Path, ending: str, what: str, volume: int | None) -> Scan:
    """Scan of a NIfTI or MGH file, gzip checked by its checksum."""
    kind = "MGH" if ending in (".mgh", ".mgz") else "NIfTI"
    with _unreadable(what, f"{kind} file"), opened(path) as (voxels, header, warnings):
        scan = _from_nibabel(voxels, header, None, path, what, volume)
        for warning in warnings:
            scan = scan.warn(warning)
        if ending in (".nii.gz", ".mgz"):
            _read_to_checksum(voxels.file_like, int(voxels.offset) + claimed_bytes(voxels), what)
    return scan


def _from_nibabel(
    dataobj: Any,
    header: Any,
    affine: npt.NDArray[Any] | None,
    path: Path | None,
    what: str,
    volume: int | None,
) -> Scan:
    """Check and take what nibabel found; `dataobj` is an array or, still on disk, an `ArrayProxy`.

    An image in memory has an `affine`, which counts where its header is not of it.
    """
    shape = tuple(int(n) for n in dataobj.shape)
    check_shape(shape, what)
    check_dtype(header.get_data_dtype(), what)
    index = pick_volume(shape, volume, what)
    nifti = isinstance(header, nib.Nifti1Header)
    if path is not None and isinstance(dataobj, ArrayProxy) and path.is_file():
        _check_size_on_disk(dataobj, path, what)
    forms, (contrast, said) = None, contrast_beside(path) if path else (Decided(), ())
    warnings = list(said)
    if nifti:
        forms, usable, faults = forms_of(header)
        warnings += faults
        affine = forms.affine if affine is None or _is_of(affine, header) else affine
        if forms.sform is None and forms.qform is None:
            warnings.append(UNKNOWN_SIDES)
        forms = forms if usable else None
    elif affine is None:
        affine = header.get_best_affine()
    return usable_scan(
        _values(dataobj, index),
        affine,
        contrast=contrast,
        path=path,
        what=what,
        warnings=tuple(warnings),
        forms=forms,
        ours=isinstance(dataobj, ArrayProxy),
    )


def _is_of(affine: npt.NDArray[Any], header: Any) -> bool:
    """Whether an image in memory has the affine that nibabel reads in its header."""
    try:
        return bool(np.allclose(affine, header.get_best_affine()))
    except HeaderDataError:
        return False


def _check_size_on_disk(proxy: ArrayProxy, path: Path, what: str) -> None:
    """Compare what the header claims with the file, before an array of that size is made."""
    offset, claimed, size = int(proxy.offset), claimed_bytes(proxy), path.stat().st_size
    if not 0 <= offset <= MOST_BESIDE:
        raise ScanError(
            f"{what} says that its voxels begin at byte {offset}: expected at most {MOST_BESIDE}; repair its "
            "header"
        )
    packed = path.suffix.lower() in (".gz", ".mgz")
    if offset + claimed > size * (MOST_DEFLATED if packed else 1):
        raise ScanError(
            f"{what} is cut short: its header claims {claimed} bytes of voxels and the file has {size} "
            "bytes; copy or download it again"
        )


def _read_to_checksum(stream: Any, end: int, what: str) -> None:
    """Read a gzip file on to its checksum, but not far beyond byte `end`, where its voxels end."""
    while stream.read(1 << 20):
        if stream.tell() > end + MOST_BESIDE:
            raise ScanError(
                f"{what} unpacks to far more than the {end} bytes that its header speaks of: expected one "
                "image; convert it again"
            )


def _values(proxy: Any, index: int | None) -> npt.NDArray[Any]:
    """Voxels (X, Y, Z) of one volume; from disk slice by slice, so that they are in memory only once."""
    if type(proxy) is not ArrayProxy or proxy.order != "F":  # what derives from it scales in its own ways
        return np.asanyarray(proxy if index is None else proxy[:, :, :, index])
    slope, intercept = float(proxy.slope), float(proxy.inter)
    scaled = (slope, intercept) != (1.0, 0.0)
    shape, dtype = proxy.shape[:3], proxy.dtype
    single = scaled or dtype.kind == "f"
    voxels = np.empty(shape, np.float32 if single else dtype.newbyteorder("="), order="F")
    length = shape[0] * shape[1] * dtype.itemsize
    with ImageOpener(proxy.file_like) as stream:
        stream.seek(int(proxy.offset) + (index or 0) * shape[2] * length)
        for k in range(shape[2]):
            raw = np.frombuffer(stream.read(length), dtype).reshape(shape[:2], order="F")
            voxels[..., k] = raw.astype(np.float64) * slope + intercept if scaled else raw
    return voxels


@contextmanager
def _unreadable(what: str, kind: str) -> Iterator[None]:
    """Turn any error that a damaged file causes in the reader into one sentence."""
    try:
        yield
    except ScanError:
        raise
    except BROKEN_FILE as error:
        raise ScanError(
            f"{what} cannot be read as a {kind}: it is damaged, cut short or not what its name says; copy or "
            "convert it again"
        ) from error
