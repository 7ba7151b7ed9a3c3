"""Tables and figure of everything that a folder holds numbers of."""

from pathlib import Path

from ..report.figures import to_png
from ..scan.write import atomic_path
from .figure import figure
from .store import cases_of, pairs_of
from .tables import as_json, as_markdown
from .task import CaseT, MethodT, Task


def write_results(task: Task[CaseT, MethodT], folder: Path, reference: str) -> list[Path]:
    """Write `tables.md`, `tables.json` and `figure.png` from the CSV files beside them; returns all paths.

    Parameters
    ----------
    task : Task
        That was measured.
    folder : Path
        Folder of the evaluation.
    reference : str
        Name of the method that the others are tested against; the examples are its own.
    """
    rows = task.complete(list(cases_of(task, folder).rows.values()))
    pairs = list(pairs_of(task, folder).rows.values())
    files = {
        "tables.md": as_markdown(task, rows, pairs, reference).encode(),
        "tables.json": as_json(task, rows, pairs, reference).encode(),
        "figure.png": to_png(figure(task, rows, reference, folder)),
    }
    for name, content in files.items():
        with atomic_path(folder / name, overwrite=True) as partial:
            partial.write_bytes(content)
    return [folder / name for name in ("cases.csv", *files)]
