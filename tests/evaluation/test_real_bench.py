"""`bench/real.py`: what it asks of real scans, and that it runs, goes on, and begins anew when told."""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from sanum.evaluation import find_cases
from sanum.evaluation.tasks.anatomy.scores import SCORES
from sanum.methods import registry
from sanum.scan import read
from sanum.scan.maps import read_map

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch):
    """A module of the benches by its name."""
    monkeypatch.syspath_prepend(str(BENCH))
    yield import_module
    for name in ("real", "real_anatomy", "real_cases", "real_report", "brain_mask"):
        sys.modules.pop(name, None)


def row(case, contrast, data="patients", **numbers):
    known = {
        "data": data,
        "case": case,
        "subject": case.partition("_")[0],
        "input": contrast,
        "method": "una",
    }
    empty = dict.fromkeys(("dice", "dice_validated", "dice_oracle", "healthy_ml", "false_ml", "failed"), "")
    return empty | known | numbers


ROWS = [
    row("sub-ms1_FLAIR", "FLAIR", dice="0.62", dice_validated="0.5", dice_oracle="0.7"),
    row("sub-ms1_T1w", "T1w", dice="0.39", dice_validated="", dice_oracle="0.4"),
    row("sub-glioma1_FLAIR", "FLAIR", dice="0.8", dice_validated="0.8", dice_oracle="0.9"),
    row("sub-old1_T1w", "T1w", "old", dice="0", dice_oracle="0.1", false_ml="5.5"),
    row("head-1", "T1w", "heads", healthy_ml="0.2"),
    row("head-2", "T1w", "heads", healthy_ml="0.6"),
    row("pd", "PD", "heads", healthy_ml="1.9"),
]
PAIRS = [{"case": "sub-ms1: FLAIR and T1w", "brain_psnr": "22.5"}]
ANATOMY = [
    {"data": "patients", "case": "sub-ms1_FLAIR", "subject": "sub-ms1", "input": "FLAIR", "tissue": "own T1w",
     "grey_white": 0.21, "coverage_80": 0.85, "brain_psnr": 20.0},
    {"data": "patients", "case": "sub-glioma1_FLAIR", "subject": "sub-glioma1", "input": "FLAIR",
     "tissue": "own T1w", "grey_white": 0.25, "coverage_80": 0.99, "brain_psnr": 24.0},
]  # fmt: skip


def test_what_was_asked_is_measured_at_its_own_number(bench):
    asked = {r["what"]: r for r in bench("real_report").targets(ROWS, PAIRS, ANATOMY)}
    assert {what: r["reached"] for what, r in asked.items()} == {
        "Dice of sub-ms1_FLAIR": "yes",
        "Dice of sub-ms1_T1w": "no",
        "Dice of sub-glioma1_FLAIR": "yes",  # 0.8 is enough
        "called beside the lesions of sub-old1_T1w, mL": "no",
        "largest call in a healthy T1w, mL": "no",
        "largest call in a healthy PD, mL": "yes",
        "in the brain, sub-ms1: FLAIR and T1w, dB": "yes",
        "lowest grey/white contrast from FLAIR (sub-ms1_FLAIR, by own T1w)": "no",
        "mean coverage of the 80 % interval from FLAIR": "no",
    }
    assert asked["largest call in a healthy T1w, mL"]["measured"] == 0.6
    assert asked["mean coverage of the 80 % interval from FLAIR"]["measured"] == pytest.approx(0.92)
    assert asked["mean coverage of the 80 % interval from FLAIR"]["asked"] == "0.7 to 0.9"
    assert asked["Dice of sub-ms1_FLAIR"]["asked"] == "≥ 0.6"


def test_few_people_get_their_range_and_no_interval(bench):
    module = bench("real_report")
    said = {"weights": "w", "sha256": "0" * 64, "notes": ["a note"]}
    text = module.report(said, module.targets(ROWS, PAIRS, ANATOMY), ROWS, ANATOMY)
    assert "* a note" in text
    assert (
        "| patients | FLAIR | una | 2 | 0.71 (0.62 to 0.80) | 0.65 (0.50 to 0.80) | 0.80 (0.70 to 0.90) |"
        in text
    )
    assert "| patients | T1w | una | 1 | 0.39 | – | 0.40 |" in text
    assert "| 22.0 (20.0 to 24.0) |" in text
    five = [row(f"sub-{n}_FLAIR", "FLAIR", dice=f"0.{n}", dice_oracle="0.9") for n in range(1, 6)]
    assert "| patients | FLAIR | una | 5 | 0.30 [" in module.report(said, [], five, [])


@pytest.mark.full
@pytest.mark.timeout(600)
def test_it_runs_goes_on_and_begins_anew(bench, bids, counting, tmp_path, monkeypatch, capsys):
    real, method = bench("real"), counting()
    monkeypatch.setattr(real, "real_cases", lambda data, work: find_cases(bids, healthy=True))
    monkeypatch.setattr(registry, "load", lambda name, weights: method)
    monkeypatch.delitem(SCORES, "population")  # a registration for each scan takes minutes

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["real.py", "-o", str(tmp_path), *words])
        real.main()
        return capsys.readouterr().out

    text = run()
    assert method.passes == 3
    assert text.startswith("# Real scans, none (SHA-256 00000000…)")
    assert "## Evaluation" in text
    folder = tmp_path / ("0" * 12)
    told = json.loads((folder / "real.json").read_text())
    assert (folder / "real.md").read_text() + "\n" == text
    assert {r["method"] for r in told["cases"]} == {"una", *(f"una, {score}" for score in SCORES)}
    mine = {r["case"]: r for r in told["anatomy"]}
    # the phantom's own T1w says where its tissue is, and what its anatomy should be
    assert {r["tissue"] for r in mine.values()} == {"own T1w"}
    assert mine["sub-1_desc-brain_T2w"]["brain_psnr"] > 20
    (tmp_path / "maps" / ("0" * 12 + ".code")).write_text("other")
    again = run("--again")  # from what is kept
    assert method.passes == 3
    note = next(
        line for line in again.splitlines() if line.startswith("* kept results were begun by code other")
    )
    assert again.replace(f"{note}\n\n", "") == text
    run("--fresh", "--only", "sub-2")
    assert method.passes == 4


def test_the_head_itself_says_where_tissue_is_if_nothing_else_does(bench, bids, counting, tmp_path):
    cases = [c for c in find_cases(bids, healthy=True) if c.contrast == "T2w"]
    (found,) = bench("real_anatomy").anatomy_rows(cases, counting(), tmp_path)
    assert found["tissue"] == "itself"
    assert "brain_psnr" not in found


@pytest.mark.full
def test_the_real_scans_are_there(bench, shared_data, tmp_path):
    cases = bench("real_cases").real_cases(shared_data, tmp_path)
    assert len({(c.data, c.name) for c in cases}) == len(cases) > 30
    old = [c for c in cases if c.data == "old" and c.contrast == "T1w"]
    for case in old:  # white-matter lesions of 31 and 37 mL, on the other grid
        mask, scan = read_map(case.lesion), read(case.scan)
        assert mask.grid.same_as(scan.grid)
        assert np.asarray(mask.voxels).sum() * scan.grid.voxel_volume_ml == pytest.approx(34, abs=8)
    held_out = [c for c in cases if c.data == "ixi"]
    assert len(held_out) == 8
    assert all(c.healthy and c.lesion is None for c in held_out)
    assert not any(c.healthy for c in cases if c.data in ("patients", "old", "ct-head"))
