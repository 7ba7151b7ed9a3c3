"""The headers of NIfTI and MGH files: all that the standard allows, and where the voxels begin."""

import gzip
import io
import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.arrayproxy import ArrayProxy
from nibabel.freesurfer.mghformat import DATA_OFFSET
from nibabel.imageglobals import logger as nibabel_logger
from nibabel.nifti1 import data_type_codes
from nibabel.openers import ImageOpener

from ..files import open_regular
from .checks import LEAST_DETERMINANT, MOST_BESIDE, SPACING_MM, UNKNOWN_SIDES
from .errors import ScanError
from .forms import LARGEST_SQUARE, Forms, Quaternion, disagree_about_sides
from .names import printable

NIFTI1_BYTES, NIFTI2_BYTES = 348, 540
"""Lengths of the headers, which are also the first number in them."""

_EXTENSION_FLAG = 4  # bytes between a header and what follows it
_UNITS = {1: ("metres", 1e3), 3: ("micrometres", 1e-3)}
"""Of xyzt_units, with their size in mm; all other codes are read as mm."""

_LAST_CODE = 5  # of the transforms that NIfTI numbers
_ALIGNED = 2  # for codes that are not numbered: aligned to something

_MAGIC = (b"n+1", b"ni1", b"n+2", b"ni2")
_LONG_DOUBLES = {1536: "FLOAT128", 2048: "COMPLEX256"}  # whose layout differs between machines

SIDES_DISAGREE = (
    "the header's sform and qform are mirror images or disagree about left and right: the sform was used; "
    "check the sides before you trust them"
)


@contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedReader | gzip.GzipFile]:
    """A regular file, unpacked where its name says that it is packed.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        As `sanum.files.open_regular`.
    """
    with open_regular(path) as file:
        if path.name.lower().endswith((".gz", ".mgz")):
            with gzip.open(file) as stream:
                yield stream
        else:
            yield file


@contextmanager
def opened(path: Path) -> Iterator[tuple[ArrayProxy, Any, list[str]]]:
    """Voxels on disk, header, and warnings, of a NIfTI or MGH file; with a stream of our own.

    nibabel gets the header alone: without extensions, whose lengths it would not check, and without MGH's
    footer, for which it would decompress the whole file.

    Parameters
    ----------
    path : Path
        Ends in .nii, .nii.gz, .mgh or .mgz.
    """
    with unpacked(path) as stream:
        start = stream.read(NIFTI2_BYTES)
        header, remarks = header_of(start, path.name)
        warnings = [f"the header is faulty: {remark}" for remark in remarks]
        mgh = not isinstance(header, nib.Nifti1Header)
        if mgh and start[28:30] == b"\0\0":  # goodRASFlag, which nibabel overwrites
            warnings.append(UNKNOWN_SIDES)
        proxy = ArrayProxy(stream, header, mmap=False)
        what = printable(path.name)
        yield proxy if mgh else find_voxels(proxy, int(header.sizeof_hdr), what), header, warnings


def header_of(start: bytes, name: str) -> tuple[Any, list[str]]:
    """Nibabel's header of the first NIFTI2_BYTES of a NIfTI or MGH file, unpacked, and what was mended in it.

    Parameters
    ----------
    start : bytes
        Of the file, unpacked.
    name : str
        Of the file; its ending says the format.

    Raises
    ------
    ScanError
        A NIfTI file of a type of voxels that is not read here.
    """
    with _remarks_on_headers() as remarks:
        if name.lower().endswith((".mgh", ".mgz")):
            return nib.MGHImage.header_class.from_fileobj(io.BytesIO(start[:DATA_OFFSET])), remarks
        two = NIFTI2_BYTES in (int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big"))
        kind: Any = nib.Nifti2Header if two else nib.Nifti1Header
        length = NIFTI2_BYTES if two else NIFTI1_BYTES
        header = kind(start[:length], check=False)
        _refuse_unknown_types(header.structarr, name)
        remarks += _as_the_standard_reads(header.structarr, length)
        header.check_fix()
    return header, remarks


def _as_the_standard_reads(fields: Any, length: int) -> list[str]:
    """Set what nibabel refuses or remarks on though the standard says how to read it; what was mended."""
    remarks = []
    fields["pixdim"][0] = -1 if fields["pixdim"][0] < 0 else 1  # 0 counts as 1
    for code in ("sform_code", "qform_code"):
        if fields[code] > _LAST_CODE:
            fields[code] = _ALIGNED
    for axis in range(4, min(int(fields["dim"][0]), 7) + 1):
        fields["dim"][axis] = max(int(fields["dim"][axis]), 1)
    offset = float(fields["vox_offset"])
    if 0 <= offset < length + _EXTENSION_FLAG:
        fields["vox_offset"] = 0  # `find_voxels` looks for them
        remarks.append(f"its voxels would begin at byte {offset:g}, inside it; they are read behind it")
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if math.isfinite(slope) and slope != 0 and not math.isfinite(intercept):
        fields["scl_inter"] = 0
        remarks.append(f"its intercept is {intercept:g}, and was read as 0")
    return remarks


def _refuse_unknown_types(fields: Any, name: str) -> None:
    code = int(fields["datatype"])
    types: Any = data_type_codes
    known = code in types.value_set() and types.dtype[code].itemsize > 0
    if not known and fields["magic"].item()[:3] in _MAGIC:
        kind = _LONG_DOUBLES.get(code, f"type {code}")
        raise ScanError(
            f"{printable(name)} holds voxels of {kind}, as NIfTI calls it: expected integers or "
            "floating-point numbers of at most 64 bits; convert it"
        )


def find_voxels(proxy: ArrayProxy, length: int, what: str) -> ArrayProxy:
    """The same voxels from where they begin, if the header says that they begin inside itself.

    Parameters
    ----------
    proxy : ArrayProxy
        Of one file with header and voxels.
    length : int
        Bytes of the header.
    what : str
        Name for messages.

    Raises
    ------
    ScanError
        The size of the file leaves open where they begin.
    """
    if not 0 <= int(proxy.offset) < length:
        return proxy
    claimed = claimed_bytes(proxy)
    with ImageOpener(proxy.file_like) as stream:
        stream.seek(length)
        flag, size = stream.read(_EXTENSION_FLAG), length + _EXTENSION_FLAG
        while block := stream.read(1 << 20):
            size += len(block)
            if size > length + claimed + MOST_BESIDE:
                break
    before, begin = size - claimed, length + _EXTENSION_FLAG
    if before == length:
        begin = length
    elif before < begin or (flag[:1] != b"\0" and before != begin):
        raise ScanError(
            f"{what} says that its voxels begin at byte {int(proxy.offset)}, inside the header, and its size "
            f"({size} bytes, {claimed} of them voxels) does not tell where: copy or convert it again"
        )
    scaling = (float(proxy.slope), float(proxy.inter))
    return ArrayProxy(proxy.file_like, (proxy.shape, proxy.dtype, begin, *scaling), mmap=False)


def claimed_bytes(proxy: ArrayProxy) -> int:
    """Bytes of all voxels that a header speaks of.

    Parameters
    ----------
    proxy : ArrayProxy
        Of the file.
    """
    count: int = math.prod(int(n) for n in proxy.shape)
    return count * int(proxy.dtype.itemsize)


@np.errstate(all="ignore")  # what overflows is no usable form
def forms_of(header: Any) -> tuple[Forms, bool, list[str]]:
    """Both transforms of a NIfTI header in mm, whether all that have a code can be used, and what is odd.

    Parameters
    ----------
    header : nibabel NIfTI header
        As `header_of` gives it, or of an image in memory.
    """
    fields = header.structarr
    unit, size = _UNITS.get(int(fields["xyzt_units"]) & 7, ("mm", 1.0))
    forms, usable, remarks = _forms_in(header, size)
    if size != 1 and not _is_possible(forms.affine):
        in_mm, usable_in_mm, remarks_in_mm = _forms_in(header, 1.0)
        if _is_possible(in_mm.affine):
            odd = f"the header gives lengths in {unit}, which no head can have: they were read as mm"
            return in_mm, usable_in_mm, [*remarks_in_mm, odd]
    return forms, usable, remarks


def _forms_in(header: Any, size: float) -> tuple[Forms, bool, list[str]]:
    """As `forms_of`, for a unit of length of that many mm."""
    fields = header.structarr

    def mm(values: Any) -> npt.NDArray[np.float64]:
        """In mm; as precise as they are stored, so that 0.098f metres are 98 mm."""
        stored = np.asarray(values)
        return np.asarray((stored.astype(np.float64) * size).astype(stored.dtype), dtype=np.float64)

    codes = [max(int(fields[code]), 0) for code in ("sform_code", "qform_code")]
    sform = np.eye(4)
    sform[:3] = [mm(fields[row]) for row in ("srow_x", "srow_y", "srow_z")]
    bcd = np.array([float(fields[f"quatern_{x}"]) for x in "bcd"])
    square = float(bcd @ bcd)
    if 1 - abs(header.quaternion_threshold) < square <= LARGEST_SQUARE:  # the rest is rounding
        bcd = bcd / math.sqrt(square)
    qform = Quaternion(
        bcd=tuple(bcd.tolist()),
        offset_mm=tuple(mm([fields[f"qoffset_{x}"] for x in "xyz"]).tolist()),
        pixdim=(-1.0 if fields["pixdim"][0] < 0 else 1.0, *np.abs(mm(fields["pixdim"][1:4])).tolist()),
    )
    usable = [_spans(sform), _spans(qform.affine)]
    remarks = []
    if codes[0] and (usable[0] or not (codes[1] and usable[1])):
        affine = sform
    elif codes[1]:
        affine = qform.affine
    else:
        affine = np.array(header.get_base_affine(), dtype=np.float64)
        affine[:3] = affine[:3] if size == 1 else mm(affine[:3].astype(fields["pixdim"].dtype))
    if all(codes) and not usable[0] and usable[1]:
        remarks.append("the header's sform cannot be used: the qform was used")
    if all(codes) and all(usable) and disagree_about_sides(sform, qform.affine):
        remarks.append(SIDES_DISAGREE)
    forms = Forms(affine, sform if codes[0] else None, qform if codes[1] else None, *codes)
    return forms, all(fine for fine, code in zip(usable, codes, strict=True) if code), remarks


def _spans(affine: npt.NDArray[np.float64]) -> bool:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or (spacing == 0).any():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / spacing)) >= LEAST_DETERMINANT)


def _is_possible(affine: npt.NDArray[np.float64]) -> bool:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    low, high = SPACING_MM
    return bool(((spacing > low * (1 - 1e-6)) & (spacing < high * (1 + 1e-6))).all())


@contextmanager
def _remarks_on_headers() -> Iterator[list[str]]:
    """Collect what nibabel would log to stderr, in this thread, about a header that it repairs."""
    remarks: list[str] = []
    reading = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread != reading:
            return True
        remarks.append(record.getMessage())
        return False

    nibabel_logger.addFilter(keep)
    try:
        yield remarks
    finally:
        nibabel_logger.removeFilter(keep)
