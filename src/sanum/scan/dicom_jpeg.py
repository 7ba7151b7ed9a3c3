"""DICOM pixels of the JPEG family, checked before a decoder in another process sees them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames, get_frame
from pydicom.uid import (
    HTJ2K,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    MPEGTransferSyntaxes,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from ..files import open_regular
from .dicom_file import DamagedFile, codestream_size
from .errors import ScanError
from .names import printable
from .native_decoder import DecoderDiedError, decode

_OF_PIXELS = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)
_HIGH_THROUGHPUT = (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)


def is_of_jpeg(syntax: UID) -> bool:
    """Whether pixels need a native decoder; run lengths need none.

    Parameters
    ----------
    syntax : UID
        Transfer syntax.
    """
    return bool(syntax.is_encapsulated) and syntax != RLELossless


def check_codestream(pixel_data: bytes, shape: tuple[int, int], name: str, syntax: UID) -> None:
    """Refuse a packed image of another size than the tags say, before its decoder makes room for it.

    Parameters
    ----------
    pixel_data : bytes
        Encapsulated, of one frame.
    shape : (2,) int
        Rows and columns, as the tags say.
    name : str
        Of the file.
    syntax : UID
        Its transfer syntax.

    Raises
    ------
    DamagedFile
        It is of another size, or of none that is known.
    """
    if wrong := _wrong(get_frame(pixel_data, 0, number_of_frames=1), shape, syntax):
        raise DamagedFile(f"{name} {wrong}")


def decoded(path: Path, shape: tuple[int, ...], syntax: UID) -> tuple[npt.NDArray[Any], bool]:
    """Pixels of a file of one frame, and whether they are rescaled, as GDCM does.

    Parameters
    ----------
    path : Path
        Of the file.
    shape : tuple of int
        Of the pixels, as the tags say.
    syntax : UID
        Its transfer syntax.

    Raises
    ------
    DamagedFile
        They cannot be decoded.
    """
    name = printable(path.name)
    try:
        with open_regular(path) as stream:
            return _decoded(stream.read(), shape)
    except DecoderDiedError as error:
        raise DamagedFile(f"{name} {error}: it is damaged; copy or export the series again") from error
    except RuntimeError as error:
        raise DamagedFile(f"{name} {_unreadable(syntax)}") from error


def decoded_frames(dataset: FileDataset, name: str) -> npt.NDArray[Any]:
    """Pixels (frames, rows, columns) of a multi-frame file; each frame is decoded as a file by itself.

    Parameters
    ----------
    dataset : FileDataset
        With its pixels.
    name : str
        Of the file.

    Raises
    ------
    ScanError
        A frame cannot be decoded, or is of another size than the tags say.
    ValueError
        There are fewer frames, or more, than the tags say.
    """
    count, shape = int(dataset.NumberOfFrames), (int(dataset.Rows), int(dataset.Columns))
    syntax, offsets = dataset.file_meta.TransferSyntaxUID, None
    if "ExtendedOffsetTable" in dataset:
        offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    frames: list[npt.NDArray[Any]] = []
    for stream in generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=offsets):
        who = f"frame {len(frames) + 1} of {name}"
        if wrong := _wrong(stream, shape, syntax):
            raise ScanError(f"{who} {wrong}")
        try:
            frames.append(_decoded(_alone(dataset, stream), shape)[0])
        except DecoderDiedError as error:
            raise ScanError(f"{who} {error}: it is damaged; copy or export it again") from error
        except RuntimeError as error:
            raise ScanError(f"{who} {_unreadable(syntax)}") from error
    if len(frames) != count:
        raise ValueError(f"{len(frames)} frames instead of {count}")
    return np.stack(frames)


def _decoded(raw: bytes, shape: tuple[int, ...]) -> tuple[npt.NDArray[Any], bool]:
    pixels, rescaled = decode(raw, shape)
    return pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels, rescaled


def _alone(dataset: FileDataset, stream: bytes) -> bytes:
    """A frame as a file of its own, with no other tag than those of pixels."""
    one = Dataset()
    for tag in _OF_PIXELS:
        if tag in dataset:
            one.add(dataset[tag])
    one.SOPClassUID, one.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2"  # which no decoder looks at
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    one.PixelData = encapsulate([stream])
    one["PixelData"].VR, one["PixelData"].is_undefined_length = "OB", True
    buffer = io.BytesIO()
    one.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _wrong(stream: bytes, shape: tuple[int, int], syntax: UID) -> str:
    found = codestream_size(stream)
    if found is None:
        return _unreadable(syntax)
    return "" if found == shape else f"has pixels {found} where its header says {shape}: export it again"


def _unreadable(syntax: UID) -> str:
    words = (
        f"is compressed as {printable(syntax.name)}, which cannot be read or is damaged: export the series"
    )
    if syntax in _HIGH_THROUGHPUT:
        return f"{words} uncompressed, or install pylibjpeg-openjpeg, which reads it"
    if syntax in MPEGTransferSyntaxes:
        return f"{words} as images, not as a video"
    return f"{words} uncompressed, or unpack it with gdcmconv --raw of the package libgdcm-tools"
