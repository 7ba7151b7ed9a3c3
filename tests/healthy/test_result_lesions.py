"""The table of lesions beside a result."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from sanum.healthy.lesions import COLUMNS, LISTED
from sanum.healthy.places import AVERAGE_MM, IN_MNI
from sanum.healthy.reconstruction import reconstruct
from sanum.methods.common.anatomy import Posture
from sanum.scan import Scan
from sanum.space.grid import apply_affine


@pytest.fixture
def spotted(small):
    """Two spots of 8 and 1 voxels, brighter than the white matter around them, and a wide brain."""
    shape = small.scan.grid.shape
    mask, brain = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    mask[4:6, 4:6, 4:6] = mask[14, 10, 10] = brain[2:18, 2:18, 2:18] = 1

    def scan(x, like=small.brain):
        return replace(like, voxels=x)

    shown = np.where(mask > 0, 150, 100) * brain.astype("f4")
    return replace(
        small,
        scan=scan(shown.astype("f4"), small.scan),
        anatomy=scan(brain.astype("f4")),
        anomaly_mask=scan(mask),
        brain=scan(brain),
        places=IN_MNI,
    )


def test_it_has_a_row_for_each_part(spotted):
    assert [row.volume_ml for row in spotted.lesions] == pytest.approx([8 * 0.512, 0.512])
    assert [row.side for row in spotted.lesions] == ["left", "right"]
    assert [row.contrast for row in spotted.lesions] == pytest.approx([0.5, 0.5])
    assert spotted.numbers["lesions"] == 2
    assert sum(row.volume_ml for row in spotted.lesions) == pytest.approx(spotted.numbers["anomaly_ml"])


def test_it_is_written_with_its_dictionary(spotted, tmp_path):
    paths = spotted.save(tmp_path, report=False)
    (table,) = (p for p in paths if p.name.endswith("_lesions.tsv"))
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    words = json.loads(table.with_suffix(".json").read_text(encoding="utf-8"))
    assert [*rows[0]] == [*words] == [*COLUMNS]
    assert [row["id"] for row in rows] == ["1", "2"]


def test_the_brightness_is_that_of_the_healthy_anatomy(spotted):
    """Also where the anatomy that is shown holds the lesion."""
    lesion = spotted.anatomy.with_voxels(np.where(spotted.anomaly_mask.voxels > 0, 1.5, 0).astype("f4"))
    kept = replace(spotted, anatomy=lesion, predicted=spotted.anatomy)
    assert [row.contrast for row in kept.lesions] == [row.contrast for row in spotted.lesions]


def test_noise_has_so_many_rows_and_no_more(spotted):
    mask = np.zeros((40, 40, 40), np.uint8)
    mask[::2, ::2, ::2] = 1
    whole = Scan(mask, np.eye(4))
    many = replace(spotted, scan=whole, anatomy=whole, brain=whole, anomaly_mask=whole, places=None)
    assert many._parts.sizes.size == 8000
    assert len(many.lesions) == LISTED


def test_the_way_to_mni_is_that_of_the_pose(phantom, phantom_predictor_type, rough_mirror):
    """A method whose average brain lies in the middle of its box, 4 mm further to the front."""

    class Posed(phantom_predictor_type):
        def __call__(self, pair, **how):
            pose = np.eye(4)
            pose[1, 3] = 4
            return replace(super().__call__(pair, **how), posture=Posture(pose, 0.5))

    result = reconstruct(phantom, predictor=Posed())
    (row,) = result.lesions
    np.testing.assert_allclose(row.centre_mm, (40, -6, 10), atol=1.5)
    assert row.side == "right"
    assert row.lobe
    assert row.tissue
    assert row.contrast == pytest.approx(0.4, abs=0.05)
    shift = np.subtract(row.mni_mm, row.centre_mm)
    there = np.add(AVERAGE_MM, (0, 4, 0)) - (6, -10, 4)  # less the middle of the phantom's brain
    np.testing.assert_allclose(shift, there, atol=2.5)  # the box lies on voxels


@pytest.mark.full
def test_the_template_lies_in_its_own_space(shipped_on_icbm152):
    result = shipped_on_icbm152
    corners = np.array([[x, y, z] for x in (-50, 50) for y in (-90, 60) for z in (-30, 60)])
    away = apply_affine(result.places.to_mni, corners) - corners
    assert np.linalg.norm(away, axis=1).mean() < 1.5
    assert abs(result.places.midplane @ [0, -20, 10, 1]) < 1
