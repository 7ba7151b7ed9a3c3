"""Raw data of moving slices: k-space with named axes, from `.npz`, HDF5 of fastMRI's kind, or ISMRMRD."""

import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scan.errors import ScanError
from ..scan.names import printable
from ..types import Affine, Mask

AXES = ("slice", "coil", "time", "ky", "kx")
ENDINGS = (".npz", ".h5", ".hdf5", ".mrd")
Complex = npt.NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class RawMovie:
    """What a scanner measured of slices that move: Z slices, C coils, T frames, Y lines ky, X readout kx.

    Parameters
    ----------
    kspace : (Z, C, T, Y, X) complex64
        0 where nothing was measured; its origin is at Y // 2, X // 2.
    mask : (Z, T, Y) bool
        Lines that were measured.
    frame_s : float
        Seconds from frame to frame; nan if the file does not say.
    affine : (4, 4) float64
        Index (x, y, z) to world mm.
    maps : (Z, C, Y, X) complex64, optional
        Sensitivities of the coils.
    training : (Z, C, T, y, x) complex64, optional
        Fully sampled k-space of low resolution, of the same slices and frames.
    warnings : tuple of str
        What a user should know about how it was read.
    """

    kspace: Complex
    mask: Mask
    frame_s: float
    affine: Affine
    maps: Complex | None = None
    training: Complex | None = None
    warnings: tuple[str, ...] = ()


def read_raw(path: str | Path) -> RawMovie:
    """The raw data of a file.

    Parameters
    ----------
    path : str or Path
        `.npz`, `.h5`, `.hdf5` or `.mrd`.

    Raises
    ------
    ScanError
        It is missing, truncated or damaged, holds no k-space, or one whose axes are not named, or NaN.
    MissingExtra
        h5py or ismrmrd is not installed.
    """
    path = Path(path)
    name = printable(path.name)
    if not path.is_file():
        raise ScanError(f"{name} is no file: expected raw data, one of {', '.join(ENDINGS)}")
    ending = path.suffix.lower()
    if ending == ".npz":
        return _from_npz(path, name)
    if ending in ENDINGS:
        from .raw_hdf5 import read_hdf5

        return read_hdf5(path, name)
    raise ScanError(f"{name} is no raw data: expected one of {', '.join(ENDINGS)}")


def raw_files(given: Sequence[Path]) -> list[Path]:
    """Paths, with the raw data in folders in the place of these.

    Parameters
    ----------
    given : sequence of Path
        Files and folders, which are searched.

    Raises
    ------
    ScanError
        A folder holds none.
    """
    found: list[Path] = []
    for path in given:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
        if not inside:
            raise ScanError(f"{printable(path.name)} holds no raw data: expected {', '.join(ENDINGS)}")
        found += inside
    return found


def raw_of(
    name: str,
    get: Callable[[str], npt.NDArray[Any] | None],
    axes: Sequence[str],
    about: Mapping[str, Any],
) -> RawMovie:
    """Raw data of arrays by name, checked.

    Parameters
    ----------
    name : str
        Of the file, for messages.
    get : function
        Gives `kspace`, and, where they are there, `maps` (axes of `kspace` without time, pixels in place of
        lines) and `training` (axes of `kspace`).
    axes : sequence of str
        Names of the axes of `kspace`, some or all of `AXES`; empty: they are not named.
    about : mapping
        `frame_ms`, and `spacing_mm` (x, y, z), where they are known.

    Raises
    ------
    ScanError
        See `read_raw`.
    """
    kspace = get("kspace")
    if kspace is None:
        raise ScanError(
            f"{name} holds no array kspace: expected the k-space of a moving slice under that name"
        )
    data = _ordered(name, "kspace", kspace, axes)
    maps, training = get("maps"), get("training")
    mask: Mask = np.abs(data).sum((1, 4)) > 0
    if len(empty := np.argwhere(~mask.any(2))):
        raise ScanError(f"{name} has no line in frame {empty[0, 1]} of slice {empty[0, 0]}: leave it out")
    without_time = [axis for axis in axes if axis != "time"]
    own_maps = None if maps is None else _ordered(name, "maps", maps, without_time)[:, :, 0]
    if own_maps is not None and own_maps.shape != data[:, :, 0].shape:
        raise ScanError(
            f"{name} has maps of shape {own_maps.shape}: expected {data[:, :, 0].shape}, slice, coil, y and x"
        )
    own = None if training is None else _ordered(name, "training", training, axes)
    if own is not None and own.shape[:3] != data.shape[:3]:
        raise ScanError(
            f"{name} has training of {own.shape[:3]} slices, coils and frames: expected {data.shape[:3]}"
        )
    (frame_ms,) = _sizes(name, "frame_ms", about.get("frame_ms", np.nan), 1)
    spacing = _sizes(name, "spacing_mm", about.get("spacing_mm", (1.0, 1.0, 1.0)), 3)
    affine = affine_of(spacing, (data.shape[4], data.shape[3], len(data)))
    told = () if "spacing_mm" in about else ("the file does not say how large a pixel is: 1 mm was taken",)
    return RawMovie(data, mask, frame_ms / 1000, affine, own_maps, own, told)


def affine_of(spacing_mm: Sequence[float], shape: Sequence[int]) -> Affine:
    """Index to mm around the middle of the image, where nothing is known of the patient's axes.

    Parameters
    ----------
    spacing_mm : (3,) sequence of float
        x, y, z.
    shape : (3,) sequence of int
        Pixels along x, y, z.
    """
    spacing = np.asarray(spacing_mm, np.float64).reshape(3)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * (np.asarray(shape) - 1) / 2
    return affine


def _sizes(name: str, what: str, value: Any, count: int) -> tuple[float, ...]:
    """Positive numbers; nan is one that is not known."""
    found = np.asarray(value)
    right = found.size == count and found.dtype.kind in "iuf" and not (found <= 0).any()
    if not right or np.isinf(found).any():
        expected = "one positive number" if count == 1 else f"{count} positive numbers"
        raise ScanError(f"{name} has {what} of {printable(str(value)[:40])}: expected {expected}")
    return tuple(float(x) for x in found.ravel())


def _ordered(name: str, what: str, array: npt.NDArray[Any], axes: Sequence[str]) -> Complex:
    """The array with all five axes in their order; those that it lacks have one entry."""
    if not axes:
        raise ScanError(
            f"{name} does not name the axes of kspace: expected axes such as coil, time, ky, kx (known are "
            f"{', '.join(AXES)})"
        )
    unknown = [axis for axis in axes if axis not in AXES]
    if unknown or len(set(axes)) != len(axes) or not {"ky", "kx"} <= set(axes):
        raise ScanError(
            f"{name} has axes {', '.join(map(printable, axes))}: expected ky, kx and some of slice, coil, "
            "time, each once"
        )
    if array.ndim != len(axes):
        raise ScanError(f"{name} has {what} of {array.ndim} axes and {len(axes)} names for them")
    if not np.iscomplexobj(array):
        raise ScanError(f"{name} has {what} of real numbers ({array.dtype}): expected complex ones")
    if 0 in array.shape:
        raise ScanError(f"{name} has an empty {what} of shape {array.shape}: expected measured lines")
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise ScanError(
            f"{name} has {count} values in {what} that are NaN or infinite: mend or leave them out"
        )
    missing = [axis for axis in AXES if axis not in axes]
    whole = array.reshape(array.shape + (1,) * len(missing))
    order = [[*axes, *missing].index(axis) for axis in AXES]
    return np.ascontiguousarray(whole.transpose(order), np.complex64)


def _from_npz(path: Path, name: str) -> RawMovie:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ScanError(f"{name} is no .npz archive: expected arrays by name")

            def get(key: str) -> npt.NDArray[Any] | None:
                found: npt.NDArray[Any] | None = file[key] if key in file.files else None
                return found

            named = get("axes")
            words = "" if named is None else " ".join(str(word) for word in np.atleast_1d(named))
            about: dict[str, Any] = {
                key: file[key] for key in ("frame_ms", "spacing_mm") if key in file.files
            }
            return raw_of(name, get, words.replace(",", " ").split(), about)
    except (
        OSError,
        EOFError,
        KeyError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise ScanError(f"{name} is damaged or truncated, or no .npz archive: copy it again") from error
    except ValueError as error:
        if isinstance(error, ScanError):
            raise
        raise ScanError(f"{name} cannot be read: {str(error).splitlines()[0]}") from error
