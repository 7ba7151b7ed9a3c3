"""What the objects say: who, of what, where from; and that readers of two libraries see the same."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from sanum.clinic.findings import LOBES, SIDES, findings, words_of
from sanum.clinic.maker import maker_of
from sanum.clinic.objects import DicomOptions, _frames, objects_of, write_dicom
from sanum.clinic.page import page_pixels
from sanum.clinic.reference import CARRIED, reference_of
from sanum.clinic.sampling import on_planes
from sanum.healthy.lesions import LesionRow
from sanum.healthy.places import dlmuse
from sanum.scan.dicom_planes import read_planes

from .series import PLANES, frame_of, head, read_result, saved

highdicom = pytest.importorskip("highdicom")

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "dicom.md").read_text(encoding="utf-8")
WHOLE = ("anomaly", "probability", "uncertainty", "anatomy-0001", "findings", "page")


def source_planes(made):
    return read_planes(made.source).planes


def test_every_object_is_of_the_patient_and_says_what_made_it(made):
    one = made()
    assert len(one.paths) == PLANES + 5
    for name in WHOLE:
        got = one.one(name)
        assert str(got.PatientName) == "Müller^Jürgen"
        assert got.SpecificCharacterSet == "ISO_IR 192"
        assert (got.PatientID, got.AccessionNumber, got.StudyInstanceUID) == ("P-17", "A-4711", "1.2.3.4.5")
        assert (got.StudyDate, got.StudyDescription) == ("20260102", "HEAD")
        assert got.SeriesDescription.endswith("RESEARCH USE ONLY")
        assert len(got.SeriesDescription) <= 64
        assert (got.Manufacturer, got.SoftwareVersions, got.DeviceSerialNumber) == (
            "sanum",
            "0.1.0",
            "5e" * 32,
        )
        (equipment,) = got.ContributingEquipmentSequence
        assert "weights made-up, SHA-256 " + "5e" * 32 in equipment.ContributionDescription
        assert got.ContentDate == "20260131"
    uids = [pydicom.dcmread(path, stop_before_pixels=True) for path in one.paths.values()]
    assert len({u.SOPInstanceUID for u in uids}) == len(uids)
    assert len({u.SeriesInstanceUID for u in uids} - {"1.2.3.4.7"}) == 6
    assert {u.SeriesNumber for u in uids} == {701, 702, 703, 704, 705, 706}


def test_the_same_result_has_the_same_identifiers(made, tmp_path):
    one = made()
    name, again = next(objects_of(one.result, read_planes(one.source)))
    again.save_as(tmp_path / name, enforce_file_format=True)
    assert (tmp_path / name).read_bytes() == one.paths[name].read_bytes()
    assert made(anomaly=False).one("page").SOPInstanceUID != one.one("page").SOPInstanceUID


def test_results_of_one_day_are_alike(made):
    """As of `sanum.reconstruct`, whose provenance has the minute."""
    days = ("2026-01-31", "2026-01-31 08:15 UTC", "2026-01-31 23:59 UTC", "2026-02-01 00:01 UTC")
    one = made().result
    makers = [maker_of(replace(one, provenance={**one.provenance, "date": day}), ["1.2"]) for day in days]
    assert makers[0] == makers[1] == makers[2] != makers[3]
    assert (makers[3].date, makers[3].time) == ("20260201", "000000")


def test_the_segmentation_keeps_empty_frames_unless_told(made):
    every, source = made().one("anomaly"), read_planes(made().source)
    _, few = next(objects_of(made().result, source, DicomOptions(omit_empty_frames=True)))
    assert every.NumberOfFrames == PLANES
    filled = [k for k, frame in enumerate(every.pixel_array) if frame.any()]
    assert few.NumberOfFrames == len(filled) < PLANES
    np.testing.assert_array_equal(few.pixel_array, every.pixel_array[filled])
    assert (every.SegmentationType, len(every.SegmentSequence)) == ("BINARY", 1)
    (segment,) = every.SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == codes.SCT.Lesion.value
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "0.1.0"
    assert "SHA-256 " + "5e" * 32 in segment.SegmentDescription


@pytest.mark.parametrize("what", ["oblique", pytest.param("reversed", marks=pytest.mark.full)])
def test_two_libraries_read_the_same_segmentation(made, what):
    one = made(what)
    read = highdicom.seg.segread(one.paths["sanum-anomaly.dcm"])
    uids = [plane.header.SOPInstanceUID for plane in source_planes(one)]
    got = read.get_pixels_by_source_instance(uids)[..., 0]
    np.testing.assert_array_equal(got, one.one("anomaly").pixel_array)


def test_maps_have_the_values_of_the_result(made):
    one = made()
    for name, image in (("probability", one.result.anomaly), ("uncertainty", one.result.uncertainty)):
        got = one.one(name)
        expected = np.moveaxis(np.asarray(image.voxels), 2, 0).swapaxes(1, 2)
        np.testing.assert_array_equal(got.pixel_array, expected)
        assert got.pixel_array.dtype == np.float32
        mapped = highdicom.imread(one.paths[f"sanum-{name}.dcm"]).get_frames(
            apply_real_world_transform=True, dtype=np.float64
        )
        np.testing.assert_allclose(mapped, expected, atol=1e-6)


def test_the_anatomy_is_a_derived_series_on_the_same_planes(made):
    one = made()
    for k, plane in enumerate(source_planes(one)):
        got = one.one(f"anatomy-{k + 1:04d}")
        assert got.ImageType[:2] == ["DERIVED", "SECONDARY"]
        assert got.FrameOfReferenceUID == "1.2.3.4.6"
        assert got.ImagePositionPatient == plane.header.ImagePositionPatient
        assert got.ImageOrientationPatient == plane.header.ImageOrientationPatient
        assert got.SourceImageSequence[0].ReferencedSOPInstanceUID == plane.header.SOPInstanceUID
        expected = np.asarray(one.result.anatomy.voxels)[..., k].T
        rescaled = got.pixel_array * float(got.RescaleSlope) + float(got.RescaleIntercept)
        np.testing.assert_allclose(rescaled, 100 * expected, atol=0.051)
        real = got.RealWorldValueMappingSequence[0].RealWorldValueSlope
        np.testing.assert_allclose(got.pixel_array * real, expected, atol=0.00051)
        middle = frame_of(got).points_ras[expected > 0.5].mean(0) if (expected > 0.5).any() else (0, 0, 0)
        assert np.abs(middle).max() < 60


def texts(item, found=None):
    """Values of a report by concept, in order."""
    found = [] if found is None else found
    for one in item.get("ContentSequence", ()):
        name = one.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in one else ""
        if one.ValueType == "NUM":
            found.append((name, float(one.MeasuredValueSequence[0].NumericValue)))
        elif one.ValueType == "CODE":
            found.append((name, one.ConceptCodeSequence[0].CodeMeaning))
        elif one.ValueType == "TEXT":
            found.append((name, one.TextValue))
        texts(one, found)
    return found


def test_the_report_has_each_lesion_and_the_brain(made):
    one = made()
    report = one.one("findings")
    found = texts(report)
    volumes = [value for name, value in found if name == "Volume"]
    numbers = one.result.numbers
    np.testing.assert_allclose(volumes[:2], [numbers["brain_ml"], numbers["anomaly_ml"]], atol=1e-4)
    np.testing.assert_allclose(volumes[2:], [row.volume_ml for row in one.result.lesions], atol=1e-4)
    assert ("Lesion", "Present") in found
    identifiers = [value for name, value in found if name == "Tracking Identifier"]
    assert identifiers[0] == "brain"
    assert identifiers[2].startswith("lesion 1: ")
    assert "frames " in identifiers[2]
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert report.VerificationFlag == "UNVERIFIED"
    highdicom.sr.srread(one.paths["sanum-findings.dcm"])


def test_no_anomaly_no_segmentation_but_a_report_that_says_so(made):
    one = made(anomaly=False)
    assert "sanum-anomaly.dcm" not in one.paths
    found = texts(one.one("findings"))
    assert ("Lesion", "Absent") in found
    assert ("Tracking Identifier", "no anomaly was found") in found
    assert [name for name, _ in found].count("Volume") == 2


@pytest.mark.parametrize("is_seen", [False, True])
def test_lesions_that_no_plane_shows_are_in_the_report(made, tool, tmp_path, is_seen):
    """Whether others are seen or none is."""
    one = made()
    segmented = one.one("anomaly") if is_seen else None
    reference = reference_of(read_planes(one.source))
    maker, path = maker_of(one.result, reference.uids), tmp_path / "findings.dcm"
    rows = [LesionRow(k, volume, 0, 0, 0, side="left", lobe="frontal") for k, volume in ((1, 0.4), (2, 0.1))]
    numbers = {"brain_ml": 1300.0, "anomaly_ml": 0.5, "lesions": 2.0}
    lesions = [*zip(rows, ([4, 5] if is_seen else [], []), strict=True)]
    report = findings(lesions, numbers, segmented, reference, maker)
    report.save_as(path, enforce_file_format=True)
    found = texts(report)
    assert [value for name, value in found if name == "Volume"] == [1300, 0.5, 0.4, 0.1]
    assert ("Tracking Identifier", "lesion 2: 0.1 mL, left frontal, between the planes") in found
    where = "frames 4 to 5 of the mask" if is_seen else "between the planes"
    assert ("Tracking Identifier", f"lesion 1: 0.4 mL, left frontal, {where}") in found
    assert found.count(("Finding Site", "Frontal lobe")) == found.count(("Laterality", "Left")) == 2
    ran = tool("dicom3tools", "dciodvfy", "-new", path)
    assert "Error" not in ran.stdout + ran.stderr


def test_words_of_frames_are_those_of_the_segmentation(tmp_path):
    """Halfway between two slices too, as evened series have places."""
    _, result = read_result(saved(tmp_path, head("axial")))
    source = read_planes(tmp_path)
    source = replace(source, places=np.clip(source.places + 0.5, 0, PLANES - 1))
    mask = on_planes(result.anomaly_mask, source, nearest=True) > 0
    shown = [k for k, plane in enumerate(mask, start=1) if plane.any()]
    assert _frames(result, source, mask, range(PLANES)) == [shown]


def test_nothing_of_an_earlier_result_stays(made, tmp_path):
    """A segmentation beside a report that says "absent" would be believed."""
    assert made  # with a page that is drawn quickly
    folder, out = saved(tmp_path / "in", head("axial")[:4]), tmp_path / "out"
    out.mkdir()
    for name in ("sanum-anomaly.dcm", "sanum-anatomy-0005.dcm", ".sanum-page.dcm", "notes.dcm"):
        (out / name).write_text("old")
    _, result = read_result(folder, anomaly=False)
    paths = write_dicom(result, folder, out)
    assert {*paths, out / "notes.dcm"} == set(out.iterdir())
    assert out / "sanum-anatomy-0004.dcm" in paths


def test_side_and_lobe_are_coded():
    lobes = {region.lobe for region in dlmuse().values()} - {"", "deep", "cingulate"}
    assert lobes <= set(LOBES)
    assert (SIDES["left"].value, SIDES["right"].value) == ("7771000", "24028007")
    row = LesionRow(3, 0.5, 0, 0, 0, side="both", lobe="deep")
    assert words_of(row) == "lesion 3: 0.5 mL, both sides deep"


@pytest.mark.parametrize("code", [*LOBES.values(), *SIDES.values(), codes.SCT.Lesion, codes.SCT.Volume])
def test_the_codes_of_the_report_are_documented(code):
    assert code.value in PAGE


def test_the_report_can_have_other_codes(made, tmp_path, monkeypatch):
    """By what the page says: another object, the same but for two codes."""
    (code,) = re.findall(r"^```python title=\"SNOMED.*?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    one = made()
    (tmp_path / "out" / "head_dicom").mkdir(parents=True)
    shutil.copy(one.paths["sanum-findings.dcm"], tmp_path / "out" / "head_dicom")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "dicom.md", "exec"), {})
    before, after = one.one("findings"), pydicom.dcmread("out/findings-other-codes.dcm")
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert "52988006" in str(before)
    assert "52988006" not in str(after)
    assert str(after).count("M-01100") == str(before).count("52988006")
    assert highdicom.sr.srread("out/findings-other-codes.dcm").PatientID == "P-17"


@pytest.mark.full
def test_the_page_says_what_it_is_not_for_in_its_pixels(made):
    got = made().one("page")
    pixels = page_pixels(made().result, maker_of(made().result, ["1.2.3"]))
    assert pixels.shape[1:] == (1440, 3)
    for strip in (pixels[:56], pixels[-56:]):
        warm = (strip[..., 0] > 200) & (strip[..., 2] < 100)
        assert 0.02 < warm.mean() < 0.3
    assert got.BurnedInAnnotation == "YES"


def marked():
    """A header with a mark in every text that is not carried."""
    one = pydicom.dataset.Dataset()
    for keyword in pydicom.datadict.keyword_dict:
        tag = pydicom.tag.Tag(pydicom.datadict.tag_for_keyword(keyword))
        text = pydicom.datadict.dictionary_VR(tag) in ("LO", "SH", "LT", "ST", "UT", "UC", "PN")
        if text and 2 < tag.group < 0x30 and keyword not in CARRIED:
            one.add_new(tag, pydicom.datadict.dictionary_VR(tag), "LEAK")
    one.add_new(0x00090010, "LO", "LEAK")
    one.add_new(0x00091001, "LO", "LEAK private")
    one.OtherPatientIDsSequence = [pydicom.dataset.Dataset()]
    one.OtherPatientIDsSequence[0].PatientID = "LEAK"
    return one


def test_nothing_else_of_the_source_leaks(made, tmp_path):
    """Only what is carried is found again, and no name of a folder."""
    assert made  # with a page that is drawn quickly
    datasets, mark = head("axial"), marked()
    assert len(mark) > 150
    for one in datasets:
        one.update(mark)
    folder = saved(tmp_path / "LEAK", datasets)
    _, result = read_result(folder)
    paths = write_dicom(result, folder, tmp_path / "out")
    assert b"LEAK" in next(folder.iterdir()).read_bytes()
    for path in paths:
        assert b"LEAK" not in path.read_bytes(), path.name
    assert b"P-17" in paths[0].read_bytes()


@pytest.mark.parametrize("ct", [False, pytest.param(True, marks=pytest.mark.full)])
def test_an_enhanced_source_gets_an_enhanced_anatomy(made, ct):
    one = made("axial", frames=not ct, ct=ct)
    if ct:
        first = one.one("anatomy-0001")
        assert first.Modality == "MR"
        assert first.ScanningSequence == "RM"
        assert first.SourceImageSequence[0].ReferencedSOPClassUID.name == "CT Image Storage"
        return
    got = one.one("anatomy")
    assert got.SOPClassUID.name == "Enhanced MR Image Storage"
    assert got.NumberOfFrames == PLANES
    expected = np.moveaxis(np.asarray(one.result.anatomy.voxels), 2, 0).swapaxes(1, 2)
    np.testing.assert_allclose(got.pixel_array / 1000, expected, atol=0.00051)
    for k, group in enumerate(got.PerFrameFunctionalGroupsSequence):
        assert group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber == k + 1
