"""The JSON file beside a NIfTI file: what it says of the contrast, and that it can do no harm."""

import json
import os

import pytest

from sanum.scan import read
from sanum.scan.sidecar import MOST_BYTES, contrast_beside, sidecar_of

MPRAGE = {"Modality": "MR", "EchoTime": 0.00298, "RepetitionTime": 2.3, "InversionTime": 0.9}


@pytest.fixture
def beside(tmp_path):
    """Contrast, who decided and warnings of a scan beside which this lies."""

    def answer(content, name="scan.nii.gz"):
        path = tmp_path / name
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        sidecar_of(path).write_bytes(text.encode() if isinstance(text, str) else text)
        decided, warnings = contrast_beside(path)
        return decided.contrast, decided.by, warnings

    return answer


@pytest.mark.parametrize(
    ("contrast", "content"),
    [
        ("T1w", MPRAGE),
        ("T1w", {**MPRAGE, "ScanningSequence": "GR_IR", "SequenceVariant": "SK_SP_MP"}),
        ("T1w", {**MPRAGE, "ScanningSequence": ["GR", "IR"]}),
        ("T1w", {"EchoTime": 0.0037, "RepetitionTime": 0.008, "FlipAngle": 8, "ScanningSequence": "GR"}
         | {"SequenceVariant": "SP", "MRAcquisitionType": "3D"}),
        ("FLAIR", {"EchoTime": 0.12, "RepetitionTime": 9, "InversionTime": 2.5}),
        ("T2w", {"EchoTime": 0.1, "RepetitionTime": 4.0, "ScanningSequence": "SE"}),
        ("T2w", {"SeriesDescription": "AX T2"}),
        ("PD", {"ProtocolName": "FSE PD AXIAL"}),
        ("T1wCE", {"SeriesDescription": "AX T1", "ContrastBolusIngredient": "GADOLINIUM"}),
        ("T1wCE", {**MPRAGE, "ContrastBolusIngredient": "GADOLINIUM"}),
        ("DWI", {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]}),
        ("ADC", {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}),
        ("CT", {"Modality": "CT"}),
    ],
)  # fmt: skip
def test_what_it_says(beside, contrast, content):
    assert beside(content) == (contrast, "sidecar", ())


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"EchoTime": 2.98, "RepetitionTime": 2300, "InversionTime": 900},  # in ms: it would be a FLAIR
        {"EchoTime": -0.1, "RepetitionTime": 4.0, "ScanningSequence": "SE"},
        {"EchoTime": "0.1", "RepetitionTime": [4.0], "ScanningSequence": {"a": "SE"}, "FlipAngle": "8"},
        {"SeriesDescription": 7, "ProtocolName": None, "ImageType": [1, 2], "Modality": ["CT"]},
        {"SeriesDescription": "x" * 100_000 + "\\\x00\ud800", "ImageType": "A\\B"},
        {"EchoTime": 10**400, "RepetitionTime": 4, "FlipAngle": -(10**400)},
    ],
    ids=["nothing", "ms", "negative", "types", "more types", "text", "large"],
)
def test_what_says_nothing(beside, content):
    assert beside(content) == (None, "nobody", ())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "7",
        '"T1w"',
        "[" * 100_000,
        b"\xff\xfe\x00",
        '{"EchoTime": NaN}',
        " " * (MOST_BYTES + 1),
    ],
    ids=["empty", "cut", "list", "number", "text", "deep", "bytes", "NaN", "long"],
)
def test_a_damaged_one_is_told_and_does_no_harm(beside, content):
    contrast, by, warnings = beside(content, "sub-1_T2w.nii.gz")
    assert (contrast, by) == ("T2w", "file name")
    assert warnings[0].startswith("sub-1_T2w.json beside the scan cannot be used (")


def test_a_pipe_or_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    (tmp_path / "b.json").mkdir()
    for name in ("a.nii", "b.nii"):
        decided, warnings = contrast_beside(tmp_path / name)
        assert decided.is_open
        assert len(warnings) == 1


def test_the_name_counts_where_the_two_differ(beside):
    contrast, by, warnings = beside({"SeriesDescription": "AX T2"}, "sub-1_FLAIR.nii.gz")
    assert (contrast, by) == ("FLAIR", "file name")
    assert warnings == (
        "named FLAIR, but the JSON file beside it is of a T2w: taken as FLAIR; "
        "say with --contrast what it is",
    )


def test_it_adds_the_agent_to_the_name(beside):
    given = {**MPRAGE, "ContrastBolusIngredient": "GADOLINIUM"}
    assert beside(given, "sub-1_T1w.nii.gz") == ("T1wCE", "sidecar", ())
    assert beside(MPRAGE, "sub-1_ce-gd_T1w.nii.gz") == ("T1wCE", "file name", ())


def test_where_it_is():
    from pathlib import Path

    assert sidecar_of(Path("a/B.NII.GZ")) == Path("a/B.json")
    assert sidecar_of(Path("a/b.nii")) == Path("a/b.json")
    assert sidecar_of(Path("a/b.mgz")) is None
    assert sidecar_of(Path(".nii")) is None


def test_a_scan_takes_it_from_there(tmp_path, saved, voxels):
    path = saved(tmp_path / "scan.nii.gz", voxels)
    path.with_name("scan.json").write_text(json.dumps(MPRAGE))
    scan = read(path)
    assert (scan.contrast, scan.contrast_by, scan.warnings) == ("T1w", "sidecar", ())


def test_an_agent_that_the_header_names_is_not_denied_in_silence(tmp_path, saved, voxels):
    path = saved(tmp_path / "scan.nii.gz", voxels)
    beside = {"T1wCE": '{"SeriesDescription": "AX T1 +C"}', "T1w": '{"SeriesDescription": "AX T1"}'}
    path.with_name("scan.json").write_text(beside["T1wCE"])
    told = "the JSON file beside it is of a T1wCE: taken as T1w, as asked for"
    assert read(path, contrast="T1w").warnings == (told,)
    path.with_name("scan.json").write_text(beside["T1w"])
    assert read(path, contrast="T1wCE").warnings == ()
