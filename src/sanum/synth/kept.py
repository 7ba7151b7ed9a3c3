"""The one reader of prepared anatomies that are kept on disk: whole and as they were made, or made again."""

import logging
import struct
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..files import open_regular
from ..types import AnyArray

_ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {  # type and shape, () that of the T1w
    "t1w": ("float16", ()),
    "brain": ("bool", ()),
    "labels": ("int16", ()),
    "tissue_means": ("float64", (3,)),
    "ramp": ("float16", ()),
    "mirror": ("float64", (4, 4)),
    "affine": ("float64", (4, 4)),
    "to_mni": ("float64", (4, 4)),
}
_DAMAGE = (OSError, ValueError, EOFError, LookupError, RuntimeError, MemoryError, SyntaxError, OverflowError)
_DAMAGE_OF_ZIP = (BadZipFile, zlib.error, struct.error, TokenError)  # the last of the header of an array
_log = logging.getLogger(__name__)


def read_kept(path: Path) -> dict[str, Any] | None:
    """Arrays of a prepared anatomy by name, of which types, shapes and checksums were looked at.

    Parameters
    ----------
    path : Path
        Of the file.

    Returns
    -------
    dict of array, or None
        None if there is no file, and if there is a damaged one, of which the log warns: it is made again.
    """
    if not path.exists():
        return None
    try:
        with open_regular(path) as stream, np.load(stream, allow_pickle=False) as archive:
            return _whole(dict(archive))
    except (*_DAMAGE, *_DAMAGE_OF_ZIP) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        _log.warning("%s is damaged (%s): it is made again", path.name, reason)
        return None


def _whole(data: dict[str, AnyArray]) -> dict[str, Any]:
    """The same arrays; ValueError if they are not those of an anatomy."""
    if data.keys() != _ARRAYS.keys():
        raise ValueError(f"it holds other arrays: {', '.join(data)[:60]}")
    shape = data["t1w"].shape
    for name, (kind, expected) in _ARRAYS.items():
        array = data[name]
        if array.dtype != kind or array.shape != (expected or shape) or len(shape) != 3:
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")
    return data
