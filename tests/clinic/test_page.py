"""The page says what it must within its place, and no name of a file."""

from dataclasses import replace

import pytest

from sanum.clinic import page
from sanum.clinic.maker import maker_of
from sanum.clinic.unnamed import unnamed_warnings
from sanum.scan import read

from .series import head, result_of, saved

LONG = "the scan shows a part of the head only: {} mm of it lie outside of the field of view, " * 3


@pytest.fixture
def result(tmp_path):
    """Of a folder with a patient's name, under a link."""
    (tmp_path / "MUELLER_HANS_1950").symlink_to(saved(tmp_path / "Hans+Müller", head("axial")))
    return result_of(read(tmp_path / "MUELLER_HANS_1950"))


def test_no_name_of_a_file_is_drawn(result, monkeypatch):
    told = (
        "gone on by force: no head found in MUELLER_HANS_1950: its sides correlate by 0.1",
        "Hans+Müller lacks a plane; Hans+Müller.json beside the scan cannot be used",
        "mueller_hans_1950-lesion.nii.gz covers 3% of the brain",
        "the head was turned",
    )
    said = {**result.provenance, "input": "MUELLER_HANS_1950", "mask": "MUELLER_HANS_1950-lesion.nii.gz"}
    result = replace(result, warnings=told, provenance=said)
    drawn = []
    monkeypatch.setattr(page.Figure, "text", lambda _, x, y, text, **kind: drawn.append(text))
    page._text(result, maker_of(result, ["1.2.3"]))
    drawn = " ".join("\n".join(drawn).split())
    assert "muel" not in drawn.casefold()
    assert "hans" not in drawn.casefold()
    assert "no head found in …: its sides" in drawn
    assert unnamed_warnings(result)[3] == "the head was turned"


@pytest.mark.parametrize("count", [1, 3, 40])
def test_warnings_end_above_what_made_the_page(count):
    lines = page._notes([LONG.format(k, k, k) for k in range(count)])
    assert len(lines) <= page._MOST_LINES
    whole = sum(line.startswith("! the scan") for line in lines)
    assert lines[-1] == f"! and {count - whole} more, in the report" or whole == count
