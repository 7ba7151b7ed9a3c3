"""`run.json` is that of the newest run, and keeps in short what the runs before were."""

import json

import pytest

from sanum.cohort import write_summary


def summary(n):
    scans = [{"input": "secret", "state": "done"}, {"input": "b", "state": "failed"}, {"state": "done"}]
    return {"version": "1", "date": f"2026-01-{n:02d} 08:00 UTC", "seconds": 1.5, "scans": scans}


def test_a_run_does_not_forget_those_before(tmp_path):
    for n in (1, 2, 3):
        write_summary(tmp_path, "run.json", summary(n))
    found = json.loads((tmp_path / "run.json").read_text())
    assert found.pop("earlier") == [
        {
            "version": "1",
            "date": f"2026-01-{n:02d} 08:00 UTC",
            "weights": None,
            "weights_sha256": None,
            "device": None,
            "seconds": 1.5,
            "states": {"done": 2, "failed": 1},
        }
        for n in (1, 2)
    ]
    assert found == summary(3)  # for old readers


def test_no_more_than_the_newest_hundred(tmp_path):
    long = {**summary(1), "earlier": [{"date": str(n)} for n in range(150)]}
    (tmp_path / "run.json").write_text(json.dumps(long))
    write_summary(tmp_path, "run.json", summary(2))
    earlier = json.loads((tmp_path / "run.json").read_text())["earlier"]
    assert [run["date"] for run in earlier] == [*(str(n) for n in range(51, 150)), "2026-01-01 08:00 UTC"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "\udcff", "[" * 100_000, '{"earlier": 3, "scans": {}}'])
def test_a_damaged_one_is_replaced(tmp_path, text):
    (tmp_path / "run.json").write_text(text, errors="surrogateescape")
    write_summary(tmp_path, "run.json", summary(1))
    found = json.loads((tmp_path / "run.json").read_text())
    assert len(found.pop("earlier")) == text.startswith('{"')
    assert found == summary(1)
