"""Filter files: which scans their queries ask for, and which queries are refused or left out."""

import json
from pathlib import Path

import pytest

from sanum.cohort.bids.dataset import select
from sanum.cohort.bids.filters import fits, read_filters
from sanum.scan import ScanError

from ..stand_in import SCANS


@pytest.fixture
def queries(tmp_path):
    """Queries of a file with this content, and what is told of them."""

    def read(content):
        (tmp_path / "filter.json").write_text(json.dumps(content))
        notes = []
        return read_filters(tmp_path / "filter.json", on_note=notes.append), notes

    return read


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ({"t1w": {}}, {0, 2}),
        ({"t1w": {"session": None}}, {2}),
        ({"any": {"session": "*"}}, {0, 1}),
        ({"flair": {"run": 2}, "t1w": {"subject": ["02"]}}, {1, 2}),
        ({"any": {"run": [1, "2"], "datatype": "anat"}}, {1}),
        ({"any": {"suffix": ["T1w"], "session": ["a", "b"]}}, {0}),
        ({"any": {"ses": "b"}}, {1}),
        ({"t1w": {"extension": [".nii", ".nii.gz"]}}, {0, 2}),
        ({"t1w": {"extension": "nii.gz", "task": None, "space": None}}, {0, 2}),
        ({"any": {"datatype": ["anat", "func"], "suffix": ["FLAIR", "bold"]}}, {1}),
    ],
)
def test_a_query_takes_what_fits(data, queries, content, left):
    wanted, notes = queries(content)
    assert {i.path.name for i in select(data, filters=wanted)} == {Path(SCANS[n]).name for n in left}
    assert notes == []


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("sub-1_acq-x_ce-gd_rec-a_T1w.nii", {"acquisition": "x", "ceagent": "gd", "reconstruction": "a"}),
        ("sub-1_inv-2_part-mag_T1w.nii", {"inv": 2, "part": "mag", "extension": ".nii"}),
        ("sub-1_mod-T1w_echo-03_T2w.nii", {"modality": "T1w", "echo": [1, 3]}),
        ("sub-1_dir-AP_proc-n_desc-x_T1w.nii", {"direction": "AP", "processing": "n", "description": "x"}),
    ],
)
def test_every_entity_can_be_asked_for(name, query):
    assert fits(Path(name), query)
    assert all(not fits(Path("sub-1_T1w.nii.gz"), {key: value}) for key, value in query.items())


def test_the_filter_file_of_another_program_is_read(data, queries):
    """That of fMRIPrep's documentation asks for functional images too."""
    content = {
        "fmap": {"datatype": "fmap"},
        "bold": {"datatype": "func", "suffix": "bold", "task": "rest", "extension": ".nii.gz"},
        "sbref": {"session": "a"},
        "t2w": {"datatype": "anat", "suffix": "T2w"},
        "t1w": {"datatype": "anat", "suffix": "T1w", "session": "a"},
    }
    wanted, [note] = queries(content)
    assert "asks for fmap, bold, sbref too, which are no anatomical scans" in note
    assert [i.path.name for i in select(data, filters=wanted)] == [Path(SCANS[0]).name]
    with pytest.raises(ScanError, match="asks for no anatomical scan: it has bold"):
        queries({"bold": content["bold"]})


def test_what_is_no_filter_file_is_told(queries):
    with pytest.raises(ScanError, match="asks for sesion: expected one of subject"):
        queries({"t1w": {"sesion": "a"}})
    with pytest.raises(ScanError, match="is no filter file"):
        queries(["t1w"])
