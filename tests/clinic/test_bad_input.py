"""What cannot have DICOM results gets one sentence, before anything is computed."""

import zipfile

import numpy as np
import pytest
from pydicom import DataElement

from sanum.clinic.objects import objects_of
from sanum.clinic.reference import reference_of
from sanum.scan import ScanError
from sanum.scan.dicom_planes import read_planes

from ..scan.slices import save
from .series import PLANES, head, read_result, saved

pytest.importorskip("highdicom")


def refused(folder):
    with pytest.raises(ScanError) as caught:
        reference_of(read_planes(folder))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def changed(folder, tag, value, planes=(0,)):
    made = head("axial")
    for k in planes:
        setattr(made[k], tag, value)
    return saved(folder / "head", made)


@pytest.mark.parametrize(("lacking", "count"), [((5,), 1), ((2, 6), 2), ((5, 6), 2)])
def test_missing_planes_are_counted(tmp_path, lacking, count):
    kept = [one for k, one in enumerate(head("tilted")) if k not in lacking]
    sentence = refused(saved(tmp_path / "head", kept))
    words = (f"lacks {count} of {PLANES} planes", f"has missing slices, {count} of them")
    assert any(word in sentence for word in words)


def test_planes_of_two_studies(tmp_path):
    sentence = refused(changed(tmp_path, "StudyInstanceUID", "1.2.9", planes=range(6, PLANES)))
    assert "head has planes of 2 studies, by their StudyInstanceUID" in sentence


def test_planes_of_two_patients(tmp_path):
    assert "planes of 2 patients" in refused(changed(tmp_path, "PatientID", "other"))


@pytest.mark.parametrize("tag", ["SOPInstanceUID", "SOPClassUID", "StudyInstanceUID"])
def test_planes_without_an_identifier(tmp_path, tag):
    made = head("axial")
    for k in range(PLANES) if tag == "StudyInstanceUID" else (0, 1):
        delattr(made[k], tag)
    (tmp_path / "head").mkdir()
    for k, one in enumerate(made):
        one.save_as(tmp_path / "head" / f"{k}.dcm", enforce_file_format=True)
    assert f"no {tag}" in refused(tmp_path / "head")


def test_two_planes_of_one_identifier(tmp_path):
    made = head("axial")
    made[3].SOPInstanceUID = made[4].SOPInstanceUID
    sentence = refused(save(tmp_path / "head", made))
    assert sentence.startswith("head has 2 planes with one SOPInstanceUID, ")


def test_a_header_without_clock_frame_and_number_is_no_reason_to_refuse(tmp_path):
    made = head("axial")
    for one in made:
        for tag in ("StudyDate", "StudyTime", "FrameOfReferenceUID", "SeriesNumber", "StudyID", "PatientSex"):
            delattr(one, tag)
        del one.InstanceNumber, one.SliceThickness
        one.SOPClassUID = "1.2.3.99"  # a private one
        one.add_new(0x00090010, "LO", "SOMEBODY")
    folder = saved(tmp_path / "head", made)
    _, result = read_result(folder)
    name, seg = next(objects_of(result, read_planes(folder)))
    assert name == "sanum-anomaly.dcm"
    assert (seg.StudyDate, seg.PatientSex, seg.SeriesNumber) == (None, None, 1)
    first = seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert first.ReferencedSOPClassUID == "1.2.3.99"
    assert seg.FrameOfReferenceUID.startswith("2.25.")


def test_numbers_that_are_too_long_are_shortened(tmp_path):
    made = head("oblique")
    for one in made:
        for tag in ("ImagePositionPatient", "ImageOrientationPatient"):
            long = [f"{float(x):.17f}" for x in one[tag].value]
            one[tag] = DataElement(tag, "DS", long, validation_mode=0)
    source = read_planes(save(tmp_path / "head", made))
    for one, plane in zip(reference_of(source).images, source.planes, strict=True):
        assert max(len(str(x)) for x in (*one.ImagePositionPatient, *one.ImageOrientationPatient)) <= 16
        np.testing.assert_allclose(one.ImagePositionPatient, plane.position, atol=1e-6)


def test_a_zip_archive_is_as_good_as_a_folder(tmp_path):
    folder = saved(tmp_path / "head", head("coronal"))
    with zipfile.ZipFile(tmp_path / "head.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    found, again = (reference_of(read_planes(path)).uids for path in (folder, tmp_path / "head.zip"))
    assert found == again


def test_what_is_no_dicom(phantom_file):
    with pytest.raises(ScanError, match=r"scan\.nii\.gz is no DICOM: expected the folder of a series"):
        read_planes(phantom_file)
