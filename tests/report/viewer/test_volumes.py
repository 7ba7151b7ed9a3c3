"""The viewer's volumes: any axes and spacing become one upright grid of cubes, and nothing marked is lost."""

import base64
import gzip

import numpy as np
import pytest

from sanum.healthy.lesions import LesionRow
from sanum.report.viewer.content import viewer_content
from sanum.report.viewer.volumes import CELLS, viewer_grid, viewer_mask, viewer_volumes
from sanum.scan import Scan
from sanum.space.grid import apply_affine

AT = (-30.0, 14.0, 10.0)


def volumes_of(inputs):
    grid = viewer_grid(inputs)
    return grid, {one.name: one for one in viewer_volumes(inputs, grid)}


def middle_of(cells, grid):
    return apply_affine(grid.affine, np.argwhere(cells > 127)).mean(0)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PSR", "SAL"])
@pytest.mark.parametrize("spacing", [(4.0, 4.0, 4.0), (2.0, 3.0, 6.0)])
def test_any_axes_and_spacing_are_upright_cubes_at_the_same_place(phantom, axes, spacing):
    inputs = phantom(axes=axes, spacing_mm=spacing, centre_mm=AT)
    marked_mm3 = inputs.anomaly_mask.voxels.sum() * np.prod(spacing)
    grid, found = volumes_of(inputs)
    assert np.allclose(grid.affine[:3, :3], np.eye(3) * grid.spacing_mm[0])
    for name in ("anomaly", "mask"):
        assert np.abs(middle_of(found[name].cells, grid) - AT).max() < max(spacing) / 2
        volume_mm3 = (found[name].cells > 127).sum() * grid.spacing_mm[0] ** 3
        assert volume_mm3 == pytest.approx(marked_mm3, rel=0.1)
    brain = found["scan"].cells > found["scan"].cells[0, 0, 0]
    extent = [np.ptp(np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {n})))) for n in range(3)]
    assert np.array(extent) * grid.spacing_mm[0] == pytest.approx((140, 170, 120), abs=3 * max(spacing))


def test_a_tilted_scan_is_drawn_along_the_axes_of_the_world(phantom):
    inputs, angle = phantom(), np.radians(25)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    scans = ("scan", "anatomy", "anomaly", "anomaly_mask", "uncertainty", "brain")
    tilted = {name: Scan(getattr(inputs, name).voxels, turn @ inputs.scan.affine) for name in scans}
    grid, found = volumes_of(phantom(**tilted))
    assert np.abs(middle_of(found["mask"].cells, grid) - apply_affine(turn, AT)).max() < 2
    assert np.array(grid.shape).prod() < 1.2 * CELLS


def test_no_part_of_the_mask_is_lost_however_small():
    fine, coarse = np.zeros((40, 40, 40), np.uint8), np.diag([3.0, 3, 3, 1])
    single = [(7, 7, 7), (20, 8, 30), (33, 33, 4)]
    for place in single:
        fine[place] = 1
    fine[23:35, 23:35, 23:35] = 1
    mask = Scan(fine, np.eye(4))
    cells = viewer_mask(mask, type(mask.grid)((13, 13, 13), coarse))
    for place in single:
        assert cells[tuple(np.round(np.array(place) / 3).astype(int))]
    assert cells.sum() - len(single) == pytest.approx(12**3 / 3**3, rel=0.15)


def test_the_script_gets_what_the_volumes_hold(phantom):
    lesion = LesionRow(1, 17.0, *AT)
    inputs = phantom(centre_mm=AT, lesions=(lesion,))
    content = viewer_content(inputs, np.array(AT))
    assert content == viewer_content(inputs, np.array(AT))
    facts, (grid, found) = content.facts, volumes_of(inputs)
    raw = np.frombuffer(gzip.decompress(base64.b64decode(content.volumes)), np.uint8)
    parts = raw.reshape(len(found), -1)
    assert [one["name"] for one in facts["volumes"]] == list(found)
    for cells, volume in zip(parts, found.values(), strict=True):
        assert np.array_equal(cells.reshape(grid.shape, order="F"), volume.cells)
    for cell in (facts["start"], facts["lesions"][1]):
        where = facts["origin"] + np.array(cell) * facts["edge"]
        assert np.abs(where - AT).max() <= facts["edge"]
    assert found["mask"].cells[tuple(facts["lesions"][1])] == 255


def test_bytes_hold_more_than_the_window_and_of_ct_one_hounsfield_unit_each(phantom):
    inputs = phantom()
    _, found = volumes_of(inputs)
    scan = found["scan"]
    assert scan.low < scan.window[0] < scan.window[1] < scan.high
    assert {name for name, one in found.items() if True in one.beyond} <= {"scan", "anatomy0", "uncertainty"}
    hounsfield = inputs.scan.with_voxels(np.where(inputs.brain.voxels > 0.5, 37.0, -1000.0))
    _, found = volumes_of(phantom(scan=hounsfield, contrast="CT"))
    scan = found["scan"]
    assert (scan.high - scan.low) / 255 == 1
    assert (scan.window, scan.unit, scan.beyond) == ((0.0, 80.0), "HU", (True, False))  # air, no bone
    assert np.median(scan.cells[scan.cells > 0]) + scan.low == 37


def test_without_a_brain_the_whole_scan_is_shown_in_no_more_cells(phantom):
    inputs = phantom(radius_mm=0.0)
    nothing = inputs.brain.with_voxels(np.zeros_like(inputs.brain.voxels))
    grid = viewer_grid(phantom(radius_mm=0.0, brain=nothing))
    assert np.array(grid.shape).prod() < 1.2 * CELLS
    assert np.array(grid.shape) * grid.spacing_mm == pytest.approx((180, 220, 160), abs=8)
