"""What `sanum.methods()` tells of the methods, and that nothing is imported for it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sanum
import sanum.methods.registry
from sanum.methods.catalog import HEADINGS, catalog, rows_of, sections_of

EVALUATION = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_the_package_is_called_and_imported_from():
    found = sanum.methods()
    assert [entry.method for entry in found] == list(sanum.methods.registry.METHODS)
    tasks = (
        "anatomy",
        "anomaly2d",
        "classification",
        "segmentation",
        "registration",
        "detection",
        "graphs",
        "atlas",
        "recovery",
        "translation",
    )
    assert sum(map(sanum.methods, tasks), ()) == found
    assert sanum.load is sanum.methods.registry.load
    with pytest.raises(ValueError, match='unknown task "cooking": known are anatomy'):
        sanum.methods("cooking")


def test_it_prints_every_method_by_task_with_paper_and_numbers():
    text = repr(sanum.methods())
    assert text.startswith("# anatomy\nuna: ")
    for entry in catalog():
        assert f"\n{entry.name}: {entry.method.summary}\n    paper {entry.method.paper}; weights: " in text
    assert (
        "weights una-compact, input t1w-stripped, PSNR F (dB) 31.95, SSIM F 0.985, Dice anomaly 0.78" in text
    )
    assert "<pre># anatomy" in sanum.methods()._repr_html_()


@pytest.mark.parametrize("entry", catalog("anomaly2d"), ids=lambda entry: entry.name)
def test_results_of_detectors_are_those_of_the_docs(entry):
    """The numbers of a row of the README stand in one row of docs/detection.md."""
    lines = (EVALUATION.parent / "detection.md").read_text(encoding="utf-8").split("\n")
    rows = [{re.sub(r" \[.*\]", "", cell).strip(" `") for cell in line.split("|")} for line in lines]
    for row in entry.results:
        numbers = {value for name, value in row.items() if name != "input"}
        assert any({entry.name} | numbers <= cells for cells in rows), row


@pytest.mark.parametrize("entry", catalog("anatomy"), ids=lambda entry: entry.name)
def test_results_are_those_of_the_evaluation(entry):
    """The numbers of a row of the README stand in one row of docs/evaluation.md, without their intervals."""
    lines = EVALUATION.read_text(encoding="utf-8").split("\n")
    rows = [{re.sub(r" \[.*\]", "", cell).strip() for cell in line.split("|")} for line in lines]
    assert entry.results
    for row in entry.results:
        weights, scans = row.get("weights", ""), row["input"]
        place = {weights} if weights.endswith("-small") else {scans, entry.name}
        numbers = {value for name, value in row.items() if name not in ("weights", "input")}
        assert any(place | numbers <= cells for cells in rows), row


def test_the_first_table_of_a_section():
    table = "| a | b |\n|---|---|\n| `x` | 1 |\n| – | [2](two.md) |\n\n| c |\n|---|\n"
    text = f"# A\n\n## One\n\nwords\n\n{table}\n## Two\nmore\n"
    assert list(sections_of(text)) == ["One", "Two"]
    assert rows_of(sections_of(text)["One"]) == ({"a": "x", "b": "1"}, {"b": "2"})
    assert rows_of(sections_of(text)["Two"]) == ()


def test_headings_are_said_once():
    assert HEADINGS == ("Paper", "Licence", "Equations", "Departures", "Outputs", "Results")


def test_nothing_heavy_is_imported_for_it():
    code = (
        "import sys, sanum\n"
        "text = repr(sanum.methods())\n"
        "heavy = {'torch', 'numpy', 'scipy', 'nibabel', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy or 'una' not in text else 0)\n"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
