"""What results tell of the machine that they were made on, and what of it could act elsewhere."""

import csv
import json
from pathlib import Path

import pytest

from sanum.cli.messages import complain, harmless
from sanum.cohort import expand, run, write_tables
from sanum.cohort.privacy import without_folders
from sanum.cohort.record import is_of_another
from sanum.cohort.tsv import from_cell, to_cell
from sanum.healthy.job import TABLES
from sanum.scan import write

from .stand_in import NO_REPORT, small_scan

NAME = "Jane Doe 1970"


@pytest.fixture
def results(fast, tmp_path):
    """Of three subjects in a person's folder, in another's; the last has two scans of one name."""
    scans, out = tmp_path / NAME / "scans", tmp_path / "John Roe" / "out"
    for n in range(3):
        write(small_scan(n), scans / f"sub-{n}" / f"sub-{n}_T1w.nii.gz")
    (scans / "sub-2" / "sub-2_T1w.mgz").write_bytes(b"")
    items = expand([scans], out)
    assert sorted(o.state for o in run(items, out, fast, NO_REPORT)) == ["done", "done", "failed", "failed"]
    write_tables(out, TABLES)
    return items, out


def test_no_folder_above_is_named(results):
    """In no file that is handed on; the notes in the hidden folder keep whole paths."""
    _, out = results
    texts = [p for p in out.rglob("*") if p.suffix in (".tsv", ".json") and ".sanum" not in p.parts]
    assert len(texts) == 9  # two records, two tables of lesions with what their columns are, three tables
    for path in texts:
        assert NAME not in path.read_text(), path
        assert str(out.parents[1]) not in path.read_text(), path
    with (out / "failed.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["path"] for row in rows] == ["sub-2/sub-2_T1w.mgz", "sub-2/sub-2_T1w.nii.gz"]
    assert "sub-2_T1w.mgz and sub-2_T1w.nii.gz would give outputs of the same name" in rows[0]["reason"]


def test_a_record_of_an_earlier_version_still_counts(results, fast):
    """With the whole path in it: nothing is done again, and the tables show it without its folder."""
    items, out = results
    other = write(small_scan(9), out.parent / "other.nii.gz")
    for record in out.rglob("*_record.json"):
        content = json.loads(record.read_text())
        [item] = [item for item in items if item.shown == content["input"]["path"]]
        del content["input"]["path_sha256"]
        content["input"]["path"] = str(item.path)
        record.write_text(json.dumps(content))
        assert not is_of_another(content, item.path)
        assert is_of_another(content, other)
    before = (out / "volumes.tsv").read_text()
    states = sorted(o.state for o in run(items, out, fast, NO_REPORT))
    assert states == ["failed", "failed", "finished", "finished"]
    write_tables(out, TABLES)
    assert (out / "volumes.tsv").read_text() == before


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", r"\x3d1+1"),
        ("+cmd|' /C calc'!A0", r"\x2bcmd|' /C calc'!A0"),
        ("-2+3", r"\x2d2+3"),
        ("@SUM(A1)", r"\x40SUM(A1)"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        ("＝1", r"\xef\xbc\x9d1"),
        ("-", r"\x2d"),
    ],
)
def test_a_cell_that_acts_is_quoted(text, cell):
    assert to_cell(text) == cell
    assert from_cell(cell) == text


@pytest.mark.parametrize("text", ["-0.5", "+1", "-1e-05", "-.5", "-inf", "0.5", "n/a", "sub-1", "a=b"])
def test_numbers_and_words_stay(text):
    assert to_cell(text) == text


def test_no_message_acts_on_a_terminal(capsys):
    complain("columns that clash: \x1b]0;owned\x07age \u202eexe", ["\x1b[2J\tlist"])
    assert capsys.readouterr().err == "sanum: columns that clash: ?]0;owned?age ?exe\n?[2J\tlist\n"
    assert harmless("una\x1b[31m\t1 MB") == "una?[31m\t1 MB"


def test_a_reason_is_one_line_without_folders():
    reason = "/a/Jane/x holds 2 DICOM series: choose\n  3: of Jane Doe"
    assert without_folders(reason, Path("/a/Jane/x")) == "x holds 2 DICOM series: choose"
