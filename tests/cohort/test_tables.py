"""The tables of all scans, when many runs end together."""

import os

import pytest

from sanum.cohort import expand, run, tables, update_tables, write_tables
from sanum.healthy.job import TABLES
from sanum.scan import ScanError

from .stand_in import NO_REPORT


@pytest.fixture
def out(cohort, fast, tmp_path):
    out = tmp_path / "out"
    assert all(o.state == "done" for o in run(expand([cohort(3)], out), out, fast, NO_REPORT))
    return out


@pytest.fixture
def readings(monkeypatch):
    """How often all records were read."""
    read, seen = tables.records_below, []

    def counted(output):
        seen.append(output)
        yield from read(output)

    monkeypatch.setattr(tables, "records_below", counted)
    return seen


def test_tables_that_were_begun_later_are_left_as_they_are(out, readings, monkeypatch):
    """As when another run wrote them between the asking and the lock."""
    asked = tables._clock(out)
    write_tables(out, TABLES)
    with monkeypatch.context() as then:
        then.setattr(tables, "_clock", lambda _: asked)
        update_tables(out, TABLES)
    assert len(readings) == 1
    assert (out / "volumes.tsv").read_text().count("\n") == 4
    update_tables(out, TABLES)  # asked for after they were begun
    assert len(readings) == 2


def test_a_row_that_somebody_took_out_comes_back(out):
    write_tables(out, TABLES)
    before = (out / "volumes.tsv").read_text()
    (out / "volumes.tsv").write_text(before.splitlines()[0] + "\n")
    update_tables(out, TABLES)
    assert (out / "volumes.tsv").read_text() == before


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ScanError, match="cannot write to"):
        update_tables(tmp_path / "out", TABLES)


def test_the_time_of_a_table_is_that_of_what_it_knows(out):
    now = tables._clock(out)
    write_tables(out, TABLES)
    times = {os.stat(out / name).st_mtime_ns for name in (*TABLES, tables.FAILED)}
    assert len(times) == 1
    assert times.pop() >= now
