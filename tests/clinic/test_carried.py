"""What patient and study of the source say comes through whole, in UTF-8."""

from io import BytesIO
from types import SimpleNamespace

import pydicom
import pytest
from pydicom.dataset import Dataset

from sanum.clinic.anatomy import anatomy_series
from sanum.clinic.maker import maker_of
from sanum.clinic.reference import carried_of, reference_of
from sanum.clinic.sampling import on_planes
from sanum.scan import read
from sanum.scan.dicom_planes import read_planes

from .series import head, saved


def first_image(folder):
    """Of the healthy T1w, written and read again."""
    scan, source = read(folder), read_planes(folder)
    reference = reference_of(source)
    names = ("anatomy", "anomaly", "anomaly_mask", "uncertainty")
    maker = maker_of(SimpleNamespace(provenance={}, **dict.fromkeys(names, scan)), reference.uids)
    stream = BytesIO()
    next(anatomy_series(on_planes(scan, source), reference, maker)).save_as(stream, enforce_file_format=True)
    stream.seek(0)
    return pydicom.dcmread(stream)


def test_several_values_and_backslashes_are_kept(tmp_path):
    made, method = head("axial"), Dataset()
    method.CodeValue, method.CodingSchemeDesignator, method.CodeMeaning = "1", "99X", "Gesäubert"
    for one in made:
        one.PatientID, one.StudyDescription = "P\\17", "HEAD\\WO CONTRAST"
        one.PatientName = ["Müller^Jürgen", "Miller^J"]
        one.PatientIdentityRemoved, one.DeidentificationMethod = "YES", ["Basic", "geschwärzt"]
        one.DeidentificationMethodCodeSequence = [method]
    got = first_image(saved(tmp_path / "head", made))
    assert got.PatientID == ["P", "17"]
    assert got.StudyDescription == ["HEAD", "WO CONTRAST"]
    assert [str(name) for name in got.PatientName] == ["Müller^Jürgen", "Miller^J"]
    assert got.DeidentificationMethod == ["Basic", "geschwärzt"]
    assert got.DeidentificationMethodCodeSequence[0].CodeMeaning == "Gesäubert"
    assert (got.PatientIdentityRemoved, got.SpecificCharacterSet) == ("YES", "ISO_IR 192")


@pytest.mark.parametrize(
    ("removed", "method", "said"),
    [("NO", None, "NO"), ("YES", "Basic", "YES"), ("YES", None, None), (None, None, None)],
)
def test_whether_the_identity_was_removed(removed, method, said):
    header = Dataset()
    header.PatientIdentityRemoved, header.DeidentificationMethod = removed, method
    assert carried_of(header).get("PatientIdentityRemoved") == said
