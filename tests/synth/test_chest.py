"""Made-up chests: the same for one seed, findings where they are said to be, of every kind."""

import numpy as np
import pytest

from sanum.synth.chest import FINDINGS, REGIONS, chest_image, chest_masks, draw_chest, visible


@pytest.fixture(scope="module")
def chests():
    return [draw_chest(np.random.default_rng([0, n])) for n in range(300)]


def test_one_seed_makes_one_picture(chests):
    one, other = (chest_image(chests[0], 40, np.random.default_rng(1)) for _ in range(2))
    assert draw_chest(np.random.default_rng([0, 0])) == chests[0]
    assert (one == other).all()


def test_every_finding_is_there_and_some_span_two_regions(chests):
    found = [one for chest in chests for one in chest.findings]
    for name in FINDINGS:
        assert 50 < sum(one.name == name for one in found) < 140
    spans = {one.name for one in found if len(one.regions) == 2}
    assert spans == {"opacity", "effusion"}
    assert {region for one in found for region in one.regions} <= set(REGIONS)


def test_a_finding_lies_in_its_regions(chests):
    for chest in chests:
        regions = chest.regions()
        assert tuple(regions) == REGIONS
        for one in chest.findings:
            x, y, width, height = one.box
            middle = x + width / 2, y + height / 2
            boxes = [regions[name] for name in one.regions]
            low, high = min(b[1] for b in boxes), max(b[1] + b[3] for b in boxes)
            assert low - 0.01 <= middle[1] <= high + 0.01
            assert boxes[0][0] - 0.01 <= middle[0] <= boxes[0][0] + boxes[0][2] + 0.01


def test_a_finding_changes_the_picture_in_its_box_alone():
    rng = np.random.default_rng(5)
    chest = next(c for c in iter(lambda: draw_chest(rng), None) if [f.name for f in c.findings] == ["mass"])
    healthy = type(chest)(chest.lungs, chest.heart, chest.brightness, ())
    pair = [chest_image(c, 64, np.random.default_rng(0)).astype(int) for c in (chest, healthy)]
    x, y, width, height = (v * 64 for v in chest.findings[0].box)
    rows, columns = np.nonzero(np.abs(pair[0] - pair[1]) > 20)
    assert rows.min() >= y - 2
    assert rows.max() <= y + height + 2
    assert columns.min() >= x - 2
    assert columns.max() <= x + width + 2


def test_masks_and_boxes_agree(chests):
    masks = chest_masks(chests[1], 200)
    for name, box in (("right lung", chests[1].lungs[0]), ("heart", chests[1].heart)):
        rows = np.flatnonzero(masks[name].any(1)) / 200
        assert rows[0] == pytest.approx(box[1], abs=0.02)
        assert rows[-1] == pytest.approx(min(box[1] + box[3], 1), abs=0.02)


def test_what_is_cut_off_by_more_than_half_is_not_there():
    assert visible((0.1, 0.2, 0.3, 0.4)) == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert visible((-0.2, 0.2, 0.3, 0.4)) is None
    assert visible((1.2, 0.2, 0.3, 0.4)) is None
