"""What a person said of results outlives spreadsheets, and tables that cannot be read."""

import pytest

from sanum.cohort import write_tables
from sanum.cohort.verdicts import Verdict, read_verdicts
from sanum.healthy.job import TABLES

ROW = "a.nii\ta\tpass\tMüller\n"


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_table_that_a_spreadsheet_saved_keeps_its_verdicts(tmp_path, code):
    table = tmp_path / "qc.tsv"
    table.write_bytes(f"path\tresults\tverdict\tnote\n{ROW}".encode(code))
    write_tables(tmp_path, TABLES)
    assert read_verdicts(table) == {"a": Verdict("pass", "Müller")}
    table.read_bytes().decode("utf-8")


@pytest.mark.parametrize(
    ("head", "verdict"), [("verdict\tother", Verdict("pass", "")), ("other\tnote", Verdict("", "Müller"))]
)
def test_a_column_that_was_deleted_takes_the_other_not_with_it(tmp_path, head, verdict):
    (tmp_path / "qc.tsv").write_text(f"path\tresults\t{head}\n{ROW}")
    write_tables(tmp_path, TABLES)
    assert read_verdicts(tmp_path / "qc.tsv") == {"a": verdict}


def test_a_table_that_cannot_be_read_is_left_as_it_is(tmp_path, caplog):
    table = tmp_path / "qc.tsv"
    table.write_text("somebody's\town\tnotes\n")
    write_tables(tmp_path, TABLES)
    assert table.read_text() == "somebody's\town\tnotes\n"
    assert "qc.tsv is left as it is: qc.tsv is no table of results: move it away" in caplog.text
    assert (tmp_path / "volumes.tsv").is_file()
