"""SimpleITK as a reader of files: quiet, and of one format at a time."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import SimpleITK as sitk

from .errors import ScanError
from .names import printable

_STDERR = 2


_SILENCE = threading.Lock()


@contextlib.contextmanager
def quiet_natives() -> Iterator[None]:
    """Send what ITK's C libraries write straight to file descriptor 2 to nowhere, for the whole process.

    GDCM reports broken files there, past Python and in several lines; the same files make ITK
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
