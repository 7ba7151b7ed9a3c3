"""Which paths a table names, whoever wrote it."""

from pathlib import Path

import pytest

from sanum.cohort.lists import read_lines, read_list
from sanum.scan import ScanError


@pytest.fixture
def listed(tmp_path):
    """Read a table of this text; paths below its folder."""

    def read(text):
        (tmp_path / "list.tsv").write_text(text)
        return [(path.relative_to(tmp_path).as_posix(), to) for path, to in read_list(tmp_path / "list.tsv")]

    return read


@pytest.mark.parametrize("header", ["path", "Path", "#path", "# PATH", '"path"', "filename", "File"])
def test_the_column_of_paths_is_found_by_its_header(listed, header):
    assert listed(f"id\t{header}\n1\ta.nii\n2\tb\n") == [("a.nii", None), ("b", None)]


def test_path_goes_before_other_headers(listed):
    assert listed("file\tpath\nx\ta.nii\n") == [("a.nii", None)]


@pytest.mark.parametrize("header", ["scan\tage", "T1w\tage"])
def test_a_first_row_that_can_be_no_scan_is_a_header(listed, header):
    assert listed(f"{header}\na.nii\t41\n") == [("a.nii", None)]


@pytest.mark.parametrize("first", ["gone.nii.gz", "gone.MGZ", "dicom/series", "there"])
def test_a_first_row_that_may_be_a_scan_is_kept(listed, tmp_path, first):
    (tmp_path / "there").mkdir()
    assert listed(f"{first}\t41\na.nii\t41\n") == [(first, None), ("a.nii", None)]


def test_cells_may_be_quoted(listed):
    assert listed('path\tage\n"a ""b""\tc.nii"\t"41"\nd"e.nii\t3\n') == [
        ('a "b"\tc.nii', None),
        ('d"e.nii', None),
    ]


def test_a_quoted_cell_without_an_end_is_refused(listed):
    with pytest.raises(ScanError, match=r"list\.tsv is no table: .*; a cell that starts with \" ends with"):
        listed('path\n"a.nii\nb.nii\nc.nii\n')


def test_a_list_may_say_where_results_go(listed):
    text = "path\tresults_folder\na.nii\tx/y\nb.nii\t.\nc.nii\tn/a\nd.nii\t\ne.nii\n"
    assert listed(text) == [
        ("a.nii", "x/y"),
        ("b.nii", "."),
        ("c.nii", None),
        ("d.nii", None),
        ("e.nii", None),
    ]


def test_rows_without_a_path_are_left_out(listed):
    assert listed("id\tpath\n1\ta.nii\n2\t\n3\n\n \n") == [("a.nii", None)]


def test_lines():
    assert read_lines(b"a\r\n\n b \n") == [(Path("a"), None), (Path(" b "), None)]
