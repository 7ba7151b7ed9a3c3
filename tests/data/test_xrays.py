"""X-rays of a folder: what is read, and every fault in one list."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from sanum.data.xray_file import write_findings
from sanum.data.xray_masks import read_mask, two_lungs, zones_of
from sanum.data.xrays import XrayDataError, read_xrays
from sanum.synth.chest_set import write_chests


@pytest.fixture(scope="session")
def boxes(tmp_path_factory):
    return write_chests(tmp_path_factory.mktemp("xrays") / "boxes", 8, size=48)


@pytest.fixture(scope="session")
def masks(tmp_path_factory):
    return write_chests(tmp_path_factory.mktemp("xrays") / "masks", 4, size=48, masks=True)


@pytest.fixture
def changed(boxes, tmp_path):
    """A copy of the set with a changed file or table; the sentence of the error."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    for path in (boxes / "images").iterdir():
        (folder / "images" / path.name).symlink_to(path)

    def change(edit=lambda file: None, rows=lambda rows: rows):
        file = json.loads((boxes / "findings.json").read_text())
        edit(file)
        (folder / "findings.json").write_text(json.dumps(file))
        table = list(csv.reader((boxes / "regions.csv").read_text().splitlines()))
        with (folder / "regions.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([table[0], *rows(table[1:])])
        return folder

    return change


def fails(folder):
    with pytest.raises(XrayDataError) as raised:
        read_xrays(folder)
    return str(raised.value)


def test_what_a_set_says(boxes):
    found = read_xrays(boxes)
    assert len(found.images) == 8
    assert found.findings == ("opacity", "effusion", "mass", "enlarged heart")
    assert len(found.regions) == 8
    assert found.notes == ()
    for image in found.images:
        assert {found.findings[k] for k, _ in image.boxes} == {
            n for n, y in zip(found.findings, image.labels, strict=True) if y == 1
        }
        assert ((image.in_region == 1).any(0) <= (image.labels == 1)).all()
        assert (np.isfinite(image.regions).all(1) == (image.present == 1)).all()
    assert len({image.patient for image in found.images}) == 4


def test_masks_give_the_zones_of_the_drawn_lungs(masks, tmp_path):
    plain = write_chests(tmp_path / "same", 4, size=48)
    drawn, made = read_xrays(plain), read_xrays(masks)
    assert set(made.regions) == {*drawn.regions, "right lung", "left lung"} - {"mediastinum"}
    for one, other in zip(drawn.images, made.images, strict=True):
        for name in set(drawn.regions) - {"mediastinum"}:
            a, b = drawn.regions.index(name), made.regions.index(name)
            assert (one.in_region[a] == other.in_region[b]).all()
            if one.present[a] == 1 and one.regions[a, 1] + one.regions[a, 3] < 47:
                np.testing.assert_allclose(one.regions[a], other.regions[b], atol=2.5)
        lung = other.in_region[made.regions.index("right lung")]
        zones = [made.regions.index(f"right {zone}") for zone in ("upper zone", "middle zone", "lower zone")]
        assert (lung == other.in_region[zones].max(0)).all()


def test_both_lungs_in_one_mask_and_masks_of_another_size(masks, tmp_path):
    parts = [read_mask(masks / "masks" / f"{side} lung" / "chest0000.png") for side in ("right", "left")]
    right, left = two_lungs(parts[0] | parts[1])
    assert (right == parts[0]).all()
    assert (left == parts[1]).all()
    touching = np.zeros((20, 30), bool)
    touching[4:16, 5:25] = True
    one, other = two_lungs(touching)
    assert np.flatnonzero(one.any(0)).tolist() == list(range(5, 15))
    assert np.flatnonzero(other.any(0)).tolist() == list(range(15, 25))
    assert not any(part.any() for part in two_lungs(np.zeros((4, 4), bool)))
    zones = zones_of(touching)
    assert sum(zone.any(1) for zone in zones.values()).max() <= 2
    large = tmp_path / "large"
    (large / "images").mkdir(parents=True)
    for path in masks.iterdir():
        if path.is_file():
            (large / path.name).symlink_to(path)
    (large / "images").rmdir()
    (large / "images").symlink_to(masks / "images")
    for organ in (masks / "masks").iterdir():
        (large / "masks" / organ.name).mkdir(parents=True)
        for path in organ.iterdir():
            Image.open(path).resize((96, 96), Image.Resampling.NEAREST).save(
                large / "masks" / organ.name / path.name
            )
    for one, other in zip(read_xrays(masks).images, read_xrays(large).images, strict=True):
        np.testing.assert_allclose(one.regions, other.regions, atol=1)
    Image.fromarray(np.zeros((40, 96), np.uint8)).save(large / "masks" / "heart" / "chest0000.png")
    assert "mask heart of chest0000.png is 96 × 40 pixels large, and the image 48 × 48" in fails(large)


def test_masks_are_found_by_their_names(masks, tmp_path):
    folder = tmp_path / "named"
    (folder / "masks" / "right-lung").mkdir(parents=True)
    for name in ("images", "findings.json"):
        (folder / name).symlink_to(masks / name)
    place = folder / "masks" / "right-lung"
    for path in (masks / "masks" / "right lung").iterdir():
        (place / f"{path.stem}_mask.png").symlink_to(path)
    assert set(read_xrays(folder).regions) == {n for n in read_xrays(masks).regions if n.startswith("right")}
    for path in list(place.iterdir()):
        path.rename(place / f"of-{path.name}")
    assert "no file in masks has the name of an image, such as chest0000.png" in fails(folder)


def test_findings_in_a_region_without_a_mask_are_said(masks, tmp_path):
    folder = tmp_path / "data"
    (folder / "masks" / "heart").mkdir(parents=True)
    for name in ("images", "masks/right lung", "masks/heart/chest0001.png"):
        (folder / name).symlink_to(masks / name)
    (folder / "regions.csv").write_text("image,region,findings\nchest0000.png,heart,mass\n")
    data = json.loads((masks / "findings.json").read_text()) | {"annotations": []}
    for image in data["images"]:
        image["findings"] = ["mass"]
    (folder / "findings.json").write_text(json.dumps(data))
    said = "regions.csv has findings in heart of chest0000.png, without a box or a mask of it: where it lies "
    assert any(note.startswith(said) for note in read_xrays(folder).notes)


def test_swapped_lungs_are_said(masks, tmp_path):
    folder = tmp_path / "swapped"
    (folder / "masks").mkdir(parents=True)
    for name in ("images", "findings.json", "regions.csv"):
        (folder / name).symlink_to(masks / name)
    for one, other in (("right lung", "left_lung"), ("left lung", "right_lung"), ("heart", "Heart")):
        (folder / "masks" / other).symlink_to(masks / "masks" / one)
    assert read_xrays(folder).notes[0].startswith("the right lung lies on the right of chest0000.png")


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ([40, 10, 20, 10], "lies outside its image of 48 × 48 pixels (40 to 60 and 10 to 20)"),
        ([-3, 10, 20, 10], "lies outside its image"),
        ([10, 10, 0, 5], "has a box of size 0 × 5: expected more than 0"),
        ([10, 10, -5, 5], "has a box of size -5 × 5"),
        ([1, 2, 3], "has no box of four numbers"),
        ([1, 2, 3, "4"], "has no box of four numbers"),
        ([1, 2, 3, None], "has no box of four numbers"),
    ],
)
def test_boxes_that_cannot_be(changed, box, told):
    def edit(file):
        file["annotations"][0]["bbox"] = box

    assert told in fails(changed(edit))


def test_boxes_in_another_order(changed):
    def corners(file):
        for one in file["annotations"]:
            x, y, width, height = one["bbox"]
            one["bbox"] = [x, y, x + width, y + height]

    assert "the boxes seem to be corners, another order: expected x, y, width and height" in fails(
        changed(corners)
    )
    assert "right upper zone of chest0000.png lies outside" in fails(
        changed(rows=lambda rows: [[*rows[0][:2], "40", "3", "20", "5", ""], *rows[1:]])
    )


def test_ids_files_names(changed):
    def edit(file):
        file["images"][0]["file_name"] = "gone.png"
        file["images"][1]["id"] = file["images"][2]["id"]
        file["images"][3]["findings"] = ["dragon"]
        file["images"][4]["width"] = "48"
        file["annotations"][0]["category_id"] = 77
        file["annotations"][-1]["iscrowd"] = 1

    told = fails(changed(edit))
    assert "image id 1 has no file: there is no gone.png" in told
    assert "is there twice" in told
    assert "has the finding 'dragon', which is no category" in told
    assert "needs id, file_name, width, height" in told
    assert "is of an image or category that is not there" in told
    assert "is a crowd" in told


def test_regions_that_are_in_no_image(changed, masks, tmp_path):
    told = fails(changed(rows=lambda rows: [[*row[:2], "", "", "", "", ""] for row in rows]))
    assert "has no box, and there are no masks" in told
    assert read_xrays(changed(rows=lambda rows: [])).regions == ()
    folder = tmp_path / "empty"
    (folder / "masks" / "right clavicle").mkdir(parents=True)
    for name in ("images", "findings.json"):
        (folder / name).symlink_to(masks / name)
    for path in (masks / "images").iterdir():
        Image.fromarray(np.zeros((48, 48), np.uint8)).save(folder / "masks" / "right clavicle" / path.name)
    assert "no image has a region: give boxes or masks, or leave it out" in fails(folder)
    for organ in (masks / "masks").iterdir():
        (folder / "masks" / organ.name).symlink_to(organ)
    assert "right clavicle is in no image" in fails(folder)


def test_patients_in_two_splits_are_listed(changed):
    def edit(file):
        for n, one in enumerate(file["images"]):
            one["split"] = ("train", "test")[n % 2]

    told = fails(changed(edit))
    assert "patient made-up-0 is in test and train, patient made-up-1 is in test and train" in told

    def many(file):
        one = file["images"][0]
        for split in ("train", "test"):
            for n in range(30):
                name = f"{split}{n}.png"
                (folder / "images" / name).symlink_to(folder / "images" / "chest0000.png")
                more = {"id": len(file["images"]) + 1, "file_name": name, "patient": n, "split": split}
                file["images"].append({**one, **more})
        file["images"] = file["images"][8:]
        file["annotations"] = []

    folder = changed()
    told = fails(changed(many, lambda rows: []))
    assert all(f"patient {n} is in test and train" in told for n in range(30))

    def some(file):
        file["images"][0]["split"] = file["images"][1]["split"] = "train"
        file["images"][2]["split"] = "somewhere"

    told = fails(changed(some))
    assert 'has the split "somewhere"' in told

    def half(file):
        file["images"][0]["split"] = file["images"][1]["split"] = "train"

    assert "without split, where others have one" in fails(changed(half))


def test_what_nobody_says_is_not_no(changed):
    def edit(file):
        file["annotations"] = []
        for one in file["images"]:
            del one["findings"], one["patient"]

    found = read_xrays(changed(edit, lambda rows: [row for row in rows if row[0] != "chest0000.png"]))
    assert (found.images[0].labels == -1).all()
    assert (found.images[0].present == -1).all()
    assert (found.images[1].labels >= 0).all()
    assert found.notes == ("no image says its patient: each counts as a patient of its own",)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"images": []}', '{"images": [1], "categories": [{"id": 1}]}']
)
def test_what_is_no_coco_file(tmp_path, text):
    (tmp_path / "findings.json").write_text(text)
    assert fails(tmp_path).startswith("findings.json has ")


def test_no_file_at_all(tmp_path):
    assert "there is no findings.json" in fails(tmp_path)
    (tmp_path / "findings.json").write_text(
        json.dumps({"images": [{"id": 1}], "categories": [{"id": 1, "name": "a"}]})
    )
    assert "needs id, file_name" in fails(tmp_path)


def test_tables_that_cannot_be_read(changed):
    assert "the box 1, 2, x, 4 is no four numbers" in fails(
        changed(rows=lambda rows: [["chest0000.png", "heart", "1", "2", "x", "4", ""], *rows[1:]])
    )
    assert "is there twice" in fails(changed(rows=lambda rows: [rows[0], rows[0], *rows[1:]]))
    assert "names other.png, which findings.json has not" in fails(
        changed(rows=lambda rows: [["other.png", *rows[0][1:]], *rows[1:]])
    )
    folder = changed()
    (folder / "regions.csv").write_text("a,b\n1,2\n")
    assert "regions.csv has no column image or region" in fails(folder)
    (folder / "regions.csv").write_bytes(b"\xff\xfe")
    assert "regions.csv cannot be read" in fails(folder)


def test_a_file_made_of_labels_is_read(boxes, tmp_path):
    (tmp_path / "images").symlink_to(boxes / "images")
    names = [f"chest000{n}.png" for n in range(4)]
    labels = {name: ["b", "a"] if n == 1 else [] for n, name in enumerate(names)}
    patients = {name: f"p{n // 2}" for n, name in enumerate(names)}
    splits = {name: ("train", "val")[n // 2] for n, name in enumerate(names)}
    assert write_findings(tmp_path, labels, patients=patients, splits=splits) == tmp_path / "findings.json"
    found = read_xrays(tmp_path)
    assert found.findings == ("a", "b")
    assert [i.labels.tolist() for i in found.images] == [[0, 0], [1, 1], [0, 0], [0, 0]]
    assert [(i.patient, i.split, i.size) for i in found.images[1:3]] == [
        ("p0", "train", (48, 48)),
        ("p1", "val", (48, 48)),
    ]
    with pytest.raises(XrayDataError, match=r"no image has a finding.*; gone\.png is not in images"):
        write_findings(tmp_path, {"gone.png": []})


def test_masks_may_be_gif(masks, tmp_path):
    with Image.open(masks / "masks" / "heart" / "chest0000.png") as image:
        image.save(tmp_path / "heart.gif")
    assert (read_mask(tmp_path / "heart.gif") == read_mask(masks / "masks" / "heart" / "chest0000.png")).all()
    (tmp_path / "bad.gif").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match=r"bad\.gif is damaged or no image"):
        read_mask(tmp_path / "bad.gif")


def test_labels_of_image_box_and_region_that_contradict(changed):
    lines = [["chest0000.png", "heart", "3", "3", "9", "9", "mass"]]

    def edit(file, **findings):
        file["annotations"] = []
        for n, one in enumerate(file["images"]):
            one["findings"] = findings.get(f"of{n}", [])

    told = fails(changed(edit, lambda rows: lines))
    assert "regions.csv has mass in chest0000.png, whose findings in findings.json do not" in told

    def boxed(file):
        edit(file, of0=["mass"])
        file["annotations"] = [{"id": 7, "image_id": 2, "category_id": 3, "bbox": [1, 1, 9, 9]}]

    told = fails(changed(boxed, lambda rows: lines))
    assert "annotation 7 of chest0001.png is of a finding that the image's findings do not name" in told


def test_a_finding_in_no_region_may_be_anywhere(changed):
    def edit(file):
        file["annotations"] = []
        for one in file["images"]:
            one["findings"] = ["mass"]

    place = ["3", "3", "9", "9"]
    found = read_xrays(
        changed(
            edit, lambda _: [["chest0000.png", "heart", *place, ""], ["chest0001", "heart", *place, "mass"]]
        )
    )
    assert found.images[0].in_region.tolist() == [[0, 0, -1, 0]]
    assert found.images[1].in_region.tolist() == [[0, 0, 1, 0]]
    assert found.notes == (
        "no region in regions.csv has some finding of chest0000.png: where it is counts as unknown",
    )


def test_values_of_another_kind(changed):
    def edit(file):
        file["images"][0]["findings"] = "mass"
        file["annotations"][0]["image_id"] = [1]
        file["annotations"][1]["category_id"] = {}

    told = fails(changed(edit))
    assert "findings.json has 3 problems" in told
    assert "chest0000.png has findings that are no list" in told
    assert told.count("is of an image or category that is not there") == 2
    assert "its annotations are no list" in fails(changed(lambda file: file.update(annotations=5)))


def test_a_patient_may_be_number_zero(changed):
    def edit(file):
        for n, one in enumerate(file["images"]):
            one["patient"] = n // 4 if n < 6 else ("", None)[n % 2]

    patients = [image.patient for image in read_xrays(changed(edit)).images]
    assert patients == [*"000011", "chest0006.png", "chest0007.png"]
