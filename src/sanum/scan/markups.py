"""Landmarks from files: markups of 3D Slicer (`.fcsv`, `.mrk.json`), or a label map of vertebrae."""

import csv
from collections import Counter
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


def read_landmarks(path: Path) -> dict[str, Points]:
    """Points (3,) in mm of the world (RAS+), by name and number: "L3-1", "L3-2".

    A table's "L3" and "L3_2" are such names in another spelling. Of a label map "20-1" is the centroid of 20
    and "20-2" its posterior point.

    Parameters
    ----------
    path : Path
        `.fcsv` or `.mrk.json` of 3D Slicer, in RAS or LPS as the file says; or a label map.

    Raises
    ------
    ScanError
        It is missing, or no such file, or two points have one name.
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
        both = vertebra_points(values.astype(np.int64), labels.affine)
        return {f"{label}-{n}": point for label, rows in both.items() for n, point in enumerate(rows, 1)}
    try:
        rows = _fcsv(path) if name.endswith(".fcsv") else _json(path)
        named = [(_named(label), _in_ras(place, system)) for label, place, system in rows]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ScanError(
            f"{printable(path.name)} is no table of markups that 3D Slicer writes ({type(error).__name__}: "
            f"{error})"
        ) from error
    points = dict(named)
    if len(points) < len(named):
        twice = next(label for label, count in Counter(label for label, _ in named).items() if count > 1)
        raise ScanError(
            f"{printable(path.name)} has several points of the name {printable(twice)}: give each its own"
        )
    return points


def _named(label: str) -> str:
    """Name and number, "L3-2"; without a number it is the first."""
    stem, _, number = label.strip().replace("_", "-").rpartition("-")
    return f"{stem}-{int(number)}" if stem and number.isdecimal() else f"{label.strip()}-1"


def _in_ras(place: list[float], system: str) -> Points:
    sign = (-1.0, -1.0, 1.0) if _SYSTEMS[system] == "LPS" else (1.0, 1.0, 1.0)
    point = np.array(place, np.float64) * sign
    if point.shape != (3,):
        raise ValueError(f"a point of {point.size} numbers")
    return point


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
