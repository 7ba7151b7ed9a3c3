"""Small valid DICOM scans of every kind that is read, for the fuzzer to damage."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
)


def dicom_seeds(folder: Path, voxels: np.ndarray) -> Iterator[str]:
    """Names of inputs, each once it is written into `folder`, where the next finds nothing."""
    for label, syntax in (("explicit", ExplicitVRLittleEndian), ("implicit", ImplicitVRLittleEndian)):
        _series(folder, voxels, syntax)
        yield f"{label}.dcm"
    _series(folder, voxels, RLELossless)
    yield "rle.dcm"
    for compressor in ("JPEG", "JPEG2000"):
        _series(folder, np.tile(voxels, (4, 4, 1)), ExplicitVRLittleEndian, compressor)
        yield f"{compressor}.dcm"
    _series(folder, voxels, ImplicitVRLittleEndian)
    for path in (folder / "scan").iterdir():
        _without_preamble(path)
    yield "bare.dcm"
    _series(folder, voxels, ExplicitVRLittleEndian)
    _as_frames(folder / "scan")
    yield "frames.dcm"
    _series(folder, voxels, ExplicitVRLittleEndian)
    with zipfile.ZipFile(folder / "scan.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "scan").iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
            path.unlink()
    yield "archive.zip"


def _without_preamble(path: Path) -> None:
    one = pydicom.dcmread(path)
    del one.file_meta
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_dataset(buffer, one)
    path.write_bytes(buffer.getvalue())


def _as_frames(folder: Path) -> None:
    """One enhanced file in the place of the slices of a folder."""
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    whole, frames = slices[0], []
    for one in slices:
        position, orientation, spacing = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = one.ImagePositionPatient
        orientation.ImageOrientationPatient = one.ImageOrientationPatient
        spacing.PixelSpacing = one.PixelSpacing
        frame = Dataset()
        frame.PlanePositionSequence, frame.PlaneOrientationSequence = [position], [orientation]
        frame.PixelMeasuresSequence = [spacing]
        frames.append(frame)
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    whole.PixelData = b"".join(one.PixelData for one in slices)
    whole.NumberOfFrames, whole.PerFrameFunctionalGroupsSequence = len(slices), frames
    for path in folder.iterdir():
        path.unlink()
    whole.save_as(folder / "slice0", enforce_file_format=True)


def _series(folder: Path, voxels: np.ndarray, syntax: str, compressor: str = "") -> None:
    """Write three slices into `folder/scan`."""
    (folder / "scan").mkdir(exist_ok=True)
    for k in range(3):
        pixels = np.ascontiguousarray(voxels[:, :, k].T)
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = MRImageStorage
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.{k}"
        one.SeriesInstanceUID, one.SeriesDescription, one.Modality = "1.2.3", "AX T2", "MR"
        one.Rows, one.Columns = pixels.shape
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        one.PixelSpacing, one.ImagePositionPatient = [1, 1], [0, 0, 3 * k]
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.PixelData = pixels.tobytes()
        if syntax == RLELossless:
            one.compress(RLELossless, generate_instance_uid=False)  # which is random
        if compressor:
            writer = sitk.ImageFileWriter()
            writer.SetImageIO("GDCMImageIO")
            writer.SetFileName(str(folder / "packed.dcm"))
            writer.SetUseCompression(True)
            writer.SetCompressor(compressor)
            writer.Execute(sitk.GetImageFromArray(pixels[None]))
            packed = pydicom.dcmread(folder / "packed.dcm")
            one.PixelData, one["PixelData"].is_undefined_length = packed.PixelData, True
            one.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
            (folder / "packed.dcm").unlink()
        one.save_as(folder / "scan" / f"slice{k}", enforce_file_format=True)
