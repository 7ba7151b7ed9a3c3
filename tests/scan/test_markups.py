"""Landmarks as 3D Slicer writes them, in both of its coordinate systems, and of a label map."""

import json

import numpy as np
import pytest

from sanum.scan import Scan, ScanError, write
from sanum.scan.markups import read_landmarks

FCSV = """# Markups fiducial file version = 4.11
# CoordinateSystem = {system}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,{x},{y},30,0,0,0,1,1,1,0,L1,,
2,{x},{y},20,0,0,0,1,1,1,0,L1-2,"a, b",
3,{x},{y},-5.5,0,0,0,1,1,1,0,L2,,
"""


@pytest.mark.parametrize(("system", "sign"), [("LPS", -1), ("1", -1), ("RAS", 1), ("0", 1)])
def test_both_files_in_both_systems_are_the_same_points(tmp_path, system, sign):
    table, markup = tmp_path / "a.fcsv", tmp_path / "a.mrk.json"
    table.write_text(FCSV.format(system=system, x=10 * sign, y=-4 * sign))
    places = [("L1", 30), ("L1-2", 20), ("L2", -5.5)]
    points = [
        {"id": str(n), "label": name, "position": [10 * sign, -4 * sign, z], "positionStatus": "defined"}
        for n, (name, z) in enumerate(places)
    ]
    points.append({"id": "9", "label": "none", "position": [0, 0, 0], "positionStatus": "undefined"})
    name = {"0": "RAS", "1": "LPS"}.get(system, system)
    markup.write_text(
        json.dumps({"markups": [{"type": "Fiducial", "coordinateSystem": name, "controlPoints": points}]})
    )
    for path in (table, markup):
        found = read_landmarks(path)
        assert list(found) == ["L1-1", "L1-2", "L2-1"]
        np.testing.assert_allclose(list(found.values()), [[10, -4, 30], [10, -4, 20], [10, -4, -5.5]])
    table.write_text(table.read_text().replace("L1-2", "L1_01"))
    with pytest.raises(ScanError, match=r"a.fcsv has several points of the name L1-1"):
        read_landmarks(table)


def test_a_label_map_is_read_and_what_is_neither_is_refused(tmp_path):
    labels = np.zeros((6, 8, 6), np.uint8)
    labels[2:4, 1:7, 2:4] = 22
    path = write(Scan(labels, np.diag([1.0, 2, 3, 1])), tmp_path / "vertebrae.nii.gz")
    assert list(read_landmarks(path)) == ["22-1", "22-2"]
    halves = write(Scan(labels / np.float32(4), np.eye(4)), tmp_path / "halves.nii.gz")
    with pytest.raises(ScanError, match="is no label map: expected whole numbers"):
        read_landmarks(halves)
    (tmp_path / "bad.mrk.json").write_text("{}")
    (tmp_path / "bad.fcsv").write_text("1,a,b,c\n")
    for name in ("bad.mrk.json", "bad.fcsv"):
        with pytest.raises(ScanError, match=f"{name} is no table of markups that 3D Slicer writes"):
            read_landmarks(tmp_path / name)
