import csv
import json

import pytest
from PIL import Image

from sanum.evaluation import HealthyAnatomy, find_cases, measure, write_results
from sanum.evaluation.figure import typical
from sanum.methods.common.anatomy import Maps
from sanum.scan import ScanError

TASK = HealthyAnatomy(["keep-healthy"])


def test_what_is_there_is_not_done_again(bids, measured):
    folder, method = measured
    before, passes = (folder / "cases.csv").read_bytes(), method.passes
    again = measure(TASK, find_cases(bids, healthy=True), {"una": method}, folder)
    assert again.measured == 0
    assert method.passes == passes
    assert (folder / "cases.csv").read_bytes() == before


def test_numbers_are_there_once_each(measured, rows_of):
    rows = rows_of(measured[0])
    assert list(rows) == [
        ("sub-1_desc-brain_T1w", "una"),
        ("sub-1_desc-brain_T1w", "una, keep-healthy"),
        ("sub-1_desc-brain_T2w", "una"),
        ("sub-2_T1w", "una"),
    ]
    lesion, healthy = rows["sub-1_desc-brain_T1w", "una"], rows["sub-2_T1w", "una"]
    assert lesion["psnr_f"]
    assert not lesion["anomalous_percent"]
    assert float(healthy["anomalous_percent"]) == 0
    assert not healthy["psnr_f"]
    kept = rows["sub-1_desc-brain_T1w", "una, keep-healthy"]
    assert kept["psnr_f"] != lesion["psnr_f"]
    assert not kept["dice"]  # the method's, in its own row
    assert not rows["sub-1_desc-brain_T2w", "una"]["difference_curve"]  # other contrast than the anatomy's


def test_aligned_scans_of_one_head_are_compared(measured):
    with (measured[0] / "pairs.csv").open(newline="") as file:
        (pair,) = csv.DictReader(file)
    assert pair["case"] == "sub-1_desc-brain: T1w and T2w"
    assert float(pair["psnr"]) > 40  # the same image in another unit


def test_tables_and_figure(measured, rows_of):
    folder, _ = measured
    text = (folder / "tables.md").read_text()
    for title in (
        "Reconstruction, inside the brain",
        "Reconstruction, averaged over the whole volume",
        *("Anomaly probability", "Difference map", "Case by case", "Healthy scans", "One patient"),
        *("Lesions by size", "Healthy scans: what is called anomaly, by age, sex and site"),
    ):
        assert f"## {title}" in text
    assert "1 of 1 subject, no interval" in text
    assert "[" not in text.split("## ", 1)[1]  # no interval is invented
    content = json.loads((folder / "tables.json").read_text())
    assert {m["low"] for r in content["rows"] for m in r["means"].values()} == {None}
    with Image.open(folder / "figure.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("L").getcolors()) > 50
    examples = typical(TASK, list(rows_of(folder).values()), "una", folder)
    assert [r["case"] for r, _ in examples] == ["sub-1_desc-brain_T1w", "sub-1_desc-brain_T2w"]


def test_other_weights_replace_and_failures_are_listed_and_tried_again(
    bids, measured, counting, rows_of, tmp_path
):
    case = find_cases(bids, healthy=True)[2]
    for name in ("cases.csv", "pairs.csv"):
        (tmp_path / name).write_bytes((measured[0] / name).read_bytes())

    class Blind(counting):
        def __call__(self, pair, **how):
            maps = super().__call__(pair, **how)
            return Maps(maps.t1w, maps.anomaly, 0 * maps.brain, maps.uncertainty)

    done = measure(TASK, [case], {"una": Blind("1")}, tmp_path)
    assert done.measured == 1
    assert "no brain found in sub-2_T1w.nii.gz" in done.failed[0]
    row = rows_of(tmp_path)["sub-2_T1w", "una"]
    assert "no brain found" in row["failed"]
    assert not row["anomalous_percent"]
    write_results(TASK, tmp_path, "una")
    text = (tmp_path / "tables.md").read_text()
    assert "1 failed" in text
    assert "Not done (in no mean)" in text
    assert measure(TASK, [case], {"una": counting("1")}, tmp_path).failed == ()
    assert not rows_of(tmp_path)["sub-2_T1w", "una"]["failed"]


def test_two_cases_of_one_name(bids, counting, tmp_path):
    cases = find_cases(bids)
    with pytest.raises(ValueError, match="people/sub-1_desc-brain_T1w is there twice"):
        measure(TASK, [*cases, *cases], {"una": counting()}, tmp_path)


def test_a_table_of_another_kind(tmp_path):
    (tmp_path / "cases.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other columns"):
        measure(TASK, [], {}, tmp_path)


class Failing(HealthyAnatomy):
    """Cannot reconstruct one contrast."""

    contrast = "T2w"

    def measure(self, case, method, variants, *, with_example):
        if case.contrast == self.contrast:
            raise ScanError(f"no brain found in {case.name}")
        return super().measure(case, method, variants, with_example=with_example)


@pytest.mark.full
def test_a_case_whose_partner_always_fails_is_measured_once(bids, counting, tmp_path):
    """The pair cannot be compared, so nothing is left to do for the case that succeeds."""
    cases, task, methods = find_cases(bids)[:2], Failing(), {"una": counting()}
    first = measure(task, cases, methods, tmp_path)
    assert (first.measured, len(first.failed)) == (2, 1)
    again = measure(task, cases, methods, tmp_path)
    assert (again.measured, len(again.failed)) == (1, 1)  # the T2w alone is tried again
    assert methods["una"].passes == 1
    task.contrast = None
    last = measure(task, cases, methods, tmp_path)
    assert (last.measured, last.failed) == (2, ())  # the T1w once more, for the pair
    with (tmp_path / "pairs.csv").open(newline="") as file:
        assert [p["case"] for p in csv.DictReader(file)] == ["sub-1_desc-brain: T1w and T2w"]
    assert measure(task, cases, methods, tmp_path).measured == 0
