"""Decode DICOM pixels of the JPEG family, for a process that survives this one: see `native_decoder.py`.

Run as a script. It imports nothing of sanum, so that it starts in half a second. A request is the length of a
file (8 bytes) and the file; the answer is a line of JSON and the pixels.
"""

import io
import json
import os
import select
import signal
import struct
import sys
import tempfile

import numpy as np
import pydicom
import SimpleITK as sitk


def pixels_of(raw: bytes) -> tuple[np.ndarray, bool]:
    """Pixels of a DICOM file, and whether they are rescaled.

    Parameters
    ----------
    raw : bytes
        The file.

    Raises
    ------
    RuntimeError
        Neither pydicom's plugins nor GDCM read them.
    Exception
        Whatever a damaged file makes of pydicom.
    """
    try:
        return pydicom.dcmread(io.BytesIO(raw), force=True).pixel_array, False
    except (RuntimeError, NotImplementedError):  # a compression that is left to plugins that are not there
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
            file.write(raw)
            file.flush()
            reader.SetFileName(file.name)
            pixels = sitk.GetArrayFromImage(reader.Execute())
        return pixels[0] if pixels.ndim == 3 and len(pixels) == 1 else pixels, True


def answer(raw: bytes) -> tuple[dict[str, object], bytes]:
    """What is said of a file: shape, type and whether the values are rescaled, or an error; and its pixels.

    Parameters
    ----------
    raw : bytes
        The file.
    """
    try:
        pixels, rescaled = pixels_of(raw)
    except RuntimeError:
        return {"error": "unreadable"}, b""
    except Exception:  # noqa: BLE001  # whatever it is, the other side has one sentence for it
        return {"error": "damaged"}, b""
    pixels = np.ascontiguousarray(pixels)
    return {"shape": pixels.shape, "dtype": pixels.dtype.str, "rescaled": rescaled}, pixels.tobytes()


def serve(seconds: int, idle_seconds: int) -> None:
    """Answer requests on standard input until it ends, or until none has come for a while.

    A file that takes longer than allowed ends this process, by a signal that also stops native code.

    Parameters
    ----------
    seconds : int
        Allowed for one file.
    idle_seconds : int
        How long to wait for the next one.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # where the libraries may write what they like
        os.dup2(nowhere, stream)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    while select.select([requests], [], [], idle_seconds)[0] and (length := requests.read(8)):
        signal.alarm(seconds)
        said, pixels = answer(requests.read(struct.unpack("<Q", length)[0]))
        answers.write(json.dumps(said).encode() + b"\n" + pixels)
        answers.flush()
        signal.alarm(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
