"""Every warning that a scan or a result can carry is on the page that says what to do."""

import ast
from pathlib import Path

import pytest

from sanum.healthy.postprocess import AT_THE_EDGE
from sanum.scan.checks import UNKNOWN_SIDES
from sanum.scan.nifti import SIDES_DISAGREE
from sanum.scan.text_header import UNKNOWN_SIZE

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")
LISTS = {"warnings", "remarks"}
HERE = {"with_warning", "warn"}
MADE_BY = {"lies_otherwise", "may_lie_otherwise", "coverage_warnings", "_left_out"}
"""Functions that return what to warn of."""

OTHERS = (
    "the quality of the result is low (",
    "the anomaly map is the network's alone: ",
    "gone on by force: ",
    " DICOM series are there, and ",
    "no name says its contrast: the times of its sequence",
    "the header is faulty: ",
    "they were taken as stored",
    "voxels were NaN or infinite and were set to",
    "which no head can have: they were read as mm",
    "treated as a scan of unknown contrast",
    "of the pushed starts come back to this place (similarity ",
    "to fit the other, which no two",
    "the two heads are alike only where one may change in size, as those of two people: turn and shift are ",
    "the two visits may be of two different heads: ",
    "there is no lesion: no voxel",
    "labels reach beyond the scan's field of view: their volumes are",
    "no age was told: volumes are compared with those of the group's mean age",
    "its contrast is not known: taken as",
    "in what the network sees, as where a gantry was tilted: shapes",
    "planes lie across its slices, which are",
    "are mixed, and cannot be compared: ",
    "Records that are damaged, and whose results are not shown: ",
    "participants.tsv has lost leading zeros: ",
    "this task of a SLURM array takes all scans; pass --shard auto to take its part of them",
    "waiting for workers: the Dask scheduler has none at the moment; if their jobs ",
    "is left out of the tables, ",
)


def constants(node):
    """The longest plain part of a text with holes, which names it."""
    parts = [c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
    return max(parts, key=len, default="").strip(" ();:,")


def said_in(path):
    """Plain parts of the warnings that a module makes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            owner = node.func.value
            is_list = node.func.attr == "append" and isinstance(owner, ast.Name) and owner.id in LISTS
            if (is_list or node.func.attr in HERE) and isinstance(node.args[0], ast.JoinedStr | ast.Constant):
                yield constants(node.args[0])
        elif isinstance(node, ast.FunctionDef) and node.name in MADE_BY:
            yield from (constants(n.value) for n in ast.walk(node) if isinstance(n, ast.Return) and n.value)


SAID = sorted(
    {
        part
        for room in ("scan", "healthy")
        for path in sorted((ROOT / "src" / "sanum" / room).glob("*.py"))
        if path.stem not in ("picture",)  # of 2-D images
        for part in said_in(path)
        if len(part) > 8
    }
)


def test_they_are_found():
    assert len(SAID) > 15


@pytest.mark.parametrize("part", [*SAID, AT_THE_EDGE, UNKNOWN_SIDES, SIDES_DISAGREE, UNKNOWN_SIZE])
def test_it_is_explained(part):
    """By its longest plain part."""
    assert part in PAGE


@pytest.mark.parametrize("part", OTHERS)
def test_so_are_those_that_are_made_otherwise(part):
    assert part in PAGE
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "src" / "sanum").rglob("*.py"))
    assert any(part in text for text in texts), "nothing says this any more"
