"""Files of made-up chest x-rays, laid out as `sanum train adpd` reads them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .chest import FINDINGS, REGIONS, Box, ChestParams, chest_image, chest_masks, draw_chest, visible


def write_chests(
    folder: str | Path,
    count: int,
    *,
    size: int = 128,
    seed: int = 0,
    masks: bool = False,
    boxes: bool = True,
) -> Path:
    """Write a data set; every two pictures are one made-up patient's. Returns the folder.

    Parameters
    ----------
    folder : str or Path
        Made; gets `images/`, `findings.json`, `regions.csv`, and `masks/` if asked for.
    count : int
        Pictures.
    size : int
        Rows and columns of each.
    seed : int
        Of the chests; picture n is the same whatever the count.
    masks : bool
        Masks of lungs and heart take the place of the boxes of regions.
    boxes : bool
        Boxes of the findings are in the file; without them it has the labels of the pictures alone.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    rows: list[list[Any]] = []
    for n in range(count):
        rng = np.random.default_rng([seed, n])
        chest = draw_chest(rng)
        name = f"chest{n:04}.png"
        Image.fromarray(chest_image(chest, size, rng)).save(folder / "images" / name)
        there = [(one, part) for one in chest.findings if (part := visible(one.box)) is not None]
        labels = sorted({one.name for one, _ in there}, key=FINDINGS.index)
        images.append(
            {
                "id": n + 1,
                "file_name": name,
                "width": size,
                "height": size,
                "patient": f"made-up-{n // 2}",
                "findings": labels,
            }
        )
        if boxes:
            for one, part in there:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": n + 1,
                        "category_id": FINDINGS.index(one.name) + 1,
                        "bbox": _pixels(part, size),
                    }
                )
        in_region = {r: [one.name for one, _ in there if r in one.regions] for r in REGIONS}
        rows += _rows(chest, name, size, in_region, masks=masks)
        if masks:
            _write_masks(folder, chest, name, size)
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(FINDINGS)]
    file = {"images": images, "categories": categories, "annotations": annotations}
    (folder / "findings.json").write_text(json.dumps(file, indent=1) + "\n", encoding="utf-8")
    with (folder / "regions.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["image", "region", "x", "y", "width", "height", "findings"])
        table.writerows(rows)
    return folder


def _rows(
    chest: ChestParams, name: str, size: int, in_region: dict[str, list[str]], *, masks: bool
) -> list[list[Any]]:
    rows = []
    for region, box in chest.regions().items():
        part = visible(box)
        if part is None or (masks and region == "mediastinum"):
            continue
        place = ["", "", "", ""] if masks else _pixels(part, size)
        rows.append([name, region, *place, ";".join(in_region[region])])
    return rows


def _write_masks(folder: Path, chest: ChestParams, name: str, size: int) -> None:
    for organ, mask in chest_masks(chest, size).items():
        place = folder / "masks" / organ
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(place / name)


def _pixels(box: Box, size: int) -> list[float]:
    x, y, width, height = (round(v * size, 2) for v in box)
    return [x, y, min(width, size - x), min(height, size - y)]
