import csv
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from sanum.evaluation import (
    ORACLES,
    Mismatch,
    Oracle,
    chosen,
    find_cases,
    measure,
    worth_measuring,
    write_results,
)
from sanum.evaluation.figure import typical
from sanum.evaluation.numbers import CURVE, difference_map, in_head, known, likeness, numbers_of
from sanum.evaluation.store import COLUMNS, Store
from sanum.evaluation.summary import ON_OTHERS, comparisons, summaries, with_thresholds_of_others
from sanum.evaluation.tables import as_json, as_markdown
from sanum.healthy.reconstruction import reconstruct
from sanum.methods.common.anatomy import Maps
from sanum.metrics.errors import errors
from sanum.scan import Scan, write
from sanum.space.box import Box


class Counting:
    """Brain where it is bright, anomaly where it is very bright; counts its full passes."""

    weights_name, device = "none", "cpu"
    box = Box((80, 96, 80), 2.0)

    def __init__(self, weights="0"):
        self.weights_sha256, self.passes = weights * 64, 0

    def __call__(self, pair, *, covered=None, quick=False):
        self.passes += not quick
        image = pair[0]
        brain, anomaly = np.clip((image - 0.1) / 0.1, 0, 1), np.clip((image - 1.1) / 0.2, 0, 1)
        return Maps(np.minimum(image, 1), anomaly, brain, np.full_like(image, 0.05))


@pytest.fixture(scope="module")
def bids(phantom, tmp_path_factory):
    """Two people: one with a lesion, a known truth, T1w and T2w aligned; one of whom nothing is known."""
    root = tmp_path_factory.mktemp("bids") / "people"
    voxels = np.asarray(phantom.voxels)
    anat, derived = root / "sub-1" / "anat", root / "derivatives" / "masks" / "sub-1" / "anat"
    for path, x in (
        (anat / "sub-1_desc-brain_T1w", voxels),
        (anat / "sub-1_desc-brain_T2w", 500 * voxels),
        (anat / "sub-1_desc-lesion_mask", (voxels > 1.2).astype(np.uint8)),
        (derived / "sub-1_desc-brain_mask", (voxels > 0).astype(np.uint8)),
        (derived / "sub-1_desc-healthy_T1w", np.minimum(voxels, 1)),
        (root / "sub-2" / "anat" / "sub-2_T1w", np.minimum(voxels, 1)),
    ):
        write(phantom.with_voxels(x), path.with_name(f"{path.name}.nii.gz"))
    return root


@pytest.fixture(scope="module")
def measured(bids, tmp_path_factory):
    """Folder of a run that was interrupted after its first case and then went on; its method."""
    folder, method = tmp_path_factory.mktemp("measured"), Counting()
    cases = find_cases(bids, healthy=True)

    def stop(done, count, what):
        assert (done, count, what) == (1, 3, "people/sub-1_desc-brain_T1w, una")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(cases, {"una": method}, folder, compositions=["keep-healthy"], on_case=stop)
    assert len(Store(folder / "cases.csv", COLUMNS).rows) == 2  # with its composition
    assert method.passes == 1
    told = []
    done = measure(
        cases, {"una": method}, folder, compositions=["keep-healthy"], on_case=lambda *x: told.append(x[:2])
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert done.failed == ()
    write_results(folder, "una")
    return folder, method


def rows_of(folder):
    with (folder / "cases.csv").open(newline="") as file:
        return {(r["case"], r["method"]): r for r in csv.DictReader(file)}


class TestCases:
    def test_masks_and_truth_go_to_the_scans_of_their_subject(self, bids):
        first, second, other = find_cases(bids, healthy=True)
        assert [first.contrast, second.contrast, other.contrast] == ["T1w", "T2w", "T1w"]
        assert first.subject == second.subject == "sub-1"
        assert first.aligned == second.aligned == "sub-1_desc-brain"
        for case in (first, second):
            assert case.lesion.name == "sub-1_desc-lesion_mask.nii.gz"
            assert case.brain.name == "sub-1_desc-brain_mask.nii.gz"
            assert case.truth.name == "sub-1_desc-healthy_T1w.nii.gz"
            assert not case.healthy
        assert (other.truth, other.lesion, other.brain, other.healthy) == (None, None, None, True)
        assert not find_cases(bids)[2].healthy

    def test_another_space_is_another_place(self, bids, phantom, tmp_path):
        anat = tmp_path / "set" / "sub-stroke" / "anat"
        for name in ("T1w", "desc-brain_mask", "space-X_T1w", "space-X_desc-tumour_dseg"):
            write(phantom, anat / f"sub-stroke_{name}.nii.gz")
        here, there = find_cases(tmp_path / "set")
        assert (here.lesion, here.brain.name) == (None, "sub-stroke_desc-brain_mask.nii.gz")
        assert (there.lesion.name, there.brain) == ("sub-stroke_space-X_desc-tumour_dseg.nii.gz", None)

    def test_what_does_not_match_is_listed_all_of_it(self, phantom, tmp_path):
        voxels = np.asarray(phantom.voxels)
        moved = np.array(phantom.affine)
        moved[0, 3] += 3
        for n, lesion in enumerate((Scan(voxels[1:], phantom.affine), Scan(voxels, moved), phantom)):
            anat = tmp_path / "set" / f"sub-{n}" / "anat"
            write(phantom, anat / f"sub-{n}_T1w.nii.gz")
            write(lesion, anat / f"sub-{n}_desc-lesion_mask.nii.gz")
        write(phantom, anat / "sub-2_desc-stroke_mask.nii.gz")
        broken = tmp_path / "set" / "sub-3" / "anat"
        write(phantom, broken / "sub-3_T1w.nii.gz")
        (broken / "sub-3_desc-lesion_mask.nii.gz").write_bytes(b"no image")
        with pytest.raises(Mismatch) as told:
            find_cases(tmp_path / "set")
        text = str(told.value)
        assert text.startswith("4 of the files in")
        assert "sub-0_desc-lesion_mask.nii.gz (49, 60, 50) is not on the grid of sub-0_T1w.nii.gz" in text
        assert "sub-1_desc-lesion_mask.nii.gz (50, 60, 50) is not on the grid" in text
        assert "sub-3_desc-lesion_mask.nii.gz cannot be read" in text
        assert "sub-2_T1w.nii.gz has 2 files for its lesion" in text

    def test_no_scans(self, tmp_path):
        with pytest.raises(ValueError, match=r"no sub-\*/anat/\*_T1w.nii.gz"):
            find_cases(tmp_path)
        with pytest.raises(ValueError, match="is not a folder"):
            find_cases(tmp_path / "none")

    def test_a_choice(self, bids):
        cases = find_cases(bids)
        assert worth_measuring(cases) == cases[:2]
        unknown = [replace(c, truth=None, lesion=None) for c in cases]
        assert worth_measuring(unknown) == unknown[:2]  # of one head in one place
        assert [c.name for c in chosen(cases, only="sub-2")] == ["sub-2_T1w"]
        assert [c.name for c in chosen(cases, only="T2w")] == ["sub-1_desc-brain_T2w"]
        twice = [*cases, *cases]
        assert chosen(twice, per_subject=1) == cases


class TestNumbers:
    def test_the_head_s_volume_is_the_same_for_any_order_of_axes(self):
        rng = np.random.default_rng(0)
        grid = Box((20, 24, 22), 4.0).grid()
        a, b = (np.pad(rng.random((16, 20, 18)), 2).astype(np.float32) for _ in range(2))
        x, y = in_head(Scan(a, grid.affine), a, b)
        assert x.shape == y.shape == (48, 56, 48)
        assert errors(x, y).l1 == pytest.approx(np.abs(a - b).sum() / (48 * 56 * 48), rel=1e-5)
        turned = nib.as_closest_canonical(nib.Nifti1Image(a, grid.affine)).as_reoriented(
            [[1, -1], [2, 1], [0, 1]]
        )
        c = np.asarray(turned.dataobj)
        u, v = in_head(Scan(c, turned.affine), c, c)
        np.testing.assert_array_equal(u, x)
        np.testing.assert_array_equal(v, x)

    def test_what_is_longer_than_a_head_stays_whole(self):
        a = np.ones((10, 10, 10), np.float32)
        x, _ = in_head(Scan(a, np.diag([30.0, 30, 30, 1])), a, a)
        assert x.sum() == a.sum()

    def test_difference_map(self):
        rng = np.random.default_rng(1)
        anatomy = rng.random((20, 20, 20)).astype(np.float32)
        brain = np.zeros(anatomy.shape, bool)
        brain[2:-2, 2:-2, 2:-2] = True
        sick = anatomy.copy()
        sick[8:11, 8:11, 8:11] += 3
        d = difference_map(400 * sick + 7, anatomy, brain)  # any unit
        assert d.max() == 1
        assert d[9, 9, 9] > 0.8
        assert np.median(d[brain]) < 0.2
        assert not d[~brain].any()
        assert not difference_map(sick, anatomy, brain & ~brain).any()

    def test_numbers_of_the_phantom(self, bids):
        case = find_cases(bids)[0]
        result = reconstruct(case.scan, predictor=Counting())
        found = numbers_of(case, known(case), result)
        # the method is right but for what 2 mm voxels blur
        assert found["psnr_f"] > 25
        assert found["l1_h"] + found["l1_d"] == pytest.approx(found["l1_f"], rel=1e-4)
        assert found["brain_l1_d"] > found["l1_d"]  # 27 mL of a head
        assert 0.7 < found["dice"] <= found["dice_oracle"] <= 1
        assert found["lesion_f1"] == 1
        assert found["average_precision"] > 0.9
        assert found["true_ml"] == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.1)
        assert len(found["difference_curve"].split()) == len(CURVE)
        assert found["coverage_50"] < found["coverage_80"] < found["coverage_95"]
        assert found["dice_brain"] > 0.9
        assert "anomalous_percent" not in found
        unsure = result.uncertainty.with_voxels(np.full(result.uncertainty.voxels.shape, np.nan))
        untold = numbers_of(case, known(case), replace(result, uncertainty=unsure))
        assert untold == {k: v for k, v in found.items() if not k.startswith("coverage")}

    def test_alike(self, phantom):
        other = phantom.with_voxels(phantom.voxels * np.float32(0.9))
        same, near = likeness(phantom, phantom), likeness(phantom, other)
        assert same["psnr"] == np.inf
        assert near["brain_psnr"] < near["psnr"] < 60


class TestRun:
    def test_what_is_there_is_not_done_again(self, bids, measured):
        folder, method = measured
        before, passes = (folder / "cases.csv").read_bytes(), method.passes
        again = measure(
            find_cases(bids, healthy=True), {"una": method}, folder, compositions=["keep-healthy"]
        )
        assert again.measured == 0
        assert method.passes == passes
        assert (folder / "cases.csv").read_bytes() == before

    def test_numbers_are_there_once_each(self, measured):
        rows = rows_of(measured[0])
        assert list(rows) == [
            ("sub-1_desc-brain_T1w", "una"), ("sub-1_desc-brain_T1w", "una, keep-healthy"),
            ("sub-1_desc-brain_T2w", "una"), ("sub-2_T1w", "una"),
        ]  # fmt: skip
        lesion, healthy = rows["sub-1_desc-brain_T1w", "una"], rows["sub-2_T1w", "una"]
        assert lesion["psnr_f"]
        assert not lesion["anomalous_percent"]
        assert float(healthy["anomalous_percent"]) == 0
        assert not healthy["psnr_f"]
        kept = rows["sub-1_desc-brain_T1w", "una, keep-healthy"]
        assert kept["psnr_f"] != lesion["psnr_f"]
        assert not kept["dice"]  # the method's, told once
        assert not rows["sub-1_desc-brain_T2w", "una"][
            "difference_curve"
        ]  # other contrast than the anatomy's

    def test_aligned_scans_of_one_head_are_compared(self, measured):
        with (measured[0] / "pairs.csv").open(newline="") as file:
            (pair,) = csv.DictReader(file)
        assert pair["case"] == "sub-1_desc-brain: T1w and T2w"
        assert float(pair["psnr"]) > 40  # the same image in another unit

    def test_tables_and_figure(self, measured):
        folder, _ = measured
        text = (folder / "tables.md").read_text()
        for title in (
            "Reconstruction, averaged over the whole volume", "Reconstruction, inside the brain alone",
            "Anomaly probability", "Difference map", "Case by case", "Healthy scans", "One patient",
        ):  # fmt: skip
            assert f"## {title}" in text
        assert "1 of 1 subject, no interval" in text
        assert "[" not in text.split("## ", 1)[1]  # no interval is invented
        told = json.loads((folder / "tables.json").read_text())
        assert {m["low"] for r in told["rows"] for m in r["means"].values()} == {None}
        with Image.open(folder / "figure.png") as picture:
            assert picture.width > 1000
            assert len(picture.convert("L").getcolors()) > 50
        shown = typical(list(rows_of(folder).values()), "una", folder)
        assert [r["case"] for r, _ in shown] == ["sub-1_desc-brain_T1w", "sub-1_desc-brain_T2w"]

    def test_other_weights_replace_and_failures_are_told_and_tried_again(self, bids, measured, tmp_path):
        case = find_cases(bids, healthy=True)[2]
        for name in ("cases.csv", "pairs.csv"):
            (tmp_path / name).write_bytes((measured[0] / name).read_bytes())

        class Blind(Counting):
            def __call__(self, pair, **how):
                maps = super().__call__(pair, **how)
                return Maps(maps.t1w, maps.anomaly, 0 * maps.brain, maps.uncertainty)

        done = measure([case], {"una": Blind("1")}, tmp_path)
        assert done.measured == 1
        assert "no brain found in sub-2_T1w.nii.gz" in done.failed[0]
        row = rows_of(tmp_path)["sub-2_T1w", "una"]
        assert "no brain found" in row["failed"]
        assert not row["anomalous_percent"]
        write_results(tmp_path, "una")
        text = (tmp_path / "tables.md").read_text()
        assert "1 failed" in text
        assert "Not reconstructed" in text
        assert measure([case], {"una": Counting("1")}, tmp_path).failed == ()
        assert not rows_of(tmp_path)["sub-2_T1w", "una"]["failed"]

    def test_baselines_are_told_the_truth(self, bids, tmp_path):
        cases = find_cases(bids, healthy=True)
        done = measure(
            cases, {name: Oracle(name) for name in ORACLES}, tmp_path, compositions=["keep-healthy"]
        )
        rows = rows_of(tmp_path)
        assert done.failed == ()
        assert {case for case, _ in rows} == {"sub-1_desc-brain_T1w", "sub-1_desc-brain_T2w"}
        own, filled = (rows["sub-1_desc-brain_T1w", name] for name in ORACLES)
        assert float(own["l1_h"]) == pytest.approx(0, abs=1e-6)  # healthy tissue is the truth's
        assert float(own["brain_l1_d"]) > 0.1
        assert float(filled["brain_l1_d"]) < 0.5 * float(own["brain_l1_d"])
        assert not own["dice"]
        assert measure(cases, {"input": Oracle("input")}, tmp_path).measured == 0
        with pytest.raises(ValueError, match="known are input, mirror"):
            Oracle("mean")

    def test_two_cases_of_one_name(self, bids, tmp_path):
        cases = find_cases(bids)
        with pytest.raises(ValueError, match="people/sub-1_desc-brain_T1w is there twice"):
            measure([*cases, *cases], {"una": Counting()}, tmp_path)

    def test_a_table_of_another_kind(self, tmp_path):
        (tmp_path / "cases.csv").write_text("a,b\n1,2\n")
        with pytest.raises(ValueError, match="other columns"):
            measure([], {}, tmp_path)


def made_up(subjects, *, methods=("una", "input"), per_subject=2):
    """Rows in which the first method is better by 2 dB."""
    rng = np.random.default_rng(0)
    rows = []
    for s in range(subjects):
        base = rng.normal(25, 1)
        for k in range(per_subject):
            for n, method in enumerate(methods):
                row = dict.fromkeys(COLUMNS, "")
                curve = np.exp(-(((CURVE - 0.4) / 0.2) ** 2)) * rng.uniform(0.3, 0.5)
                rows.append(row | {
                    "data": "t1w", "case": f"{s}-{k}", "method": method, "subject": f"sub-{s}",
                    "input": "t1w",
                    "psnr_f": str(base + rng.normal(0, 0.1) - 2 * n), "l1_d": "0.001",
                    "difference_curve": " ".join(f"{x:.4f}" for x in curve),
                })  # fmt: skip
    return rows


class TestTables:
    def test_intervals_and_tests_of_enough_subjects(self):
        rows = made_up(8)
        una, other = summaries(rows)
        mean = una.means["psnr_f"]
        assert (una.samples, una.subjects, mean.samples) == (16, 8, 16)
        assert mean.low < mean.value < mean.high
        (test,) = [t for t in comparisons(rows, "una") if t.number == "psnr_f"]
        assert test.difference.value == pytest.approx(mean.value - other.means["psnr_f"].value)
        assert test.p == test.adjusted == pytest.approx(2 / 2**8)

    def test_p_values_are_adjusted_for_the_methods_compared(self):
        found = [t for t in comparisons(made_up(8, methods=("una", "a", "b")), "una") if t.number == "psnr_f"]
        assert [t.other for t in found] == ["a", "b"]
        assert [t.adjusted for t in found] == pytest.approx([2 * t.p for t in found])

    def test_too_few_subjects_get_neither(self):
        rows = made_up(4, per_subject=9)
        assert all(m.low is None for s in summaries(rows) for m in s.means.values())
        assert all(t.p is None and t.adjusted is None for t in comparisons(rows, "una"))
        text = as_markdown(rows, [], "una")
        assert "36 of 4 subjects, no interval" in text
        assert "[" not in text.split("## ", 1)[1]

    def test_only_samples_with_a_number_are_counted(self):
        rows = made_up(8, methods=("una",))
        for row in rows[:2]:  # of the first subject
            row |= {"psnr_f": "", "l1_d": ""}
        text = as_markdown(rows, [], "una")
        assert "| 14 of 7 subjects |" in text

    def test_the_paper_s_figures_stand_beside_ours(self):
        text = as_markdown(made_up(8), [], "una")
        line = next(x for x in text.splitlines() if "UNA (paper)" in x)
        assert "31.98" in line
        assert text.index("UNA (paper)") < text.index("| t1w | T1w | una |")
        assert json.loads(as_json(made_up(8), [], "una"))["published"]["ct"]["UNA (paper)"]["psnr_f"] == 25.63

    def test_a_subject_does_not_choose_its_own_threshold(self):
        rows = made_up(3, methods=("una",), per_subject=1)
        peaks = (2, 9, 9)
        for row, peak in zip(rows, peaks, strict=True):
            row["difference_curve"] = " ".join(str(0.1 * (k == peak) + 0.01 * k) for k in range(19))
        got = [float(r[ON_OTHERS]) for r in with_thresholds_of_others(rows)]
        # the last two agree on 9 (0.19 against 0.18); each of them, with the first, would take 9 or 18
        assert got[0] == pytest.approx(0.09)
        assert got[1] == got[2] == pytest.approx(0.18)
        assert with_thresholds_of_others(rows[:1])[0][ON_OTHERS] == ""
