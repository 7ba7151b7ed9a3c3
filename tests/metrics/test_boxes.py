"""Average precision against COCO's own program, and hand-computed cases."""

import contextlib
import io

import numpy as np
import pytest

from sanum.metrics.boxes import IOUS, BoxTable, box_iou, matched, measure_boxes, precision_mean

EMPTY = BoxTable.of([])


def made_up(seed, images=12, classes=3):
    """True boxes, and boxes that are near some of them, with scores that often tie."""
    rng = np.random.default_rng(seed)
    true = [
        (n, int(rng.integers(classes)), [*rng.uniform(0, 60, 2), *rng.uniform(8, 40, 2)])
        for n in range(images)
        for _ in range(rng.integers(0, 4))
    ]
    found = [
        (
            n,
            k if rng.random() < 0.8 else int(rng.integers(classes)),
            (np.array(box) + rng.normal(0, 6, 4)).clip(1),
        )
        for n, k, box in true
        for _ in range(rng.integers(0, 3))
    ]
    found += [(int(rng.integers(images)), int(rng.integers(classes)), [5, 5, 20, 20]) for _ in range(10)]
    return true, found, rng.choice([0.2, 0.5, 0.75, 0.9, 0.95], len(found)) + rng.uniform(0, 1e-3, len(found))


def of_coco(true, found, scores, classes):
    """AP of each class at each IoU, by COCOeval; -1 where there is no true box."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth, result = COCO(), COCO()
        base = {"images": [{"id": n} for n in range(12)], "categories": [{"id": k} for k in range(classes)]}
        for one, rows in ((truth, true), (result, found)):
            notes = [
                {
                    "id": i + 1,
                    "image_id": n,
                    "category_id": k,
                    "bbox": list(map(float, box)),
                    "area": float(box[2] * box[3]),
                    "iscrowd": 0,
                    "score": float(scores[i]) if one is result else 1.0,
                }
                for i, (n, k, box) in enumerate(rows)
            ]
            one.dataset = {**base, "annotations": notes}
            one.createIndex()
        judge = COCOeval(truth, result, "bbox")
        judge.params.iouThrs = np.array(IOUS)
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, :, 0, 2].mean(1).T


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_coco_computes(seed):
    true, found, scores = made_up(seed)
    names = ["a", "b", "c", "never there"]
    rows = measure_boxes(BoxTable.of(true), BoxTable.of(found, scores), names, range(12), resamples=0)
    theirs = of_coco(true, found, scores, 4)
    for row, own in zip(rows[:3], theirs, strict=False):
        assert row.numbers["mAP"].value == pytest.approx(own.mean(), abs=1e-12)
        for name, place in (("AP10", 0), ("AP30", 2), ("AP50", 4)):
            assert row.numbers[name].value == pytest.approx(own[place], abs=1e-12)
    assert np.isnan(rows[3].numbers["mAP"].value)
    assert (theirs[3] == -1).all()
    assert rows[4].numbers["mAP"].value == pytest.approx(theirs[:3].mean(), abs=1e-12)


def test_a_hand_computed_precision():
    """Right, wrong, right of two true boxes: precision 1 up to recall .5, then 2/3."""
    right = np.array([True, False, True])
    (value,) = precision_mean(right, np.ones((1, 3)), np.array([2.0]))
    assert value == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_a_box_is_matched_once_and_to_the_best():
    true = np.array([[0, 0, 10, 10], [20, 0, 10, 10.0]])
    found = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [20, 0, 10, 10.0]])
    assert matched(true, found, 0.5).tolist() == [True, False, True]
    assert matched(np.zeros((0, 4)), found, 0.5).tolist() == [False] * 3


def test_iou_of_boxes_that_touch_or_have_no_size():
    assert box_iou([[0, 0, 2, 2]], [[2, 0, 2, 2], [0, 0, 0, 0], [0, 0, 2, 2]]).tolist() == [[0, 0, 1]]


def test_localization_accuracy_counts_images():
    """Found, missed for its score, wrongly claimed, rightly silent: two of four."""
    true = BoxTable.of([(0, 0, [0, 0, 4, 4]), (1, 0, [0, 0, 4, 4])])
    found = BoxTable.of([(0, 0, [0, 0, 4, 4]), (1, 0, [0, 0, 4, 4]), (2, 0, [0, 0, 4, 4])], [0.9, 0.6, 0.8])
    (row, _) = measure_boxes(true, found, ["a"], range(4), resamples=0)
    assert row.numbers["acc50"].value == 0.5


def test_intervals_draw_whole_patients():
    true, found, scores = made_up(0)
    tables = BoxTable.of(true), BoxTable.of(found, scores)
    alone = measure_boxes(*tables, ["a", "b", "c"], range(12), resamples=200)
    again = measure_boxes(*tables, ["a", "b", "c"], range(12), resamples=200)
    pairs = measure_boxes(*tables, ["a", "b", "c"], [n // 6 for n in range(12)], resamples=200)
    number = alone[-1].numbers["mAP"]
    assert number.low < number.value < number.high
    assert [row.numbers["mAP"] for row in again] == [row.numbers["mAP"] for row in alone]
    assert len({pairs[-1].numbers["mAP"].low, pairs[-1].numbers["mAP"].high, number.low}) == 3
    one = measure_boxes(*tables, ["a", "b", "c"], ["x"] * 12)
    assert np.isnan(one[-1].numbers["mAP"].low)


def test_an_image_that_is_drawn_twice_counts_as_two():
    true, found, scores = made_up(1)
    twice = [(n + 12 * k, *rest) for k in (0, 1) for n, *rest in found]
    doubled = measure_boxes(
        BoxTable.of([(n + 12 * k, *rest) for k in (0, 1) for n, *rest in true]),
        BoxTable.of(twice, np.tile(scores, 2)),
        ["a"],
        range(24),
        resamples=0,
    )
    own = [(n, k, b) for (n, k, b) in found if k == 0]
    order = np.argsort(-scores[[k == 0 for _, k, _ in found]], kind="stable")
    right = np.zeros(len(own), bool)
    for image in range(12):
        rows = [i for i in order if own[i][0] == image]
        boxes = np.array([own[i][2] for i in rows]).reshape(-1, 4)
        right[rows] = matched(
            np.array([b for n, k, b in true if (n, k) == (image, 0)]).reshape(-1, 4), boxes, 0.3
        )
    total = sum(k == 0 for _, k, _ in true)
    (value,) = precision_mean(right[order], np.full((1, len(own)), 2.0), np.array([2.0 * total]))
    assert doubled[0].numbers["AP30"].value == pytest.approx(value, abs=0.02)  # ties are apart there


def test_nothing_found_and_nothing_true():
    true = BoxTable.of([(0, 0, [0, 0, 4, 4])])
    rows = measure_boxes(true, EMPTY, ["a", "b"], range(2))
    assert rows[0].numbers["mAP"].value == rows[2].numbers["mAP"].value == 0
    assert rows[0].numbers["acc10"].value == 0.5
    assert rows[1].numbers["acc10"].value == 1
