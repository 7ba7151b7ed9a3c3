"""DICOM files with other values in the same structure: a third of them reach the reading of pixels."""

import io
import struct
import warnings

import numpy as np
import pydicom

_TEXTS = (b"0", b"-1", b"1e308", b"nan", b"1\\2\\3", b"99999999999", b"MR", b"SCOUT", b"MONOCHROME1")
_NUMBERS = (0, 1, 2, 7, 8, 12, 16, 32, 255, 4096, 65535)


def with_other_value(rng: np.random.Generator, raw: bytes) -> bytes | None:
    """A file with one value changed, of the same length; None of a file that is no DICOM.

    Parameters
    ----------
    rng : Generator
        What is drawn.
    raw : bytes
        The file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(io.BytesIO(raw))
            found = [dataset.get_item(tag) for tag in sorted(dataset.keys())]
    except Exception:  # noqa: BLE001  # damaged before
        return None
    places = [(one.value_tell, one.length) for one in found if getattr(one, "value_tell", 0)]
    places = [(at, length) for at, length in places if 0 < length <= len(raw) - at]
    if not places:
        return None
    at, length = places[rng.integers(len(places))]
    old = raw[at : at + length]
    match rng.integers(3):
        case 0:
            new = bytearray(old)
            new[rng.integers(len(new))] ^= 1 << int(rng.integers(8))
        case 1 if length == 2:
            new = struct.pack("<H", _NUMBERS[rng.integers(len(_NUMBERS))])
        case 1:
            new = _TEXTS[rng.integers(len(_TEXTS))].ljust(length)[:length]
        case _:
            new = rng.bytes(length) if rng.random() < 0.2 else old[::-1]
    return raw[:at] + bytes(new) + raw[at + length :]
