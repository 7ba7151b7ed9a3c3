"""A small head as a DICOM series in eight orientations, a result of it, and DICOM read back to mm."""

from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from scipy.spatial.transform import Rotation

from sanum.healthy.result import Reconstruction
from sanum.scan import read
from sanum.space.grid import apply_affine

from ..scan.slices import dataset, save

COLUMNS, ROWS, PLANES = 40, 34, 10  # Orthanc 1.10 shows 1-bit frames of whole bytes only
SPACING = (2.0, 2.5)  # along a row, along a column
CENTRE = np.array([3.0, -5.0, 7.0])  # of the head, LPS mm
LESION, RADIUS = np.array([16.0, -9.0, 9.0]), 9.0  # on the patient's left: x is positive in LPS
X, Y, Z = np.eye(3)
TILT = np.deg2rad(18.5)
TURN = Rotation.from_euler("xyz", [25, -20, 35], degrees=True).as_matrix()

KINDS = {  # along a row, along a column, from plane to plane
    "axial": (X, Y, 7 * Z),
    "tilted": (X, np.cos(TILT) * Y - np.sin(TILT) * Z, 7 * Z),
    "uneven": (X, Y, 7 * Z),
    "reversed": (X, Y, -7 * Z),
    "sagittal": (Y, -Z, 7 * X),
    "coronal": (X, -Z, 7 * Y),
    "oblique": (TURN[:, 0], TURN[:, 1], 7 * TURN[:, 2]),
    "negated rows": (-X, Y, 7 * Z),
}
STUDY = {
    "PatientName": "Müller^Jürgen",
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientID": "P-17",
    "PatientBirthDate": "19501224",
    "PatientSex": "M",
    "StudyInstanceUID": "1.2.3.4.5",
    "StudyDate": "20260102",
    "StudyTime": "101500",
    "StudyID": "S1",
    "AccessionNumber": "A-4711",
    "StudyDescription": "HEAD",
    "ReferringPhysicianName": "Who^Doctor",
    "FrameOfReferenceUID": "1.2.3.4.6",
    "SeriesNumber": "7",
    "SliceThickness": "7",
    "PatientPosition": "HFS",
}


def depths_of(kind):
    """Distances of planes from the middle, in steps."""
    if kind == "uneven":  # thin below, thick above
        steps = np.cumsum([0.0, *[0.8] * 5, *[1.4] * (PLANES - 6)])
        return steps - steps[-1] / 2
    return np.arange(PLANES) - (PLANES - 1) / 2


def at(points_lps):
    """What a scanner would show there."""
    inside = (((points_lps - CENTRE) / (31, 36, 31)) ** 2).sum(-1) < 1
    return (300 * inside + 500 * (((points_lps - LESION) ** 2).sum(-1) < RADIUS**2)).astype(np.int16)


def head(kind, *, ct=False, **tags):
    """Datasets of a series, in its order."""
    row, column, step = KINDS[kind]
    j, i = np.mgrid[:ROWS, :COLUMNS]
    in_plane = i[..., None] * row * SPACING[0] + j[..., None] * column * SPACING[1]
    first = CENTRE - row * SPACING[0] * (COLUMNS - 1) / 2 - column * SPACING[1] * (ROWS - 1) / 2
    made = []
    for k, depth in enumerate(depths_of(kind)):
        position = first + depth * step
        one = dataset(
            at(position + in_plane),
            position,
            series="1.2.3.4.7",
            axes=np.array([row, column]),
            PixelSpacing=[SPACING[1], SPACING[0]],
            **{**STUDY, **tags},
        )
        one.InstanceNumber = k + 1
        if ct:
            one.SOPClassUID, one.Modality, one.RescaleSlope, one.RescaleIntercept = CTImageStorage, "CT", 1, 0
        made.append(one)
    return made


def as_frames(made):
    """One enhanced file of a series."""
    pixels = np.stack([one.pixel_array for one in made])
    one = pydicom.dcmread(_in_memory(made[0]))
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(one, tag)
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    one.NumberOfFrames, one.PixelData = len(made), pixels.tobytes()
    one.SharedFunctionalGroupsSequence = [Dataset()]
    groups = one.SharedFunctionalGroupsSequence[0]
    groups.PixelMeasuresSequence, groups.PlaneOrientationSequence = [Dataset()], [Dataset()]
    groups.PixelMeasuresSequence[0].PixelSpacing = made[0].PixelSpacing
    groups.PixelMeasuresSequence[0].SliceThickness = 7
    groups.PlaneOrientationSequence[0].ImageOrientationPatient = made[0].ImageOrientationPatient
    one.PerFrameFunctionalGroupsSequence = [Dataset() for _ in made]
    for group, plane in zip(one.PerFrameFunctionalGroupsSequence, made, strict=True):
        group.PlanePositionSequence = [Dataset()]
        group.PlanePositionSequence[0].ImagePositionPatient = plane.ImagePositionPatient
    return one


def _in_memory(one):
    buffer = pydicom.filebase.DicomBytesIO()
    one.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return buffer


def result_of(scan, *, anomaly=True):
    """What the main job would give, made by hand."""
    points = apply_affine(scan.affine, np.moveaxis(np.indices(scan.voxels.shape), 0, -1)) * (-1, -1, 1)
    away = np.linalg.norm(points - LESION, axis=-1)
    brain = (((points - CENTRE) / (31, 36, 31)) ** 2).sum(-1) < 1
    probability = (np.clip(1 - 0.5 * away / RADIUS, 0, 1) * anomaly * brain).astype(np.float32)
    anatomy = (brain * (1 - away / 200)).astype(np.float32)
    return Reconstruction(
        scan,
        scan.with_voxels(anatomy),
        scan.with_voxels(probability),
        scan.with_voxels((probability > 0.5).astype(np.uint8)),
        scan.with_voxels((0.1 * brain).astype(np.float32)),
        scan.with_voxels(brain.astype(np.uint8)),
        "T2w",
        ("a warning of the run",),
        {
            "version": "0.1.0",
            "weights": "made-up",
            "weights_sha256": "5e" * 32,
            "date": "2026-01-31",
        },
    )


def saved(folder, made):
    """Written under other instance identifiers, in a shuffled order of names."""
    for one in made:
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return save(folder, made)


@dataclass
class Frame:
    """One frame read back."""

    pixels: np.ndarray
    points_ras: np.ndarray  # (rows, columns, 3) mm
    position: tuple


def frames_in(one, pixels):
    """Frames of a multi-frame object, by its own tags alone (PS3.3 C.7.6.2.1-1)."""
    shared = one.SharedFunctionalGroupsSequence[0]
    found = []
    for group, values in zip(one.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        place = next(g for g in (group, shared) if "PlanePositionSequence" in g).PlanePositionSequence[0]
        turn = next(g for g in (group, shared) if "PlaneOrientationSequence" in g).PlaneOrientationSequence[0]
        size = next(g for g in (group, shared) if "PixelMeasuresSequence" in g).PixelMeasuresSequence[0]
        found.append(
            _frame(values, place.ImagePositionPatient, turn.ImageOrientationPatient, size.PixelSpacing)
        )
    return found


def frame_of(one):
    """A single-frame object, in the same way."""
    return _frame(one.pixel_array, one.ImagePositionPatient, one.ImageOrientationPatient, one.PixelSpacing)


def _frame(values, position, orientation, spacing):
    first, axes = np.array(position, float), np.array(orientation, float).reshape(2, 3)
    j, i = np.mgrid[: values.shape[0], : values.shape[1]]
    points = first + i[..., None] * axes[0] * float(spacing[1]) + j[..., None] * axes[1] * float(spacing[0])
    return Frame(values, points * (-1, -1, 1), tuple(np.round(first, 4)))


def read_result(folder, **choices):
    """Scan and result of a series."""
    scan = read(folder)
    return scan, result_of(scan, **choices)
