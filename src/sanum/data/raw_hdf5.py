"""Raw data in HDF5: of fastMRI's kind (`kspace` with named axes), or ISMRMRD, told apart by what is inside.

fastMRI's own files have no axis of time; they are taken as (slice, coil, kx, ky), one frame.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..extras import needs_extra
from ..scan.errors import ScanError
from .raw import RawMovie, raw_of

if TYPE_CHECKING:
    import h5py

FASTMRI = ("slice", "coil", "kx", "ky")
OTHER_NAMES = {"maps": ("maps", "sensitivity_maps"), "training": ("training",), "kspace": ("kspace",)}


def read_hdf5(path: Path, name: str) -> RawMovie:
    """The raw data of an HDF5 file.

    Parameters
    ----------
    path : Path
        That is there.
    name : str
        Of the file, for messages.

    Raises
    ------
    ScanError
        See `raw.read_raw`.
    MissingExtra
        h5py or ismrmrd is not installed.
    """
    with needs_extra("reading raw data in HDF5", "kspace"):
        import h5py
    try:
        with h5py.File(path, "r") as file:
            if isinstance(file.get("kspace"), h5py.Dataset):
                return _of_arrays(file, name)
            measured = isinstance(group := file.get("dataset"), h5py.Group) and "data" in group
    except ScanError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        words = str(error)
        said = "is truncated" if "truncated" in words or "eof" in words.lower() else "cannot be read"
        raise ScanError(f"{name} {said} as HDF5: copy it again, and compare the sizes") from error
    if measured:
        from .raw_ismrmrd import read_ismrmrd

        return read_ismrmrd(path, name)
    raise ScanError(f"{name} holds neither kspace nor an ISMRMRD dataset: expected one of them")


def _of_arrays(file: "h5py.File", name: str) -> RawMovie:
    data = file["kspace"]
    words = data.attrs.get("axes", file.attrs.get("axes"))
    labels = [dim.label for dim in data.dims]
    if words is not None:
        parts = [words] if isinstance(words, str | bytes) else list(words)
        text = " ".join(p.decode() if isinstance(p, bytes) else str(p) for p in parts)
        axes = tuple(text.replace(",", " ").split())
    elif all(labels):
        axes = tuple(labels)
    elif "ismrmrd_header" in file and data.ndim == len(FASTMRI):
        axes = FASTMRI
    else:
        axes = ()

    def get(key: str) -> npt.NDArray[Any] | None:
        for other in OTHER_NAMES[key]:
            if other in file:
                found: npt.NDArray[Any] = file[other][()]
                return found
        return None

    attributes = {**dict(file.attrs), **dict(data.attrs)}
    about = {key: np.asarray(attributes[key]) for key in ("frame_ms", "spacing_mm") if key in attributes}
    return raw_of(name, get, axes, about)
