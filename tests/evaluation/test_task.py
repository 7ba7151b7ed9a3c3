"""A task is one class: running, storing, tables and figure need no change for it."""

import json
from dataclasses import dataclass

import pytest

from sanum.evaluation import Task, Trial, measure, write_results
from sanum.evaluation.task import DotPanel, Layout, MeansTable


@dataclass(frozen=True)
class Toy:
    """A number that a method rounds."""

    name: str
    subject: str
    value: float
    data: str = "toys"
    contrast: str = "decimal"

    def digest(self):
        return str(self.value)


@dataclass(frozen=True)
class Rounding:
    decimals: int
    weights_sha256: str = ""


class RoundingTask(Task):
    numbers = means = tested = ("error",)
    layout = Layout(
        conventions="Errors have no unit.",
        means=(MeansTable("Rounding", "|rounded − value|", {"error": "error"}),),
        dots=(DotPanel("error", "error"),),
    )

    def measure(self, case, method, variants, *, with_example):
        return Trial({v: {"error": abs(round(case.value, method.decimals) - case.value)} for v in variants})


def test_a_toy_task(tmp_path):
    cases = [Toy(f"toy-{n}", f"sub-{n}", n + 0.26) for n in range(6)]
    methods = {"fine": Rounding(1), "coarse": Rounding(0)}
    assert measure(RoundingTask(), cases, methods, tmp_path).measured == 12
    assert measure(RoundingTask(), cases, methods, tmp_path).measured == 0
    paths = write_results(RoundingTask(), tmp_path, "fine")
    assert all(p.exists() for p in paths)
    text = (tmp_path / "tables.md").read_text()
    assert "Errors have no unit." in text
    assert "| toys | decimal | coarse | 6 of 6 subjects | 0.260 [0.260, 0.260] |" in text
    (test,) = json.loads((tmp_path / "tables.json").read_text())["tests"]
    assert test["difference"]["value"] == pytest.approx(0.04 - 0.26)
