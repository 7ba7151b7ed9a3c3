"""Tables and figure of everything that a folder holds numbers of."""

from pathlib import Path

from ..report.figures import to_png
from ..scan.write import atomic_path
from .figure import figure
from .store import COLUMNS, PAIR_COLUMNS, Store
from .summary import with_thresholds_of_others
from .tables import as_json, as_markdown


def write_results(folder: Path, reference: str) -> list[Path]:
    """Write `tables.md`, `tables.json` and `figure.png` from the CSV files beside them.

    Every other method is tested against `reference`, and the examples are its own.
    """
    rows = with_thresholds_of_others(list(Store(folder / "cases.csv", COLUMNS).rows.values()))
    pairs = list(Store(folder / "pairs.csv", PAIR_COLUMNS).rows.values())
    told = {
        "tables.md": as_markdown(rows, pairs, reference).encode(),
        "tables.json": as_json(rows, pairs, reference).encode(),
        "figure.png": to_png(figure(rows, reference, folder)),
    }
    for name, content in told.items():
        with atomic_path(folder / name, overwrite=True) as partial:
            partial.write_bytes(content)
    return [folder / name for name in ("cases.csv", *told)]
