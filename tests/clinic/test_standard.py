"""What others' programs say: dciodvfy of the standard, dcmtk of what the pixels show."""

import re

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("highdicom")

CASES = {
    "lesion": ({}, ("anomaly", "probability", "uncertainty", "anatomy-0001", "findings", "page")),
    "no lesion": ({"anomaly": False}, ("findings", "page")),
    "few frames": ({"omit": True}, ("anomaly",)),
    "CT": ({"what": "axial", "ct": True}, ("anomaly", "anatomy-0001", "findings")),
    "enhanced": ({"what": "axial", "frames": True}, ("anomaly", "probability", "anatomy", "findings")),
}


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.full] * (c in ("few frames", "CT"))) for c in CASES]
)
def test_dciodvfy_finds_no_error(made, tool, case):
    how, names = CASES[case]
    one = made(**how)
    for name in names:
        ran = tool("dicom3tools", "dciodvfy", "-new", one.paths[f"sanum-{name}.dcm"])
        errors = [line for line in (ran.stdout + ran.stderr).splitlines() if line.startswith("Error")]
        assert not errors, f"{name}:\n" + "\n".join(errors)


@pytest.mark.parametrize("what", ["axial", pytest.param("negated rows", marks=pytest.mark.full)])
def test_a_left_lesion_stays_left_in_dcmtk(made, tool, tmp_path, what):
    """Of an axial plane the left is on the right side, unless its rows run to the patient's right."""
    one = made(what)
    segmented = one.one("anomaly").pixel_array
    frame = int(segmented.sum((1, 2)).argmax())
    ran = tool(
        "dcmtk", "dcmj2pnm", "+op", "+F", frame + 1, one.paths["sanum-anomaly.dcm"], tmp_path / "mask.pgm"
    )
    assert ran.returncode == 0, ran.stderr
    with Image.open(tmp_path / "mask.pgm") as image:
        shown = np.asarray(image) > 127
    np.testing.assert_array_equal(shown, segmented[frame] > 0)
    column = np.argwhere(shown)[:, 1].mean()
    assert (column > shown.shape[1] / 2) == (what == "axial")
    name = one.paths[f"sanum-anatomy-{frame + 1:04d}.dcm"]
    ran = tool("dcmtk", "dcmj2pnm", "+op", "+Wi", 1, name, tmp_path / "anatomy.pgm")
    assert ran.returncode == 0, ran.stderr
    with Image.open(tmp_path / "anatomy.pgm") as image:
        grey = np.asarray(image, float)
    brightest = np.argwhere(grey >= grey.max() - 2)[:, 1].mean()
    assert (brightest > grey.shape[1] / 2) == (what == "axial")


def test_dcmtk_shows_the_report(made, tool):
    ran = tool("dcmtk", "dsrdump", "+Pl", made().paths["sanum-findings.dcm"])
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"Tracking Identifier.*lesion 1: ", ran.stdout)
    assert "research use only" in ran.stdout
