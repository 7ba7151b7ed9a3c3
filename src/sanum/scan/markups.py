"""Landmarks from files: markups of 3D Slicer (`.fcsv`, `.mrk.json`), or a label map of vertebrae."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from ..files import parse_json
from ..space.landmarks import Points, vertebra_points
from .absent import require_content
from .errors import ScanError
from .maps import read_map
from .names import printable

TABLES = (".fcsv", ".mrk.json")
_SYSTEMS = {"0": "RAS", "1": "LPS", "RAS": "RAS", "LPS": "LPS"}


def read_landmarks(path: Path, *, per_vertebra: int = 2) -> dict[str, Points]:
    """Points in mm of the world (RAS+), by name; a name may have several, in the order of the file.

    In a table "L3", "L3-2" and "L3_2" are points of L3, so that two points per vertebra share a name.

    Parameters
    ----------
    path : Path
        `.fcsv` or `.mrk.json` of 3D Slicer, in RAS or LPS as the file says; or a label map.
    per_vertebra : 1 or 2
        How many points of each name are taken.

    Raises
    ------
    ScanError
        It is missing, or no such file.
    """
    require_content(path)
    name = path.name.lower()
    if not name.endswith(TABLES):
        labels = read_map(path)
        values = np.asarray(labels.voxels)
        if not np.array_equal(values, np.round(values)):
            raise ScanError(
                f"{printable(path.name)} is no label map: expected whole numbers, or {' or '.join(TABLES)}"
            )
        return vertebra_points(values.astype(np.int64), labels.affine, per_vertebra=per_vertebra)
    try:
        rows = _fcsv(path) if name.endswith(".fcsv") else _json(path)
        points: dict[str, list[np.ndarray[Any, Any]]] = {}
        for label, place, system in rows:
            sign = np.array([-1.0, -1.0, 1.0]) if _SYSTEMS[system] == "LPS" else np.ones(3)
            points.setdefault(_vertebra(label), []).append(sign * np.array(place, np.float64))
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ScanError(
            f"{printable(path.name)} is no table of markups that 3D Slicer writes ({type(error).__name__}: "
            f"{error})"
        ) from error
    return {label: np.stack(places)[:per_vertebra] for label, places in points.items()}


def _vertebra(label: str) -> str:
    stem, _, number = label.strip().replace("_", "-").rpartition("-")
    return stem if stem and number.isdecimal() else label.strip()


def _fcsv(path: Path) -> list[tuple[str, list[float], str]]:
    """Label, place and system of each row; without a word on it an old file is in RAS."""
    system, columns = "0", ["id", "x", "y", "z"]
    rows: list[tuple[str, list[float], str]] = []
    for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
        if not row:
            continue
        key, equals, value = ",".join(row).lstrip("# ").partition("=")
        if row[0].startswith("#"):
            if equals and key.strip() == "CoordinateSystem":
                system = value.strip()
            if equals and key.strip() == "columns":
                columns = [word.strip() for word in value.split(",")]
            continue
        cells = dict(zip(columns, row, strict=False))
        label = cells.get("label") or cells["id"]
        rows.append((label, [float(cells[axis]) for axis in "xyz"], system))
    return rows


def _json(path: Path) -> list[tuple[str, list[float], str]]:
    """Label, place and system of each control point that is defined."""
    content: Any = parse_json(path.read_bytes())
    return [
        (
            str(point.get("label") or point["id"]),
            point["position"],
            str(markup.get("coordinateSystem", "LPS")),
        )
        for markup in content["markups"]
        for point in markup["controlPoints"]
        if point.get("positionStatus", "defined") == "defined"
    ]
