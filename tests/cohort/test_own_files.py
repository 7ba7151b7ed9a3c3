"""Records, notes and locks in the output folder are input too: what is odd is named, and made again."""

import json
import os
import random
import time

import pytest

from sanum.cohort import RunSummary, expand, lock, run, tables, update_tables, write_tables
from sanum.cohort.bids.pages import results_of, write_subjects
from sanum.cohort.failures import STATE
from sanum.cohort.record import DamagedRecord, read_record
from sanum.healthy.job import TABLES

from .stand_in import NO_REPORT

NUMBERS = ("brain_ml", "anomaly_ml", "mean_uncertainty")
RECORD = "sub-02/anat/sub-02_acq-T1w_record.json"

ODD = {
    "empty": lambda _: "",
    "cut short": lambda record: json.dumps(record)[:-40],
    "zeros": lambda record: "\0" * len(json.dumps(record)),
    "nested deeply": lambda _: '{"input": ' + "[" * 100_000,
    "no input": lambda record: json.dumps({k: v for k, v in record.items() if k != "input"}),
    "input is a list": lambda record: json.dumps({**record, "input": [1]}),
    "path is a number": lambda record: json.dumps({**record, "input": {**record["input"], "path": 7}}),
    "path with a zero": lambda record: json.dumps({**record, "input": {**record["input"], "path": "a\0"}}),
    "half a character": lambda record: json.dumps({**record, "warnings": ["\ud800"]}),
    "a number is a word": lambda record: json.dumps({**record, "anomaly_ml": "many"}),
    "a number is a list": lambda record: json.dumps({**record, "brain_ml": [3]}),
    "a number is not": lambda record: json.dumps({**record, "brain_ml": float("nan")}),
    "a number without end": lambda record: json.dumps(record).replace(
        '"brain_ml": ', '"brain_ml": 1e999, "x": '
    ),
    "a huge whole number": lambda record: json.dumps({**record, "brain_ml": 10**400}),
    "warnings are a word": lambda record: json.dumps({**record, "warnings": "bad"}),
    "a warning is a table": lambda record: json.dumps({**record, "warnings": [{}]}),
    "outputs are numbers": lambda record: json.dumps({**record, "outputs": {"anatomy": 3}}),
    "outputs lie elsewhere": lambda record: json.dumps({**record, "outputs": {"report": "../../secret"}}),
    "the job is a list": lambda record: json.dumps({**record, "job": []}),
}


@pytest.fixture
def out(cohort, fast, tmp_path):
    out = tmp_path / "out"
    assert all(o.state == "done" for o in run(expand([cohort(3)], out), out, fast, NO_REPORT))
    return out


def rows_in(out, table="volumes.tsv"):
    return [line.split("\t")[1] for line in (out / table).read_text().splitlines()[1:]]


OTHERS = ["sub-01/anat/sub-01_acq-T1w", "sub-03/anat/sub-03_acq-T1w"]
ALL = sorted([*OTHERS, "sub-02/anat/sub-02_acq-T1w"])


def test_one_odd_record_costs_its_own_row_and_is_made_again(out, fast, tmp_path, caplog):
    right = (out / RECORD).read_bytes()
    for what, damaged in ODD.items():
        (out / RECORD).write_text(damaged(json.loads(right)))
        caplog.clear()
        write_tables(out, TABLES)
        assert rows_in(out) == rows_in(out, "qc.tsv") == OTHERS, what
        assert f"{RECORD} is left out of the tables" in caplog.text, what
        assert results_of(out, "sub-02") == [], what
        outcomes = list(run(expand([tmp_path / "in"], out), out, fast, NO_REPORT))
        assert [o.state for o in outcomes] == ["finished", "done", "finished"], what
        assert outcomes[1].otherwise.startswith("sub-02_acq-T1w_record.json is damaged, it"), what
        assert (out / RECORD).read_bytes() == right, what
    write_tables(out, TABLES)
    assert rows_in(out) == ALL


def test_pages_show_what_is_whole(out, tmp_path):
    (out / RECORD).write_text(ODD["warnings are a word"](json.loads((out / RECORD).read_text())))
    other = out / RECORD.replace("02", "03")
    other.write_text(json.dumps({**json.loads(other.read_text()), "contrast": [5], "volume": "last"}))
    assert [path.name for path in write_subjects(out)] == ["sub-01.html", "sub-03.html"]
    assert "Contrast: not known" in (out / "sub-03.html").read_text()


def test_a_pipe_with_a_record_s_name_is_not_waited_for(out):
    os.mkfifo(out / "sub-01" / "x_record.json")
    write_tables(out, TABLES)
    assert rows_in(out) == ALL
    with pytest.raises(DamagedRecord, match="it is no regular file"):
        read_record(out / "sub-01" / "x_record.json")


def changed(text, rng):
    """`text` with some of its bytes changed, or the value of a field by one of another kind."""
    if rng.random() < 0.5:
        record = json.loads(text)
        place = rng.choice([record, record["input"], record["outputs"]])
        place[rng.choice([*place, "x"])] = rng.choice(
            [None, True, -1, 1 << 70, 0.5, "", "\0", "\udc00", [], [[]], {}, {"a": []}, "../x", "x" * 300]
        )
        return json.dumps(record).encode()
    content = bytearray(text.encode())
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content[: rng.choice([len(content), rng.randrange(len(content))])])


@pytest.mark.timeout(900)  # hundreds of records, on a busy machine too
@pytest.mark.parametrize("count", [60, pytest.param(240, marks=pytest.mark.full)])
def test_whatever_stands_in_a_record_tables_and_pages_are_made(out, count):
    rng, text, kept = random.Random(count), (out / RECORD).read_text(), 0
    for n in range(count):
        (out / RECORD).write_bytes(changed(text, rng))
        write_tables(out, TABLES)
        assert set(OTHERS) <= set(rows_in(out)) <= set(ALL)
        kept += rows_in(out) == ALL
        if n % 10 == 0:
            write_subjects(out, ["sub-02"])
    assert 0.02 * count < kept < 0.95 * count  # both are tried


class TestAClockThatGoesBack:
    def test_tables_know_all_results(self, out, fast, tmp_path):
        """Written when the clock was a day ahead; two scans more since then."""
        summary = RunSummary(expand([tmp_path / "in"], out), (1, 1), out, TABLES)
        for outcome in run(summary.items[:1], out, fast, NO_REPORT):
            summary.add(outcome)
        (out / RECORD).rename(tmp_path / "later.json")
        summary.write()
        assert rows_in(out) == OTHERS
        tomorrow = time.time() + 86_400
        for name in (*TABLES, tables.FAILED):
            os.utime(out / name, (tomorrow, tomorrow))
        (tmp_path / "later.json").rename(out / RECORD)
        summary.write()
        assert rows_in(out) == ALL

    def test_a_failure_is_told(self, out, cohort, fast, tmp_path):
        write_tables(out, TABLES)
        tomorrow = time.time() + 86_400
        os.utime(out / tables.FAILED, (tomorrow, tomorrow))
        bad = tmp_path / "in" / "sub-04_T1w.nii.gz"
        bad.write_bytes(b"")
        items = expand([tmp_path / "in"], out)
        assert "failed" in {o.state for o in run(items, out, fast, NO_REPORT)}
        update_tables(out, TABLES)
        assert "\nsub-04_T1w.nii.gz\tsub-04_T1w.nii.gz is empty" in (out / tables.FAILED).read_text()


def test_notes_of_failures_that_are_odd_are_named_and_removed(out, tmp_path, caplog):
    state = out / STATE
    state.mkdir()
    whole = {"path": str(tmp_path / "in"), "reason": "x", "results_folder": ".", "before_reading": False}
    (state / "whole.failed.json").write_text(json.dumps(whole))
    odd = ["", "[]", "[" * 100_000, *(json.dumps({**whole, key: 5}) for key in whole)]
    odd += [json.dumps({**whole, "path": "a\0"}), json.dumps({**whole, "reason": "\ud800"})]
    for n, text in enumerate(odd):
        (state / f"{n}.failed.json").write_text(text)
    (state / "folder.failed.json").mkdir()
    (state / "link.failed.json").symlink_to(tmp_path)
    assert write_tables(out, TABLES) == [("in", "x", ".")]
    assert sorted(os.listdir(state)) == ["whole.failed.json"]
    assert tmp_path.is_dir()
    assert all(f"{n}.failed.json" in caplog.text for n in (*range(len(odd)), "folder", "link"))


def test_a_note_is_not_written_through_a_link(out, fast, cohort, tmp_path):
    """Planted in the place of the note, and of what becomes it."""
    bad = tmp_path / "in" / "sub-04_T1w.nii.gz"
    bad.write_bytes(b"")
    [item] = expand([bad], out)
    assert [o.state for o in run([item], out, fast, NO_REPORT)] == ["failed"]
    [note] = (out / STATE).glob("*.failed.json")
    right, precious = note.read_bytes(), tmp_path / "precious"
    precious.write_text("mine")
    note.unlink()
    note.symlink_to(precious)
    note.with_suffix(".part").symlink_to(precious)
    assert [o.state for o in run([item], out, fast, NO_REPORT)] == ["failed"]
    assert precious.read_text() == "mine"
    assert not note.is_symlink()
    assert note.read_bytes() == right
    assert not os.path.lexists(note.with_suffix(".part"))


HOLDER = {**lock._here(), "pid": os.getpid(), "started": "1", "run": "other"}


def odd_locks():
    yield from ("", "null", "[]", "{}", "[" * 100_000, "\0" * 99, "x" * (1 << 20))
    for key, value in [("pid", "x"), ("pid", -1), ("pid", 0), ("pid", 1 << 80), ("pid", None), ("pid", 1.5)]:
        yield json.dumps({**HOLDER, key: value})
    for key in ("host", "started", "run"):
        yield json.dumps({**HOLDER, key: [5]})
    yield json.dumps({"pid": 1})


class TestLocks:
    @pytest.fixture
    def path(self, tmp_path):
        (tmp_path / "state").mkdir()
        return tmp_path / "state" / "scan.lock"

    @pytest.mark.parametrize("ahead", [-lock._EMPTY_S - 1, lock._EMPTY_S + 1])
    def test_one_that_names_nobody_is_taken_over(self, path, ahead):
        for text in odd_locks():
            path.write_text(text)
            then = time.time() + ahead
            os.utime(path, (then, then))
            assert not lock.is_held(path, "a")
            assert lock.acquire(path, "a"), text[:80]
            assert lock.is_held(path, "a")
            lock.release(path)
        assert list(path.parent.iterdir()) == []

    def test_one_of_the_future_does_not_wait_for_the_clock(self, path):
        """Nobody who lives can have it: holders set its time every minute."""
        path.write_text(json.dumps({**HOLDER, "host": "elsewhere"}))
        assert not lock.acquire(path, "a")
        then = time.time() + lock.LONGEST_S + 60
        os.utime(path, (then, then))
        assert lock.acquire(path, "a")

    def test_what_is_no_file_is_removed_with_a_word(self, path, tmp_path, caplog):
        precious = tmp_path / "precious"
        precious.write_text(json.dumps({**HOLDER, "host": "elsewhere"}))
        kinds = {
            "link": lambda p: p.symlink_to(precious),
            "link to nothing": lambda p: p.symlink_to("nowhere"),
            "link to a folder": lambda p: p.symlink_to(tmp_path),
            "pipe": os.mkfifo,
            "folder": lambda p: p.mkdir(),
        }
        for name, make in kinds.items():
            for where in (path, path.with_name("scan.lockx")):
                caplog.clear()
                make(where)
                assert lock.acquire(path, "a"), name
                assert f"removed {where}" in caplog.text, name
                lock.release(path)
                assert list(path.parent.iterdir()) == [], name
        assert precious.exists()

    def test_somebody_s_folder_is_moved_out_of_the_way(self, path, caplog):
        path.mkdir()
        (path / "precious").write_text("mine")
        assert lock.acquire(path, "a")
        [aside] = path.parent.glob("scan.lock.aside-*")
        assert (aside / "precious").read_text() == "mine"
        assert aside.name in caplog.text

    def test_a_state_folder_that_is_a_link_is_not_followed(self, tmp_path):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (tmp_path / "state").symlink_to(elsewhere)
        assert lock.acquire(tmp_path / "state" / "scan.lock", "a")
        assert list(elsewhere.iterdir()) == []

    @pytest.mark.parametrize("count", [200, pytest.param(1200, marks=pytest.mark.full)])
    def test_any_bytes_hold_for_a_while_at_most(self, path, count):
        rng = random.Random(count)
        for _ in range(count):
            content = bytearray(json.dumps({**HOLDER, "host": "elsewhere"}).encode())
            for _ in range(rng.randint(1, 5)):
                content[rng.randrange(len(content))] = rng.randrange(256)
            path.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content))])])
            then = time.time() + rng.choice([-1, 1]) * (lock.LONGEST_S + 60)
            os.utime(path, (then, then))
            assert lock.acquire(path, "a")
            lock.release(path)
