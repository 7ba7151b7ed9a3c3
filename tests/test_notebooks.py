"""The notebooks of the documentation run from top to bottom, and are kept without what they show."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
WIDEST = 88  # characters that the site shows without scrolling, nearly


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_there_are_two():
    assert [path.stem for path in NOTEBOOKS] == ["first-scan", "grow-anomalies"]


def test_nothing_that_it_showed_is_kept(notebook):
    """Neither pictures nor the order in which somebody ran the cells; and it is a whole notebook."""
    nbformat.validate(notebook)
    assert len(notebook.cells) > 10
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None
            assert max(map(len, cell.source.splitlines())) <= WIDEST, cell.source


@pytest.mark.full
@pytest.mark.timeout(600)  # two kernels, each with the network, on a machine that may be busy
def test_it_runs(notebook, tmp_path):
    """A cell that raises ends it with `CellExecutionError`."""
    NotebookClient(notebook, timeout=150, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [set(out.get("data", ())) for cell in notebook.cells for out in cell.get("outputs", ())]
    assert any({"image/png", "text/html"} & kinds for kinds in shown)
    said = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", ()))
    assert "Warning" not in said
