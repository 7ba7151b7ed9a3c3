"""What all new objects have alike: patient and study of the source, who made them, what they are not for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian

from ..types import AnyArray
from .maker import NAME, RESEARCH, Maker
from .reference import Reference

UTF8 = "ISO_IR 192"
Made = TypeVar("Made", bound=Dataset)


@dataclass(frozen=True)
class NewSeries:
    """A new series in the study of the source.

    Parameters
    ----------
    key : str
        Its identifiers follow from it.
    number : int
        1 to 99: behind the hundreds, which are the source's number.
    words : str
        What it shows, in a few words.
    """

    key: str
    number: int
    words: str

    @property
    def description(self) -> str:
        """With the name of the program, and what it is not for."""
        return f"{NAME} {self.words} - {RESEARCH}"

    def of(self, reference: Reference, maker: Maker) -> dict[str, Any]:
        """Arguments that all objects of highdicom take.

        Parameters
        ----------
        reference : Reference
            The source.
        maker : Maker
            Of the result.
        """
        return {
            "series_instance_uid": maker.uid(self.key, "series"),
            "series_number": reference.number * 100 + self.number,
            "sop_instance_uid": maker.uid(self.key, "instance", 1),
            "instance_number": 1,
            "manufacturer": NAME,
            "series_description": self.description,
        }


def equipment(maker: Maker) -> dict[str, Any]:
    """Further arguments, of objects that say which device made them.

    Parameters
    ----------
    maker : Maker
        Of the result.
    """
    return {
        "manufacturer_model_name": NAME,
        "software_versions": maker.version,
        "device_serial_number": maker.sha256,
    }


def begun(series: NewSeries, reference: Reference, maker: Maker, sop_class: str, number: int = 1) -> Dataset:
    """An object of a new series, with nothing but its identifiers.

    Parameters
    ----------
    series : NewSeries
        Which series.
    reference : Reference
        The source.
    maker : Maker
        Of the result.
    sop_class : str
        What it is.
    number : int
        Which one of the series.
    """
    one = Dataset()
    one.SOPClassUID, one.SOPInstanceUID = sop_class, maker.uid(series.key, "instance", number)
    one.SeriesInstanceUID = maker.uid(series.key, "series")
    one.SeriesNumber, one.InstanceNumber = reference.number * 100 + series.number, number
    one.SeriesDescription = series.description
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    return one


def dressed(one: Made, reference: Reference, maker: Maker) -> Made:
    """The object with all that every object has.

    Parameters
    ----------
    one : Dataset
        An object, changed in place.
    reference : Reference
        The source.
    maker : Maker
        Of the result.
    """
    for element in reference.carried:
        one.add(element)
    one.SpecificCharacterSet = UTF8
    one.InstanceCreationDate = one.ContentDate = maker.date
    one.InstanceCreationTime = one.ContentTime = maker.time
    one.SeriesDate, one.SeriesTime = maker.date, maker.time
    if one.Modality != "SR":
        one.BodyPartExamined = "HEAD"
    one.Manufacturer = one.ManufacturerModelName = NAME
    one.SoftwareVersions, one.DeviceSerialNumber = maker.version, maker.sha256
    one.ContributingEquipmentSequence = [_equipment(maker)]
    images = reference.images
    if images[0].SOPClassUID != reference.sop_class:
        _name_class(one, {str(image.SOPInstanceUID) for image in images}, reference.sop_class)
    return one


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence.

    Parameters
    ----------
    value, scheme, meaning : str
        Of the code.
    """
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def in_source_order(
    one: Dataset, frames: AnyArray, order: Sequence[int], keyword: str, dimensions: str
) -> None:
    """Frames of a multi-frame object in the order of the source, in place; highdicom sorts them by place.

    Parameters
    ----------
    one : Dataset
        The object, with a functional group for each frame.
    frames : (N, rows, columns) array
        Its pixels, in the order that is wanted.
    order : sequence of int
        For each of them, which frame it is now.
    keyword : str
        Of the pixels.
    dimensions : str
        Identifier of how the frames are counted, in place of one by chance.
    """
    for item in (*one.DimensionOrganizationSequence, *one.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    groups = list(one.PerFrameFunctionalGroupsSequence)
    one.PerFrameFunctionalGroupsSequence = Items([groups[k] for k in order])
    packed = pack_bits(frames.ravel()) if frames.dtype == bool else np.ascontiguousarray(frames).tobytes()
    setattr(one, keyword, packed)


def by_depth(reference: Reference, kept: Sequence[int]) -> list[int]:
    """Of each kept plane, which frame it is where they are sorted along their normal, as highdicom does.

    Parameters
    ----------
    reference : Reference
        The source.
    kept : sequence of int
        Numbers of planes.
    """
    normal = np.cross(reference.axes[3:], reference.axes[:3])
    depth = [float(reference.source.planes[k].position @ normal) for k in kept]
    return [int(rank) for rank in np.argsort(np.argsort(depth))]


def own_orientations(one: Dataset, reference: Reference, kept: Sequence[int]) -> None:
    """Give each frame its own plane's directions, where those of the source differ a little, in place.

    Parameters
    ----------
    one : Dataset
        A multi-frame object with frames in the order of `kept`.
    reference : Reference
        The source.
    kept : sequence of int
        Numbers of planes.
    """
    axes = np.array([plane.axes.ravel() for plane in reference.source.planes])
    if np.abs(axes - axes[0]).max() < 1e-6:
        return
    del one.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    for group, k in zip(one.PerFrameFunctionalGroupsSequence, kept, strict=True):
        item = Dataset()
        item.ImageOrientationPatient = [round(float(x), 8) for x in axes[k]]
        group.PlaneOrientationSequence = [item]


def _equipment(maker: Maker) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item("109102", "DCM", "Processing Equipment")]
    item.Manufacturer = item.ManufacturerModelName = NAME
    item.SoftwareVersions, item.DeviceSerialNumber = maker.version, maker.sha256
    item.ContributionDescription = maker.sentence
    return item


def _name_class(one: Dataset, uids: set[str], sop_class: str) -> None:
    """Name the true class of the source where it is referred to: highdicom had a stand-in."""
    for item in _items(one):
        if str(item.get("ReferencedSOPInstanceUID", "")) in uids:
            item.ReferencedSOPClassUID = sop_class


def _items(one: Dataset) -> Iterator[Dataset]:
    for element in one:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from _items(item)
