"""`bench/translation.py`: what counts as done, and what draws are to an interval."""

import csv
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from sanum.data.pairs import ScanPair
from sanum.scan import Scan

_spec = spec_from_file_location("translation_bench", Path(__file__).parents[2] / "bench" / "translation.py")
bench = module_from_spec(_spec)
_spec.loader.exec_module(bench)

OLD = "set,method,moved,landmarks,case,mae,psnr,ssim,dice,dice_thin,fit_s,apply_s\n"


def row(case, psnr, **about):
    rest = dict.fromkeys(("mae", "ssim", "dice", "dice_thin", "fit_s", "apply_s"), 0.5)
    return {"set": "s", "method": "regression", "moved": 2, "landmarks": "", **about, "case": case} | {
        "psnr": psnr,
        **rest,
    }


def test_steps_and_draws_are_conditions_and_older_rows_stay(tmp_path):
    path = tmp_path / "translation.csv"
    path.write_text(OLD + "s,regression,2,,a,1,20,0.5,0.5,0.5,9,1\n")
    store, about = bench.Store(path), {"set": "s", "method": "regression", "moved": 2, "landmarks": ""}
    assert store.has(about)
    assert not store.has({**about, "steps": 250, "draw": 0})
    store.add([row("a", 21.0, steps=250, draw=0)])
    again = bench.Store(path)
    assert again.has({**about, "steps": 250, "draw": 0})
    assert not again.has({**about, "steps": 500, "draw": 0})
    assert not again.has({**about, "steps": 250, "draw": 1})
    with path.open(newline="") as file:
        old, new = csv.DictReader(file)
    assert (old["steps"], old["psnr"], new["steps"], new["psnr"]) == ("", "20", "250", "21.0")


def test_draws_of_a_subject_are_averaged_before_the_interval(tmp_path, capsys):
    store = bench.Store(tmp_path / "translation.csv")
    rows = [row(f"sub-{n}", 20.0 + 4 * d, steps=9, draw=d) for n in range(6) for d in range(3)]
    store.add([*rows, row("sub-0", 30.0, steps=10, draw=0)])
    bench.print_table(store)
    first, line, other = capsys.readouterr().out.splitlines()
    assert "slices of one person" in first
    assert "24.0 [24.0, 24.0]" in line  # six people, each 20, 24 and 28
    assert line.endswith("18 rows, 3 draws")
    assert "| 10 | 30.0 |" in other


def test_another_draw_moves_pairs_otherwise_by_as_much():
    voxels = np.zeros((24, 24, 24), np.float32)
    voxels[8:16, 8:16, 8:16] = 1
    scan = Scan(voxels, np.eye(4))
    pairs = [ScanPair("a", "a", scan, scan)]
    moved = [np.asarray(bench.moved_pairs(pairs, 3, draw)[0].source.voxels) for draw in (0, 0, 1)]
    np.testing.assert_array_equal(moved[0], moved[1])
    middles = [np.argwhere(x > 0.5).mean(0) for x in (voxels, moved[0], moved[2])]
    assert [np.linalg.norm(m - middles[0]) for m in middles[1:]] == pytest.approx([3, 3], abs=0.3)
    assert np.linalg.norm(middles[1] - middles[2]) > 1
