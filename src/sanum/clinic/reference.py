"""The source series as new objects refer to it: checked, and reduced to what they may repeat of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage
from pydicom.valuerep import DSfloat

from ..scan import ScanError
from ..scan.dicom_file import DAMAGED, text_of
from ..scan.dicom_planes import SourcePlanes
from ..scan.dicom_stack import Slice
from ..scan.names import printable
from .maker import uid_of

PATIENT = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("PatientSize", "PatientWeight", "PatientIdentityRemoved"),
    *("DeidentificationMethod", "DeidentificationMethodCodeSequence"),
)
STUDY = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription"),
    "ReferringPhysicianName",
)
CARRIED = (*PATIENT, *STUDY)
"""Tags that new objects have from the source; beside them only its geometry and its identifiers."""

_EMPTY = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime")
_EMPTY_TOO = (
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
)  # all of them are there, if without value
_LONGEST = 16  # characters of a decimal string
_LONGEST_NUMBER = 2_000_000  # of a source series, so that ours, a hundred times it, can be written


@dataclass(frozen=True, eq=False)
class Reference:
    """A source series.

    Parameters
    ----------
    source : SourcePlanes
        Its planes.
    images : list of Dataset
        One for each plane, in that order, or one of all frames: geometry and identifiers, no patient.
    carried : Dataset
        `CARRIED`, as the source has them.
    modality : str
        Of the source.
    sop_class : str
        Of the source; `images` may have a stand-in.
    lies : str
        PatientPosition of the source, such as HFS; "" where it is not said.
    number : int
        From which the numbers of new series follow.
    """

    source: SourcePlanes
    images: list[Dataset]
    carried: Dataset
    modality: str
    sop_class: str
    lies: str
    number: int

    @property
    def uids(self) -> list[str]:
        """Of the series and of its instances."""
        return [str(self.images[0].SeriesInstanceUID), *(str(one.SOPInstanceUID) for one in self.images)]

    @property
    def orientations(self) -> list[list[DSfloat]]:
        """Row and column direction (6,) of each plane as the source has them; `images` have those of one."""
        return [_short(plane.header["ImageOrientationPatient"].value) for plane in self.source.planes]

    @property
    def axes(self) -> list[float]:
        """Row and column direction (6,) of the first plane."""
        return [float(x) for x in self.source.planes[0].axes.ravel()]


def reference_of(source: SourcePlanes) -> Reference:
    """Check a source series, and reduce it.

    Parameters
    ----------
    source : SourcePlanes
        From `scan.dicom_planes.read_planes`.

    Raises
    ------
    ScanError
        Planes of two studies or patients; identifiers that are missing or occur twice.
    """
    headers = _headers(source)
    _require_one(headers, "StudyInstanceUID", "studies", source.what)
    _require_one(headers, "PatientID", "patients", source.what)
    _require_identifiers(headers, source.what)
    first = headers[0]
    frame = text_of(first, "FrameOfReferenceUID") or uid_of("frame of reference", first.SeriesInstanceUID)
    if source.is_multi_frame:
        images = [_reduced_frames(source, frame)]
    else:
        thickness = _thickness(source)
        axes = first["ImageOrientationPatient"].value  # of all: those that differ a little come in the end
        images = [_reduced(plane, frame, thickness, _short(axes)) for plane in source.planes]
    number = text_of(first, "SeriesNumber").strip()
    return Reference(
        source,
        images,
        carried_of(first),
        text_of(first, "Modality") or "OT",
        text_of(first, "SOPClassUID"),
        text_of(first, "PatientPosition"),
        int(number) if number.isdecimal() and int(number) <= _LONGEST_NUMBER else 0,
    )


def carried_of(header: Dataset) -> Dataset:
    """Tags of patient and study, for text in UTF-8; those that must be there are, without value if need be.

    Parameters
    ----------
    header : Dataset
        Of the first plane.
    """
    found = Dataset()
    for tag in (*_EMPTY, *_EMPTY_TOO):
        setattr(found, tag, None)
    for tag in CARRIED:
        try:
            element = header[tag]
            value = _plain(element.value) if element.VR in ("PN", "LO", "SH", "LT", "ST") else element.value
            for item in element.value if element.VR == "SQ" else ():
                item.decode()  # else it is written in the character set of the source
            if not element.is_empty:
                found.add(DataElement(element.tag, element.VR, value, validation_mode=0))
        except DAMAGED:
            continue
    methods = {"DeidentificationMethod", "DeidentificationMethodCodeSequence"} & set(found.dir())
    if not methods and found.get("PatientIdentityRemoved") != "NO":
        found.pop("PatientIdentityRemoved", None)  # a YES without them is against the standard
    return found


def _plain(value: object) -> str | list[str]:
    """Text of one value or of several: a backslash parts them, whatever it was meant as."""
    return [str(one) for one in value] if isinstance(value, MultiValue) else str(value)


def number_text(value: float) -> DSfloat:
    """A decimal string, as long as DICOM allows.

    Parameters
    ----------
    value : float
        Any finite number.
    """
    return DSfloat(float(value), auto_format=True)


def _short(values: Iterable[DSfloat]) -> list[DSfloat]:
    """Decimal strings as they are, unless they are longer than DICOM allows."""
    return [value if len(str(value)) <= _LONGEST else number_text(value) for value in values]


def _headers(source: SourcePlanes) -> list[Dataset]:
    planes = source.planes[:1] if source.is_multi_frame else source.planes
    return [plane.header for plane in planes]


def _require_one(headers: list[Dataset], tag: str, kind: str, what: str) -> None:
    count = len({text_of(header, tag) for header in headers})
    if count > 1:
        raise ScanError(
            f"{what} has planes of {count} {kind}, by their {tag}: DICOM results belong to one; send or "
            "export the series again"
        )


def _require_identifiers(headers: list[Dataset], what: str) -> None:
    for tag in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if missing := sum(not text_of(header, tag) for header in headers):
            planes = "a plane has" if missing == 1 else f"{missing} planes have"
            raise ScanError(
                f"{what} cannot be referred to, for {planes} no {tag}: export the series again from the "
                "scanner or archive"
            )
    uid, times = Counter(text_of(header, "SOPInstanceUID") for header in headers).most_common(1)[0]
    if times > 1:
        raise ScanError(
            f"{what} has {times} planes with one SOPInstanceUID, {printable(uid)}: expected one each; export "
            "the series again from the scanner or archive"
        )


def _thickness(source: SourcePlanes) -> float:
    """Of a plane: as the series says, else the usual distance of planes."""
    header = source.planes[0].header
    try:
        said = float(text_of(header, "SliceThickness"))
    except ValueError:
        said = 0.0
    return said if 0 < said < 1e3 else usual_distance(source)


def usual_distance(source: SourcePlanes) -> float:
    """Median distance of neighbouring planes along their normal, mm.

    Parameters
    ----------
    source : SourcePlanes
        At least two planes.
    """
    normal = np.cross(*source.planes[0].axes)
    return float(np.median(np.diff(np.sort([float(plane.position @ normal) for plane in source.planes]))))


def _identified(header: Dataset, frame: str, size: tuple[int, int]) -> Dataset:
    """What single frames and files of frames have: identifiers and size, and a patient without values."""
    one = Dataset()
    for tag in (*_EMPTY, *_EMPTY_TOO):
        setattr(one, tag, "")
    one.SOPInstanceUID = text_of(header, "SOPInstanceUID")
    one.SeriesInstanceUID = text_of(header, "SeriesInstanceUID")
    one.StudyInstanceUID = text_of(header, "StudyInstanceUID")
    one.Modality = text_of(header, "Modality") or "OT"
    one.FrameOfReferenceUID, one.PositionReferenceIndicator = frame, ""
    one.Columns, one.Rows = size
    one.SpecificCharacterSet = "ISO_IR 192"
    return one


def _reduced(plane: Slice, frame: str, thickness: float, axes: list[DSfloat]) -> Dataset:
    one = _identified(plane.header, frame, plane.size)
    one.SOPClassUID = MRImageStorage  # highdicom looks here what an image of a class has
    for tag in ("ImagePositionPatient", "PixelSpacing"):
        one.add(DataElement(tag, "DS", _short(plane.header[tag].value)))
    one.ImageOrientationPatient = axes
    one.SliceThickness = number_text(thickness)
    return one


def _reduced_frames(source: SourcePlanes, frame: str) -> Dataset:
    first = source.planes[0]
    one = _identified(first.header, frame, first.size)
    one.SOPClassUID, one.NumberOfFrames = EnhancedMRImageStorage, len(source.planes)
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [number_text(x) for x in first.spacing[::-1]]
    measures.SliceThickness = number_text(_thickness(source))
    orientation.ImageOrientationPatient = [number_text(x) for x in first.axes.ravel()]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    one.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for plane in source.planes:
        place, group = Dataset(), Dataset()
        place.ImagePositionPatient = [number_text(x) for x in plane.position]
        group.PlanePositionSequence = [place]
        groups.append(group)
    one.PerFrameFunctionalGroupsSequence = groups
    return one
