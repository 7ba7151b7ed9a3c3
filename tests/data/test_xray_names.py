"""Images, masks, tables and results that are matched by name: folders, endings, and what may mean several."""

import json
import shutil

import pytest
from PIL import Image

from sanum.data.xray_names import paired
from sanum.data.xrays import XrayDataError, read_xrays

HEAD = "image,region,x,y,width,height,findings\n"


def folder_of(place, names, rows="", masks=(), **more):
    """A folder with black images of these names, masks of the heart at these paths, and rows of a table."""
    for name in names:
        path = place / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20)).save(path, format="PNG")
    for n, name in enumerate(masks):
        path = place / "masks" / "heart" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = Image.new("L", (20, 20))
        mask.paste(255, (n + 1, 5, n + 9, 12))
        mask.save(path, format="PNG")
    if rows:
        (place / "regions.csv").write_text(HEAD + rows)
    images = [{"id": n, "file_name": name, "width": 20, "height": 20} for n, name in enumerate(names)]
    file = {"images": images, "categories": [{"id": 1, "name": "mass"}], **more}
    (place / "findings.json").write_text(json.dumps(file))
    return place


def test_a_path_before_the_end_of_a_path():
    names = ["p1/a.png", "p2/a.png", "p3/b.dcm", "1.2.840.1", "c.png"]
    found, problems = paired(
        names, ["p1/a.jpg", "x/p2/a", "b.png", "1.2.840.1.png", "c.png", "old/c.png", "p4/b"]
    )
    assert found == {
        "p1/a.jpg": "p1/a.png",
        "x/p2/a": "p2/a.png",
        "b.png": "p3/b.dcm",
        "1.2.840.1.png": "1.2.840.1",
        "c.png": "c.png",
    }
    assert problems == []
    assert paired(names, ["a.png"])[1] == ["a.png may be p1/a.png, p2/a.png"]
    assert paired(["c.png"], ["new/c", "old/c"])[1] == ["new/c, old/c may all be c.png"]


def test_masks_of_images_in_folders(tmp_path):
    names = ["p1/a.png", "p2/a.png", "p3/b.png", "1.2.840.1"]
    masks = ["p1/a.png", "p2/a_mask.png", "b.png", "1.2.840.1.png"]
    found = read_xrays(folder_of(tmp_path, names, masks=masks))
    assert [image.regions[0, 0] for image in found.images] == [1, 2, 3, 4]
    shutil.copy(tmp_path / "masks" / "heart" / "b.png", tmp_path / "masks" / "heart" / "a.png")
    with pytest.raises(XrayDataError, match=r"masks of heart: a\.png may be p1/a\.png, p2/a\.png"):
        read_xrays(tmp_path)


def test_rows_of_images_in_folders(tmp_path):
    rows = "p1/a.png,heart,1,1,4,4,mass\np2/a,heart,2,1,4,4,\nb,heart,3,1,4,4,\n"
    found = read_xrays(folder_of(tmp_path, ["p1/a.png", "p2/a.png", "p3/b.png"], rows))
    assert [image.regions[0, 0] for image in found.images] == [1, 2, 3]
    assert [image.labels.tolist() for image in found.images] == [[1], [0], [0]]
    (tmp_path / "regions.csv").write_text(HEAD + "a.png,heart,1,1,4,4,mass\n")
    with pytest.raises(XrayDataError, match=r"one problem: regions\.csv: a\.png may be p1/a\.png, p2/a\.png"):
        read_xrays(tmp_path)
