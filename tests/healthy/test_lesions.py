"""Rows of lesions: what is measured, what a table and its dictionary say, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from sanum.healthy.lesions import (
    COLUMNS,
    brightness_of,
    dictionary_of,
    found_in,
    rows_of,
    table_of,
)
from sanum.healthy.places import AVERAGE_MM, IN_MNI, Places, dlmuse, places_of, with_atlas
from sanum.methods.common.anatomy import Posture
from sanum.metrics.lesion_places import Normal, Regions
from sanum.scan import Scan, ScanError
from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine
from sanum.synth.anatomy import ATLAS_GRID
from sanum.synth.schemes import DLMUSE

from .heads import points

GRID = Box((60, 70, 60), 2.0).grid()
BALLS = (((-30.0, 10, 20), 8.0), ((22.0, -40, 0), 5.0), ((0.0, 30, -20), 4.0))
"""Centres and radii, mm: left, right, both."""


def spots(grid=GRID):
    """A map of probabilities: 1 inside of each ball, falling to 0 over 4 mm, 0.5 at its border."""
    p = np.zeros(grid.shape, np.float32)
    for centre, radius in BALLS:
        p = np.maximum(p, np.clip((radius - np.linalg.norm(points(grid) - centre, axis=-1)) / 4 + 0.5, 0, 1))
    return Scan(p.astype(np.float32), grid.affine)


def test_one_row_for_each():
    rows = rows_of(found_in(spots()), GRID, IN_MNI)
    assert [row.id for row in rows] == [1, 2, 3]
    assert [row.side for row in rows] == ["left", "right", "both"]
    for row, (centre, radius) in zip(rows, BALLS, strict=True):
        np.testing.assert_allclose(row.centre_mm, centre, atol=0.5)
        np.testing.assert_allclose((row.mni_x_mm, row.mni_y_mm, row.mni_z_mm), row.centre_mm)
        assert row.volume_ml == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.2)
        assert row.surface_mm2 == pytest.approx(4 * np.pi * radius**2, rel=0.2)


def test_a_map_gives_what_its_mask_gives():
    p = spots()
    for threshold in (0.5, 0.3):
        mask = p.with_voxels((p.voxels > threshold).astype(np.uint8))
        given = rows_of(found_in(p, threshold=threshold), GRID, IN_MNI)
        assert repr(given) == repr(rows_of(found_in(mask), GRID, IN_MNI))


def test_a_move_of_the_world_moves_the_centres_alone():
    move = np.eye(4)
    move[:3, :3] = [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]
    move[:3, 3] = 5, -9, 100
    there = Places(np.linalg.inv(move), IN_MNI.midplane @ np.linalg.inv(move))
    rows = rows_of(found_in(spots()), GRID, IN_MNI)
    moved = rows_of(found_in(spots()), Grid(GRID.shape, move @ GRID.affine), there)
    for one, other in zip(rows, moved, strict=True):
        np.testing.assert_allclose(other.centre_mm, apply_affine(move, one.centre_mm), atol=1e-9)
        for name in COLUMNS:
            before, after = getattr(one, name), getattr(other, name)
            if name not in ("x_mm", "y_mm", "z_mm") and isinstance(before, float):
                assert after == pytest.approx(before, rel=1e-6, abs=1e-9, nan_ok=True), name
            elif isinstance(before, str):
                assert after == before, name


def test_small_ones_are_left_out():
    least = 4 / 3 * np.pi * 0.45**3
    assert len(rows_of(found_in(spots(), min_ml=least), GRID)) == 2
    one = Scan(np.ones((1, 1, 1)), np.eye(4))
    assert len(found_in(one, min_ml=0.001).sizes) == 1  # of a volume that is asked for exactly
    assert len(found_in(one, min_ml=0.0011).sizes) == 0


def test_noise_is_refused_and_asks_for_a_least_volume():
    noise = np.zeros((45, 45, 45), np.uint8)
    noise[::2, ::2, ::2] = 1
    with pytest.raises(ScanError) as refused:
        found_in(Scan(noise, np.eye(4)), name="noise.nii")
    assert str(refused.value) == (
        "noise.nii has 12,167 separate parts: at most 10,000 are told apart as lesions; leave the small "
        "ones out, such as with --min-volume 0.01"
    )
    assert len(found_in(Scan(noise, np.eye(4)), min_ml=0.01).sizes) == 0


def test_nothing_has_a_table_of_no_rows():
    rows = rows_of(found_in(Scan(np.zeros((9, 9, 9), np.uint8), np.eye(4))), GRID)
    assert rows == ()
    assert table_of(rows) == "\t".join(COLUMNS) + "\n"


def test_brightness_is_against_normal_white_matter():
    """A shift of the numbers, as a z-score has, changes nothing."""
    p = spots()
    brain = np.linalg.norm(points(GRID), axis=-1) < 55
    white = brain & (points(GRID)[..., 2] < 10)
    anatomy = p.with_voxels(np.where(white, 1.0, 0.6).astype(np.float32) * brain)
    shown = np.asarray(anatomy.voxels) * 200
    shown[p.voxels > 0.5] = 260
    images = anatomy, p.with_voxels(brain.astype(np.uint8)), p
    for factor, shift in ((1, 0), (1, -500), (1e18, 0), (1e-18, 0)):
        scan = p.with_voxels((factor * shown + shift).astype(np.float32))
        light = brightness_of(scan, *images)
        assert light.white == pytest.approx(200 * factor, rel=1e-3)
        assert light.zero == pytest.approx(shift, abs=0.5 * factor)
        rows = rows_of(found_in(p), GRID, Places(), light)
        assert [row.contrast for row in rows] == pytest.approx([0.3] * 3, abs=1e-3)
        assert all(np.isnan(row.normal_sd) for row in rows)
    assert brightness_of(p.with_voxels(shown), p.with_voxels(0 * shown), *images[1:]) is None


def test_a_t1w_is_compared_with_healthy_people():
    p = spots()
    normal = Normal(np.full(GRID.shape, 0.9, "f4"), np.full(GRID.shape, 0.05, "f4"), GRID)
    brain = p.with_voxels(np.ones(GRID.shape, np.uint8))
    scan = Scan(np.where(p.voxels > 0.5, 60, 100).astype("f4"), GRID.affine, "T1w")
    framed = scan.with_voxels(np.pad(scan.voxels[1:-1, 1:-1, 1:-1], 1))
    light = brightness_of(framed, brain, brain, p)
    (first, *_) = rows_of(found_in(p), GRID, Places(normal=normal), light)
    assert first.normal_sd == pytest.approx((0.6 - 0.9) / 0.05, abs=0.01)


def test_regions_say_lobe_and_tissue():
    x = points(GRID)
    labels = np.select([np.linalg.norm(x, axis=-1) < 12, x[..., 0] < 0, x[..., 0] >= 0], [52, 82, 163])
    rows = rows_of(found_in(spots()), GRID, Places(regions=Regions(labels, GRID, dlmuse())))
    assert [(row.lobe, row.tissue) for row in rows[:2]] == [("frontal", "white"), ("frontal", "cortex")]
    assert rows[0].ventricle_mm == pytest.approx(np.sqrt(1400) - 12 - 8, abs=1.5)
    assert rows[1].cortex_mm == 0


class TestAtlas:
    """A shell of cortex about white matter with a ventricle, in a space of its own, 3 mm left of MNI's."""

    @pytest.fixture
    def atlas(self):
        grid = Box((50, 60, 50), 3.0).grid()
        r = np.linalg.norm(points(grid), axis=-1)
        labels = np.select([r < 15, r < 55, r < 62], [1052, 82, 163], 0).astype(np.int32)
        reference = np.eye(4)
        reference[0, 3] = 3
        return SimpleNamespace(
            grid=grid,
            labels=labels,
            names={1052: "LateralVentricle_L", 82: "Frontal_WM_L", 163: "Elsewhere"},
            template=np.where(r < 15, 0.2, 0.8).astype(np.float32),
            spread=np.full(grid.shape, 0.08, np.float32),
            region=r < 62,
            to_reference=reference,
        )

    def test_it_lies_in_the_scan_s_world(self, atlas):
        """The world is MNI space, enlarged by a tenth."""
        places = with_atlas(Places(np.diag([1 / 1.1, 1 / 1.1, 1 / 1.1, 1])), atlas)
        names = {one.name for one in places.regions.at(1.1 * np.array([[3.0, 0, 0], [-30, 0, 0]]))}
        assert names == {"LateralVentricle_L", "Frontal_WM_L"}
        assert places.regions.at(1.1 * np.array([[3.0 + 58, 0, 0]])) == []  # whose name is not known
        (row, *_) = rows_of(found_in(spots()), GRID, places)
        gap = np.linalg.norm(np.subtract(BALLS[0][0], (3.3, 0, 0))) - 8 - 15 * 1.1
        assert (row.lobe, row.tissue) == ("frontal", "white")
        assert row.ventricle_mm == pytest.approx(gap, abs=2.5)
        assert np.isnan(row.cortex_mm)

    def test_its_white_matter_is_one(self, atlas):
        normal = with_atlas(IN_MNI, atlas).normal
        assert normal.z(np.array([[40.0, 0, 0]]), np.array([1.2], np.float32)) == pytest.approx(2)
        assert np.isnan(normal.z(np.array([[70.0, 0, 0]]), np.array([1.2], np.float32)))

    @pytest.mark.parametrize(
        ("point", "side", "lobe", "tissue"),
        [
            ((-25, 30, 20), "left", "frontal", "white"),
            ((-22, -40, 35), "left", "parietal", "white"),
            ((-24, -60, -45), "left", "cerebellum", "white"),
            ((0, -20, -30), "", "brain stem", "brain stem"),
            ((-10, -5, 20), "left", "", "ventricle"),
            ((-40, -30, -20), "left", "temporal", "cortex"),
        ],
    )
    def test_the_atlas_that_ships_knows_the_places_of_mni_space(self, point, side, lobe, tissue):
        (found,) = with_atlas(IN_MNI).regions.at(np.array([point], float))
        assert (found.side, found.lobe, found.tissue) == (side, lobe, tissue)

    def test_without_a_way_there_nothing_is_known(self, atlas):
        nowhere = Places(midplane=IN_MNI.midplane)
        assert with_atlas(nowhere, atlas) is nowhere


class TestTable:
    def test_every_column_has_a_description_and_a_unit(self):
        words = dictionary_of()
        assert [*words] == [*COLUMNS]
        for column in words.values():
            assert column["Description"].endswith(".")
            assert column["Units"]

    def test_what_is_not_known_is_na(self):
        (first, *_) = rows_of(found_in(spots()), GRID)
        header, line = table_of([first]).splitlines()
        cells = dict(zip(header.split("\t"), line.split("\t"), strict=True))
        assert cells["id"] == "1"
        assert cells["volume_ml"] == f"{first.volume_ml:.4f}"
        for name in ("mni_x_mm", "side", "lobe", "contrast", "ventricle_mm", "normal_sd"):
            assert cells[name] == "n/a"


class TestPlaces:
    def test_the_average_brain_lies_in_mni_space(self):
        np.testing.assert_allclose(AVERAGE_MM, ATLAS_GRID.centre_mm)

    def test_the_pose_is_a_way_to_mni(self):
        """A box about (5, 6, 7) whose brain lies 3 mm too far right and is too small by a tenth."""
        box = Box((80, 96, 80), 2.0)
        pose = np.diag([1.1, 1.1, 1.1, 1])
        pose[0, 3] = -3
        places = places_of(Posture(pose, 0.5), box, box.grid((5, 6, 7)), None)
        there = apply_affine(places.to_mni, [[5, 6, 7], [15, 6, 7]])
        np.testing.assert_allclose(there, [[-3, -18, 14], [8, -18, 14]])
        assert places.midplane @ [5 + 3 / 1.1, 0, 0, 1] == pytest.approx(0, abs=1e-9)
        across = np.diag([-1.0, 1, 1, 1])
        across[0, 3] = 12
        np.testing.assert_allclose(
            places_of(Posture(pose, 0.5), box, box.grid(), across).midplane, [1, 0, 0, -6]
        )

    def test_without_a_pose_the_mirror_says_the_side(self):
        box = Box((40, 48, 40), 4.0)
        for posture in (None, Posture(None, 0.1)):
            assert places_of(posture, box, box.grid(), None).midplane is None
            found = places_of(posture, box, box.grid(), np.diag([-1.0, 1, 1, 1]))
            assert found.to_mni is None
            np.testing.assert_allclose(found.midplane, [1, 0, 0, 0])

    def test_every_label_of_dlmuse_has_its_tissue(self):
        table = dlmuse()
        assert {n for n, region in table.items() if region.tissue == "ventricle"} == DLMUSE.fluid
        assert DLMUSE.cortex <= {n for n, region in table.items() if region.tissue == "cortex"}
        assert DLMUSE.white <= {n for n, region in table.items() if region.tissue == "white"}
        assert set(table) == DLMUSE.known - {0, 46, 69}
        for right, left in DLMUSE.sides:
            assert (table[right].side, table[left].side) == ("right", "left")
            assert (table[right].lobe, table[right].tissue) == (table[left].lobe, table[left].tissue)
