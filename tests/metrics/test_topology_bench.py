"""`bench/topology.py`: its Betti numbers, and that a stopped run goes on."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module("topology")
    sys.modules.pop("topology")


def test_parts_and_holes_are_counted(bench):
    mask = np.zeros((9, 12), bool)
    mask[1:6, 1:6] = True
    mask[3, 3] = mask[4, 4] = False  # two holes: background has 4 neighbours
    mask[6, 6] = mask[8, 11] = True  # one is joined at its corner
    assert bench.betti(mask).tolist() == [2, 2]
    box = np.zeros((7, 7, 7), bool)
    box[1:6, 1:6, 1:6] = True
    box[3, 3] = False  # a tunnel
    box[0, 0, 0] = True
    assert bench.betti(box).tolist() == [1, 1, 0]


def test_a_stopped_run_goes_on(bench, tmp_path, monkeypatch):
    rng, truth = np.random.default_rng(0), np.zeros((20, 22), bool)
    truth[8:11, 2:20] = True
    cases = [
        bench.Case(str(n), (truth + rng.normal(size=truth.shape)).astype(np.float32), truth, truth | True)
        for n in range(2)
    ]
    plan = bench.Plan(patch=(16, 16), batch=2, start_steps=2, steps=2, widths=(4, 8))
    losses = [bench.Loss("dice"), bench.Loss("soft", 0.5, 2), bench.Loss("exact", 0.5, 2)]
    told, learn = [], bench.learn
    monkeypatch.setattr(bench, "learn", lambda *a, **k: told.append(k["tell"]) or learn(*a, **k))
    for some in (losses[:1], losses, losses):
        bench.run(tmp_path / "seed-0", cases[:1], cases[1:], some, 0, plan)
    assert len(told) == 4  # the start, and each loss once
    rows = {
        str(x): [[bench.scores(bench.found_by(tmp_path / "seed-0", x.file, cases[1]), cases[1], 8)]]
        for x in losses
    }
    assert len(bench.table(rows, bench.seconds_of([tmp_path / "seed-0"], losses)).splitlines()) == 5
    with pytest.raises(SystemExit, match="other settings"):
        bench.run(tmp_path / "seed-0", cases[:1], cases[1:], losses, 0, replace(plan, steps=3))
