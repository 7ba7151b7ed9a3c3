import json
from pathlib import Path

import numpy as np
import pytest

from sanum.evaluation import HealthyAnatomy
from sanum.evaluation.store import cases_of
from sanum.evaluation.summary import comparisons, summaries
from sanum.evaluation.tables import as_json, as_markdown
from sanum.evaluation.tasks.anatomy.detection import THRESHOLDS
from sanum.evaluation.tasks.anatomy.numbers import CURVE
from sanum.evaluation.tasks.anatomy.validated import ON_OTHERS, validation_table, with_thresholds

TASK = HealthyAnatomy()


def made_up(subjects, *, methods=("una", "input"), per_subject=2):
    """Rows in which the first method is better by 2 dB."""
    rng = np.random.default_rng(0)
    rows = []
    for s in range(subjects):
        base = rng.normal(25, 1)
        for k in range(per_subject):
            for n, method in enumerate(methods):
                row = dict.fromkeys(cases_of(TASK, Path("nowhere")).columns, "")
                curve = np.exp(-(((CURVE - 0.4) / 0.2) ** 2)) * rng.uniform(0.3, 0.5)
                row |= {"data": "t1w", "case": f"{s}-{k}", "method": method, "subject": f"sub-{s}"}
                row |= {"input": "t1w", "l1_d": "0.001"}
                row["brain_psnr_f"] = str(base - 9 + rng.normal(0, 0.1) - 2 * n)
                row["psnr_f"] = str(base + rng.normal(0, 0.1) - 2 * n)
                row["difference_curve"] = " ".join(f"{x:.4f}" for x in curve)
                rows.append(row)
    return rows


def test_intervals_and_tests_of_enough_subjects():
    rows = made_up(8)
    una, other = summaries(TASK, rows)
    mean = una.means["psnr_f"]
    assert (una.samples, una.subjects, mean.samples) == (16, 8, 16)
    assert mean.low < mean.value < mean.high
    (test,) = [t for t in comparisons(TASK, rows, "una") if t.number == "psnr_f"]
    assert test.difference.value == pytest.approx(mean.value - other.means["psnr_f"].value)
    assert test.p == test.adjusted == pytest.approx(2 / 2**8)


def test_p_values_are_adjusted_for_the_methods_compared():
    found = [
        t for t in comparisons(TASK, made_up(8, methods=("una", "a", "b")), "una") if t.number == "psnr_f"
    ]
    assert [t.other for t in found] == ["a", "b"]
    assert [t.adjusted for t in found] == pytest.approx([2 * t.p for t in found])


def test_too_few_subjects_get_neither():
    rows = made_up(4, per_subject=9)
    assert all(m.low is None for s in summaries(TASK, rows) for m in s.means.values())
    assert all(t.p is None and t.adjusted is None for t in comparisons(TASK, rows, "una"))
    text = as_markdown(TASK, rows, [], "una")
    assert "36 of 4 subjects, no interval" in text
    assert "[" not in text.split("## ", 1)[1]


def test_only_samples_with_a_number_are_counted():
    rows = made_up(8, methods=("una",))
    for row in rows[:2]:  # of the first subject
        row |= {"psnr_f": "", "l1_d": ""}
    text = as_markdown(TASK, rows, [], "una")
    assert "| 14 of 7 subjects |" in text


def test_the_paper_s_figures_stand_beside_ours():
    text = as_markdown(TASK, made_up(8), [], "una")
    line = next(x for x in text.splitlines() if "UNA (paper)" in x)
    assert "31.98" in line
    whole = text[text.index("over the whole volume") :]
    assert whole.index("UNA (paper)") < whole.index("| t1w | T1w | una |")
    assert "(paper)" not in text[: text.index("over the whole volume")]  # which has no numbers of the brain
    assert (
        json.loads(as_json(TASK, made_up(8), [], "una"))["published"]["ct"]["UNA (paper)"]["psnr_f"] == 25.63
    )


def test_a_subject_does_not_choose_its_own_threshold():
    rows = made_up(3, methods=("una",), per_subject=1)
    peaks = (2, 9, 9)
    for row, peak in zip(rows, peaks, strict=True):
        row["difference_curve"] = " ".join(str(0.1 * (k == peak) + 0.01 * k) for k in range(19))
    got = [float(r[ON_OTHERS]) for r in with_thresholds(rows)]
    # the last two agree on 9 (0.19 against 0.18); each of them, with the first, would take 9 or 18
    assert got[0] == pytest.approx(0.09)
    assert got[1] == got[2] == pytest.approx(0.18)
    assert with_thresholds(rows[:1])[0][ON_OTHERS] == ""


def with_peaks(peaks, data="patients", contrast="FLAIR"):
    """One case for each subject, whose Dice is 0.9 at the threshold with the number of its peak, else 0.1."""
    rows = made_up(len(peaks), methods=("una",), per_subject=1)
    for row, peak in zip(rows, peaks, strict=True):
        row |= {"data": data, "input": contrast, "case": f"{data}-{row['subject']}", "l1_d": ""}
        row["dice_curve"] = " ".join("0.9" if n == peak else "0.1" for n in range(THRESHOLDS.size))
        row["volume_curve"] = " ".join(f"{99 - n}" for n in range(THRESHOLDS.size))
    return rows


def test_the_threshold_of_validation_is_that_of_the_other_subjects():
    rows = with_thresholds(with_peaks((29, 59, 59)))
    # the first gets that of the other two; each of them the first of two equally good ones, the lowest
    assert [r["threshold"] for r in rows] == ["0.60", "0.30", "0.30"]
    assert [r["dice_validated"] for r in rows] == ["0.1", "0.1", "0.1"]
    assert with_thresholds(with_peaks((59, 59)))[0]["dice_validated"] == "0.9"
    assert not with_thresholds(with_peaks((59,)))[0]["dice_validated"]


def test_a_subject_in_two_cases_validates_neither():
    rows = with_peaks((29, 59, 59))
    rows[1]["subject"] = rows[0]["subject"]
    assert [r["threshold"] for r in with_thresholds(rows)] == ["0.60", "0.60", "0.30"]


def test_other_inputs_and_methods_do_not_validate():
    rows = with_peaks((29, 59))
    rows[1]["input"] = "T1w"
    assert [r["threshold"] for r in with_thresholds(rows)] == ["", ""]
    rows = with_peaks((29, 59))
    rows[1]["method"] = "una, intensity"
    assert [r["threshold"] for r in with_thresholds(rows)] == ["", ""]


def test_thresholds_of_one_data_set_are_used_on_another():
    (healthy,) = with_peaks((0,), data="well")
    healthy |= {"dice_curve": "", "healthy_ml": "12"}
    rows = with_thresholds([*with_peaks((59, 59)), *with_peaks((9,), data="old"), healthy], "patients")
    # a person of the same name in another data set counts as the same
    old, well = rows[2], rows[3]
    assert old["threshold"] == well["threshold"] == "0.60"
    assert old["dice_validated"] == "0.1"
    assert well["healthy_ml_validated"] == "40"  # 99 less 59


def test_the_validation_cases_are_named():
    table = validation_table(with_peaks((29, 59, 59)))
    assert [line[3:] for line in table.lines] == [
        ["0.30", "patients-sub-2", "patients-sub-0, patients-sub-1"],
        ["0.30", "patients-sub-1", "patients-sub-0, patients-sub-2"],
        ["0.60", "patients-sub-0", "patients-sub-1, patients-sub-2"],
    ]


def test_the_three_kinds_of_dice_have_columns_of_their_own():
    rows = with_peaks((59,) * 5)
    for n, row in enumerate(rows):
        row |= {"dice": f"0.{n + 1}", "dice_oracle": "0.95"}
    text = as_markdown(TASK, with_thresholds(rows), [], "una")
    table = text[text.index("## Anomaly probability") :]
    heads, _, line = (x.strip("| ") for x in table[table.index("| data") :].splitlines()[:3])
    found = dict(zip(heads.split(" | "), line.split(" | "), strict=True))
    assert found["Dice at 0.5"].startswith("0.300 [")
    assert found["Dice, validated threshold"].startswith("0.900")
    assert found["oracle Dice"].startswith("0.950")


def test_what_is_inside_the_brain_stands_first():
    text = as_markdown(TASK, made_up(8), [], "una")
    assert text.index("inside the brain") < text.index("over the whole volume")
    columns = cases_of(TASK, Path("nowhere")).columns
    assert columns.index("brain_psnr_f") < columns.index("psnr_f")
    means = json.loads(as_json(TASK, made_up(8), [], "una"))["rows"][0]["means"]
    assert list(means) == ["brain_psnr_f", "psnr_f", "l1_d"]
    tested = [t.number for t in comparisons(TASK, made_up(8), "una")]
    assert tested == ["brain_psnr_f", "psnr_f"]
    assert TASK.layout.dots[0].number == "brain_psnr_f"
    assert next(iter(TASK.layout.pairs.columns)) == "brain_psnr"
