"""How long the DICOM objects of a head take: a made series of 200 planes of 256 × 256 pixels, a made result.

What is timed is what `--dicom` adds: reading the headers again, making the objects, writing them. Seconds of
each object go to standard output, with seconds of the processor, which do not depend on what else runs.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from sanum.clinic.objects import objects_of
from sanum.healthy.result import Reconstruction
from sanum.scan import Scan, read
from sanum.scan.dicom_planes import read_planes

SIDE = 256
LEAST, MOST = 40, 90  # voxels: radii of a lesion and of the brain


def write_series(folder: Path, planes: int) -> None:
    rng = np.random.default_rng(0)
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    uids["FrameOfReferenceUID"] = generate_uid()
    for k in range(planes):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, generate_uid()
        one.update(uids)
        one.PatientName, one.PatientID, one.Modality = "Bench", "0", "MR"
        one.SeriesNumber, one.InstanceNumber, one.SeriesDescription = 3, k + 1, "AX T1"
        one.Rows = one.Columns = SIDE
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        one.PixelSpacing, one.SliceThickness = [0.9, 0.9], 0.9
        one.ImagePositionPatient, one.ImageOrientationPatient = [-115, -115, 0.9 * k], [1, 0, 0, 0, 1, 0]
        one.PixelData = rng.integers(0, 4000, (SIDE, SIDE)).astype(np.uint16).tobytes()
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.save_as(folder / f"{k:04d}.dcm", enforce_file_format=True)


def made_result(scan: Scan) -> Reconstruction:
    """A brain with one lesion and smooth maps: what the main job gives, without computing it."""
    away = np.linalg.norm(np.moveaxis(np.indices(scan.voxels.shape, np.float32), 0, -1) - 120, axis=-1)
    brain, anomaly = away < MOST, np.clip(1 - away / LEAST / 2, 0, 1)
    mask = (anomaly > 0.5).astype(np.uint8)
    return Reconstruction(
        scan,
        scan.with_voxels((brain * (0.7 + away / 300)).astype(np.float32)),
        scan.with_voxels(anomaly),
        scan.with_voxels(mask),
        scan.with_voxels((0.1 * brain).astype(np.float32)),
        scan.with_voxels(brain.astype(np.uint8)),
        "T1w",
        provenance={"version": "bench", "weights": "none", "weights_sha256": "0" * 64, "date": "2026-01-01"},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planes", type=int, default=200)
    planes = parser.parse_args().planes
    with tempfile.TemporaryDirectory() as name:
        (source := Path(name, "in")).mkdir()
        (out := Path(name, "out")).mkdir()
        write_series(source, planes)
        result = made_result(read(source))
        began, worked, seen = time.perf_counter(), time.process_time(), 0.0
        objects = objects_of(result, read_planes(source))
        for file, one in objects:
            one.save_as(out / file, enforce_file_format=True)
            seen, before = time.perf_counter() - began, seen
            if not file.startswith("sanum-anatomy") or file.endswith(f"{planes:04d}.dcm"):
                print(f"{file}\tuntil {seen:.1f} s\tthe last object {seen - before:.2f} s")
        size = sum(path.stat().st_size for path in out.iterdir())
        count = len(list(out.iterdir()))
        worked = time.process_time() - worked
        print(f"{count} objects, {size / 1e6:.0f} MB\t{seen:.1f} s\t{worked:.1f} s of the processor")


if __name__ == "__main__":
    main()
