"""What a page hands to the viewer's script: facts as JSON, and all volumes as one text."""

import base64
import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...types import Points
from ..inputs import ReportInputs
from .volumes import nearest_marked, viewer_grid, viewer_volumes

LEVEL = 5  # of gzip; 9 needs several times as long for 2 % less


@dataclass(frozen=True)
class ViewerContent:
    """A viewer of one result.

    Parameters
    ----------
    facts : dict
        Shape, edge and origin of the cells in mm, each volume's name, title, range, window, unit and whether
        values lie beyond the range, the cell where planes cross at first, and the cell of each lesion by its
        number.
    volumes : str
        The volumes' bytes, one after the other, the first axis the fastest; gzip in base64.
    """

    facts: dict[str, Any]
    volumes: str


def viewer_content(inputs: ReportInputs, start_mm: Points) -> ViewerContent:
    """What the viewer shows of a result; the same inputs give the same text.

    Parameters
    ----------
    inputs : ReportInputs
        The result.
    start_mm : (3,) float
        World point where the planes cross at first.
    """
    grid = viewer_grid(inputs)
    volumes = viewer_volumes(inputs, grid)
    raw = b"".join(one.cells.tobytes(order="F") for one in volumes)
    marked = np.argwhere(volumes[-1].cells)
    facts = {
        "shape": list(grid.shape),
        "edge": round(float(grid.spacing_mm[0]), 4),
        "origin": [round(float(x), 3) for x in grid.affine[:3, 3]],
        "volumes": [
            {
                "name": one.name,
                "title": one.title,
                "low": _short(one.low),
                "high": _short(one.high),
                "window": [_short(x) for x in one.window],
                "unit": one.unit,
                "beyond": one.beyond,
            }
            for one in volumes
        ],
        "start": nearest_marked(marked[:0], grid, start_mm),
        "lesions": {one.id: nearest_marked(marked, grid, one.centre_mm) for one in inputs.lesions},
    }
    return ViewerContent(facts, base64.b64encode(gzip.compress(raw, LEVEL, mtime=0)).decode("ascii"))


def _short(value: float) -> float:
    return float(f"{value:.6g}")
