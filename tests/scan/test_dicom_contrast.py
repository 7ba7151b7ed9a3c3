"""Contrast from the times of a sequence: said where there is no doubt, and called unknown otherwise."""

import pytest
from pydicom.dataset import Dataset

from sanum.scan import read
from sanum.scan.dicom_contrast import b_value_of, contrast_by_times, contrast_by_words

from .slices import VOXELS, save, slices


def header(echo, repetition, inversion=None, sequence=None, **tags):
    one = Dataset()
    one.Modality, one.EchoTime, one.RepetitionTime = "MR", echo, repetition
    if inversion is not None:
        one.InversionTime = inversion
    if sequence is not None:
        one.ScanningSequence = sequence
    for tag, value in tags.items():
        setattr(one, tag, value)
    return one


SPOILED = {"SequenceVariant": ["SK", "SP", "MP"], "MRAcquisitionType": "3D"}


@pytest.mark.parametrize(
    ("expected", "one"),
    [
        ("T1w", header(2.98, 2300, 900, ["GR", "IR"])),  # MPRAGE
        ("T1w", header(3.1, 7.6, 450, ["GR"])),  # its kind where TR is that of the echoes
        ("T1w", header(9, 2000, 860, ["SE", "IR"])),  # T1 FLAIR
        ("T1w", header(12, 550, None, "SE")),
        ("T1w", header(12, 550)),
        ("T1w", header(3.7, 8, 0, "GR", FlipAngle=8, **SPOILED)),
        ("T2w", header(100, 4000, None, "SE")),
        ("T2w", header(100, 4000)),
        ("T2w", header(408, 3200, None, ["SE"])),  # 3D, of variable flip angle
        ("PD", header(22, 2300, None, "SE")),
        ("FLAIR", header(120, 9000, 2500, ["SE", "IR"])),
        ("FLAIR", header(388, 5000, 1800, ["SE", "IR"])),
        ("FLAIR", header(120, 9000, 2500)),
        ("T2starw", header(20, 620, None, "GR", FlipAngle=20)),
    ],
)
def test_times_without_doubt(expected, one):
    contrast, times = contrast_by_times(one)
    assert contrast == expected
    assert times.startswith(f"TE {float(one.EchoTime):.4g} ms, TR {float(one.RepetitionTime):.4g} ms")


@pytest.mark.parametrize(
    "one",
    [
        header(30, 4000, 150, ["SE", "IR"]),  # STIR
        header(100, 9000, None, ["SE", "IR"]),  # an inversion whose time is not said
        header(90, 5000, None, ["SE", "EP"]),  # diffusion, or a perfusion
        header(2.9, 5000, 2500, ["GR", "IR"]),  # MP2RAGE's second
        header(22, 2300),  # PD, or T1 FLAIR whose inversion is not said
        header(3.4, 21, None, "GR", FlipAngle=18, **SPOILED),  # angiogram
        header(3.7, 8, None, "GR", FlipAngle=8, AngioFlag="Y", **SPOILED),
        header(2.2, 4.5, None, "GR", FlipAngle=50, SequenceVariant="SS", MRAcquisitionType="3D"),
        header(50, 1500, None, "SE"),  # between
        header(900, 8000, None, "SE"),  # of fluid alone
        header(2.98, 2300, 900, ["GR", "IR"], ImageType=["DERIVED", "PRIMARY", "M", "UNI"]),
        header(20, 620, None, "GR", FlipAngle=20, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"]),
        header(100, 4000, None, "SE", Modality="PT"),
        header("", 4000, None, "SE"),
        header(100, "", None, "SE"),
        header(0, 0),
    ],
)
def test_what_could_be_two_things_is_unknown(one):
    assert contrast_by_times(one) is None


@pytest.mark.parametrize("tag", ["EchoTime", "RepetitionTime", "InversionTime"])
def test_times_that_are_no_numbers(tag):
    one = header(100, 4000, None, "SE")
    one.add_new(tag, "LO", "a while")
    assert contrast_by_times(one) in (None, ("T2w", "TE 100 ms, TR 4000 ms"))


def test_words_count_more_than_times(tmp_path):
    times = {"EchoTime": 100, "RepetitionTime": 4000, "ScanningSequence": "SE"}
    named = read(save(tmp_path / "a", slices(VOXELS, SeriesDescription="AX T1", **times)))
    assert (named.contrast, named.warnings) == ("T1w", ())
    told = read(save(tmp_path / "b", slices(VOXELS, SeriesDescription="HEAD", **times)))
    assert told.contrast == "T2w"
    assert {named.contrast_by, told.contrast_by} == {"DICOM header"}
    assert told.warnings == (
        "no name says its contrast: the times of its sequence (TE 100 ms, TR 4000 ms) are those of a T2w",
    )


@pytest.mark.parametrize(
    ("expected", "one"),
    [
        ("DWI", header(90, 5000, None, ["SE", "EP"], DiffusionBValue=1000.0)),
        (None, header(90, 5000, None, ["SE", "EP"], DiffusionBValue=300.0)),
        ("DWI", header(90, 5000, SeriesDescription="ep2d_diff_3scan_trace", DiffusionBValue=1000.0)),
        (None, header(90, 5000, SeriesDescription="ep2d_diff_3scan_trace", DiffusionBValue=0.0)),
        ("DWI", header(90, 5000, ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND"])),
        ("ADC", header(90, 5000, ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"])),
        ("ADC", header(90, 5000, SeriesDescription="ep2d_diff ADC", DiffusionBValue=0.0)),
        (None, header(90, 5000, SeriesDescription="ep2d_diff", ImageType=["DERIVED", "PRIMARY", "FA"])),
        (None, header(20, 30, SeriesDescription="T1 map", ImageType=["DERIVED", "PRIMARY", "T1 MAP"])),
        ("T1wCE", header(12, 550, SeriesDescription="AX T1", ContrastBolusAgent="Gadovist")),
        ("T1w", header(12, 550, SeriesDescription="AX T1", ContrastBolusAgent="NONE")),
        ("T1w", header(12, 550, SeriesDescription="AX T1 PRE", ContrastBolusAgent="Gadovist")),
        ("T2w", header(100, 4000, SeriesDescription="AX T2", ContrastBolusAgent="Gadovist")),
        ("CT", header("", "", Modality="CT", ContrastBolusAgent="iodine")),
    ],
)
def test_diffusion_and_agents(expected, one):
    assert contrast_by_words(one) == expected


def test_an_agent_where_only_the_times_say_that_it_is_a_t1w():
    assert contrast_by_times(header(12, 550, None, "SE", ContrastBolusAgent="Dotarem"))[0] == "T1wCE"
    assert contrast_by_times(header(100, 4000, None, "SE", ContrastBolusAgent="Dotarem"))[0] == "T2w"


@pytest.mark.parametrize(
    ("group", "creator", "element", "vr", "value"),
    [
        (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "1000"),
        (0x0019, "SIEMENS MR HEADER", 0x0C, "UN", b"1000"),
        (0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000001000", "8", "0", "0"]),
        (0x2001, "Philips Imaging DD 001", 0x03, "FL", 1000.0),
    ],
)
def test_b_values_that_only_the_scanner_s_maker_understands(tmp_path, group, creator, element, vr, value):
    series = slices(VOXELS, SeriesDescription="HEAD")
    for one in series:
        one.private_block(group, creator, create=True).add_new(element, vr, value)
    scan = read(save(tmp_path / "a", series))
    assert (scan.contrast, scan.contrast_by) == ("DWI", "DICOM header")


def test_private_values_that_are_no_numbers_are_no_b_values():
    one = header(90, 5000)
    one.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "UN", b"\xff\xfe")
    one.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x39, "LO", "nan")
    assert b_value_of(one) is None


def test_new_scanners_say_it():
    one = header(100, 4000, AcquisitionContrast="FLUID_ATTENUATED")
    assert contrast_by_words(one) == "FLAIR"
