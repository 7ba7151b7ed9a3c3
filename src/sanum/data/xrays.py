"""Chest x-rays with findings: COCO JSON, regions from a table or from masks, and all that may be wrong.

    FOLDER/findings.json   images, categories and, if known, boxes (COCO), with patient, split and findings
    FOLDER/images/         PNG, JPEG, TIFF or DICOM
    FOLDER/regions.csv     image, region, x, y, width, height, findings
    FOLDER/masks/ORGAN/    masks of the images' names: regions are made of them

Boxes are x, y, width and height in pixels of the image, from its upper left corner.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..files import parse_json
from ..scan.names import printable
from .xray_regions import add_regions
from .xray_set import (
    FILE,
    IMAGES,
    Xray,
    XrayDataError,
    XraySet,
    box_problems,
    is_box,
    mark,
    split_problems,
)

SPLITS = {"train": "train", "val": "val", "validation": "val", "valid": "val", "test": "test"}


def file_in(data: Path) -> Path:
    """The COCO file that a path means.

    Parameters
    ----------
    data : Path
        A folder with `findings.json`, or a file.
    """
    return data / FILE if data.is_dir() else data


def read_xrays(data: Path, *, regions: bool = True) -> XraySet:
    """Images with all that is known of them.

    Parameters
    ----------
    data : Path
        As of `file_in`.
    regions : bool
        Read the table of regions and the masks too.

    Raises
    ------
    XrayDataError
        Anything that is wrong, all of it.
    """
    file = file_in(data)
    what, problems = printable(file.name), list[str]()
    if not file.is_file():
        raise XrayDataError(printable(str(data)), [f"there is no {FILE}: expected a COCO file"])
    try:
        content = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise XrayDataError(what, ["it is no JSON: expected a COCO file"]) from error
    parts = [content.get(key) if isinstance(content, dict) else None for key in ("images", "categories")]
    if not all(isinstance(part, list) and part for part in parts):
        raise XrayDataError(what, ["it has no images or no categories: expected a COCO file with both"])
    assert isinstance(content, dict)
    names, numbers = _categories(content["categories"], problems)
    images = _images(content["images"], file.parent, names, problems)
    annotations = content.get("annotations")
    if annotations is not None and not isinstance(annotations, list):
        problems.append("its annotations are no list: expected boxes, or none")
        annotations = None
    _add_boxes(annotations or [], images, numbers, problems)
    found, notes = tuple[str, ...](), list[str]()
    if regions and not problems:
        found = add_regions(file.parent, list(images.values()), names, problems, notes)
    if not problems:
        problems += split_problems(list(images.values()))
    if problems:
        raise XrayDataError(what, problems)
    if all(one.patient == one.name for one in images.values()):
        notes.append("no image says its patient: each counts as a patient of its own")
    return XraySet(tuple(images.values()), names, tuple(numbers), found, tuple(notes))


def _categories(given: list[Any], problems: list[str]) -> tuple[tuple[str, ...], dict[int, int]]:
    """Names, and the place of each id."""
    names, numbers = list[str](), dict[int, int]()
    for one in given:
        good = isinstance(one, dict) and type(one.get("id")) is int and isinstance(one.get("name"), str)
        if not good or one["id"] in numbers or one["name"] in names:
            problems.append(f"category {printable(str(one))[:60]} has no id and name of its own")
            continue
        numbers[one["id"]] = len(names)
        names.append(one["name"])
    return tuple(names), numbers


def _images(given: list[Any], folder: Path, names: tuple[str, ...], problems: list[str]) -> dict[int, Xray]:
    images, used = dict[int, Xray](), set[str]()
    for one in given:
        keys = {"id": int, "file_name": str, "width": int, "height": int}
        if not isinstance(one, dict) or any(type(one.get(key)) is not kind for key, kind in keys.items()):
            problems.append(f"image {printable(str(one))[:60]} needs {', '.join(keys)}")
            continue
        name = one["file_name"]
        if one["id"] in images or name in used:
            problems.append(f"image {one['id']} ({printable(name)}) is there twice")
            continue
        path = folder / IMAGES / name
        path = path if path.is_file() else folder / name
        if not path.is_file():
            problems.append(f"image id {one['id']} has no file: there is no {printable(name)}")
        if one["width"] < 1 or one["height"] < 1:
            problems.append(f"{printable(name)} is {one['width']} × {one['height']} pixels large")
        split = str(one.get("split") or "").lower()
        if split and split not in SPLITS:
            problems.append(
                f'{printable(name)} has the split "{printable(split)}": expected train, val, test'
            )
        labels = np.full(len(names), -1, np.int8)
        told, patient = one.get("findings"), one.get("patient")
        if isinstance(told, list):
            labels[:] = 0
            mark(labels, told, names, printable(name), problems)
        elif told is not None:
            problems.append(f"{printable(name)} has findings that are no list: expected names in brackets")
        images[one["id"]] = Xray(
            one["id"],
            path,
            name,
            (one["width"], one["height"]),
            name if patient is None or patient == "" else str(patient),
            SPLITS.get(split, ""),
            labels,
            told=isinstance(told, list),
        )
        used.add(name)
    return images


def _add_boxes(
    given: list[Any], images: dict[int, Xray], numbers: dict[int, int], problems: list[str]
) -> None:
    """Boxes of findings; where no image has labels of its own, one without boxes has no finding."""
    rows, told = [], any((image.labels >= 0).any() for image in images.values())
    for one in given:
        ids = [one.get(key) if isinstance(one, dict) else None for key in ("image_id", "category_id")]
        known = all(type(v) is int for v in ids) and ids[0] in images and ids[1] in numbers
        if not known:
            problems.append(
                f"annotation {printable(str(one))[:60]} is of an image or category that is not there"
            )
        elif one.get("iscrowd"):
            problems.append(f"annotation {one.get('id')} is a crowd: expected a box for each finding")
        else:
            image, kind = images[one["image_id"]], numbers[one["category_id"]]
            what = f"annotation {printable(str(one.get('id')))} of {printable(image.name)}"
            rows.append((what, image, one.get("bbox")))
            if image.told and image.labels[kind] == 0:
                problems.append(f"{what} is of a finding that the image's findings do not name")
            image.labels[kind] = 1
            if is_box(one.get("bbox")):
                image.boxes.append((kind, tuple(map(float, one["bbox"]))))
    problems += box_problems(rows)
    if rows and not told:
        for image in images.values():
            image.labels[image.labels < 0] = 0
