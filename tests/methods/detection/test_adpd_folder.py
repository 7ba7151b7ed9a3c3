"""What a folder of results says as a whole: ids, names, and which images are judged."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sanum.data.xray_set import Xray, XraySet
from sanum.methods.detection.adpd.folder import coco_of, in_truth, left_out_words, measured, table_of

DETECTOR = SimpleNamespace(findings=("opacity", "mass"), categories=(1, 2))
BOX = (1.0, 1.0, 4.0, 4.0)


def found(name, kind="mass", box=BOX, score=0.9):
    findings = [{"name": kind, "bbox": list(box), "score": score, "regions": []}] if box else []
    return {"file_name": name, "width": 10, "height": 10, "findings": findings}


def truth_of(*images, findings=("mass",), categories=(1,), size=(10, 10)):
    """Images as (name, labels, boxes)."""
    known = [
        Xray(n + 5, Path(name), name, size, name, "", np.array(labels, np.int8), list(boxes))
        for n, (name, labels, boxes) in enumerate(images)
    ]
    return XraySet(tuple(known), findings, categories)


def test_no_two_categories_have_one_id():
    truth = truth_of(("a.png", [1], [(0, BOX)]))
    file = coco_of([found("a.png"), found("b.png", "opacity")], DETECTOR, truth, {"a.png": truth.images[0]})
    ids = {one["name"]: one["id"] for one in file["categories"]}
    assert ids["mass"] == 1
    assert len(set(ids.values())) == 2
    assert [one["category_id"] for one in file["annotations"]] == [1, ids["opacity"]]
    assert [one["id"] for one in file["images"]] == [5, 6]
    assert coco_of([], DETECTOR)["categories"] == [{"id": 1, "name": "opacity"}, {"id": 2, "name": "mass"}]


def test_images_of_the_truth_by_path():
    truth = truth_of(*((name, [0], []) for name in ("p1/a.png", "p2/a.png", "p2/b.png")))
    known = in_truth(["images/p1/a.png", "p2/a.png", "b.png", "none.png"], truth, DETECTOR.findings)
    assert {name: image.name for name, image in known.items()} == {
        "images/p1/a.png": "p1/a.png",
        "p2/a.png": "p2/a.png",
        "b.png": "p2/b.png",
    }
    with pytest.raises(ValueError, match=r"do not fit: a\.png may be p1/a\.png, p2/a\.png"):
        in_truth(["a.png"], truth, DETECTOR.findings)
    with pytest.raises(ValueError, match=r"no image in common .* it has p1/a\.png"):
        in_truth(["c.png"], truth, DETECTOR.findings)
    with pytest.raises(ValueError, match=r"no finding in common .* it has mass"):
        in_truth(["b.png"], truth, ["cyst"])


def test_an_image_that_may_have_the_finding_anywhere_is_not_judged():
    """A box that is found in it is neither right nor wrong: the numbers are those of the other images."""
    sure = [("a.png", [1], [(0, BOX)]), ("b.png", [0], [])]
    truth = truth_of(*sure, ("c.png", [1], []), ("d.png", [-1], []))
    results = [found("a.png", score=0.8), found("b.png", box=None), found("c.png"), found("d.png")]
    known = {image.name: image for image in truth.images}
    row, mean = measured(results, DETECTOR, truth, known)
    (alone, _) = measured(results[:2], DETECTOR, truth_of(*sure), known)
    assert (row.numbers["AP50"].value, row.numbers["acc50"].value) == (1, 1)
    assert {n: v.value for n, v in row.numbers.items()} == {n: v.value for n, v in alone.numbers.items()}
    assert (row.images, row.left_out, mean.left_out, alone.left_out) == (1, 2, 2, 0)
    assert "2 of mass" in left_out_words([row, mean])
    assert left_out_words([alone, alone]) == ""
    assert table_of([row]).splitlines()[0].startswith("finding\timages\tboxes\tleft_out\tmAP")
    unknown = truth_of(("c.png", [1], []))
    (none, _) = measured(results[2:3], DETECTOR, unknown, {"c.png": unknown.images[0]})
    assert all(np.isnan(number.value) for number in none.numbers.values())


def test_boxes_of_an_image_of_another_size_measure_nothing():
    truth = truth_of(("a.png", [1], [(0, BOX)]), size=(20, 20))
    with pytest.raises(ValueError, match=r"a\.png has another size in the truth"):
        measured([found("a.png")], DETECTOR, truth, {"a.png": truth.images[0]})
    with pytest.raises(ValueError, match="no image that the truth has was searched"):
        measured([found("b.png")], DETECTOR, truth, {"a.png": truth.images[0]})
