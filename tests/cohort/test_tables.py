"""The tables of all scans, when many runs end together."""

from contextlib import contextmanager

import pytest

from sanum.cohort import expand, run, tables, update_tables, write_tables
from sanum.cohort.failures import STATE
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

    def counted(output, *more):
        seen.append(output)
        yield from read(output, *more)

    monkeypatch.setattr(tables, "records_below", counted)
    return seen


def test_tables_that_were_begun_later_are_left_as_they_are(out, readings, monkeypatch):
    """As when another run wrote them between the asking and the lock."""
    alone, met = tables.alone, []

    @contextmanager
    def after_another(output):
        if not met:
            met.append(True)
            write_tables(out, TABLES)
        with alone(output):
            yield

    monkeypatch.setattr(tables, "alone", after_another)
    update_tables(out, TABLES)
    assert len(readings) == 1
    assert (out / "volumes.tsv").read_text().count("\n") == 4
    update_tables(out, TABLES)  # asked for after they were begun
    assert len(readings) == 2
    assert not (out / STATE).exists()


def test_tables_that_were_begun_before_are_written_again(out, monkeypatch):
    """Another run reads the records, then this one asks, then the other ends."""
    below, asked = tables.records_below, []

    def interrupted(output, *more):
        yield from below(output, *more)
        if not asked:
            asked.append(out / STATE / f"late{tables._ASKED}")
            asked[0].touch()

    monkeypatch.setattr(tables, "records_below", interrupted)
    write_tables(out, TABLES)
    assert asked[0].exists()
    write_tables(out, TABLES)
    assert not asked[0].exists()


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
