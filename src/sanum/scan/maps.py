"""Reading results and truths, which need not look like a head."""

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from .errors import ScanError
from .names import printable
from .scan import Scan


def read_map(path: Path, *, dtype: npt.DTypeLike | None = None) -> Scan:
    """A map or a mask as it was written; `read` refuses what shows no head, and a mask may be empty.

    Parameters
    ----------
    path : Path
        A volume that nibabel reads.
    dtype : dtype, optional
        Of the voxels; default as in the file.

    Raises
    ------
    ScanError
        It is missing, damaged or no image.
    """
    try:
        image: Any = nib.load(path)
        return Scan(np.asanyarray(image.dataobj, dtype=dtype), image.affine)
    except (ImageFileError, HeaderDataError, OSError, ValueError, EOFError, zlib.error) as error:
        raise ScanError(f"{printable(path.name)} cannot be read: {error}") from error
