"""ADPD and its baselines on made-up chests with known boxes, three seeds each.

    python bench/chest.py data|train|report|fresh -o OUT [--seeds 3] [--only NAME]
    python bench/chest.py real -o OUT --data DATA/chest

`data` draws 700 pictures, split by patient. `train` trains each method that is not finished; a training that
was stopped goes on. `report` measures all on the same test pictures and prints the tables of the README. Only
the detector that is told the boxes sees boxes of findings in training; states are chosen by validation loss.
`fresh` measures on 200 pictures of another drawing, which nothing was chosen by.

`real` makes a COCO file of boxes.csv (masses and nodules of real x-rays, called "mass" both), and measures on
it what learned from made-up chests, beside a box that is always the same.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sanum.data.xray_set import Xray
from sanum.data.xrays import read_xrays
from sanum.methods.common.training import Reports, Start, train
from sanum.methods.detection.adpd.predict import FindingDetector
from sanum.methods.detection.adpd.recipe import RECIPES, AdpdRecipe
from sanum.metrics.boxes import BoxTable, ClassMeasure, measure_boxes
from sanum.synth.chest_set import write_chests

SIZE = 64
PARTS = {"train": 400, "val": 100, "test": 200}
STEPS = 1000
FRESH = 9090  # seed of the pictures of `fresh`
METHODS = {"Loc-ADPD": "adpd", "MIL-ADPD": "adpd-mil", "CAM": "adpd-cam", "told the boxes": "adpd-boxes"}


def recipe_of(name: str, seed: int) -> AdpdRecipe:
    """The recipe of a method, made small."""
    recipe = RECIPES[name]
    loop = replace(recipe.loop, steps=STEPS, learning_rate=3e-3, warmup=100, save_every=250)
    small = {"backbone": "small", "size": SIZE, "width": 64, "dropout": 0.1, "validate_every": 50}
    return replace(recipe, seed=seed, batch_size=16, loop=loop, **small)  # type: ignore[arg-type]


def draw(out: Path) -> None:
    """Pictures with a split: patients have two each, and all parts are of whole patients."""
    folder = write_chests(out / "data", sum(PARTS.values()), size=SIZE, seed=2023)
    file = json.loads((folder / "findings.json").read_text())
    names = [name for name, count in PARTS.items() for _ in range(count)]
    for image, name in zip(file["images"], names, strict=True):
        image["split"] = name
    (folder / "findings.json").write_text(json.dumps(file))


def learn(out: Path, seeds: int, only: str) -> None:
    """Train what is not there yet; notes processor time."""
    for seed in range(1, seeds + 1):
        for name in METHODS.values():
            folder = out / f"{name}-{seed}"
            if (only and name != only) or (folder / f"{name}.safetensors").is_file():
                continue
            began = time.process_time()
            start = Start(resume=(folder / "checkpoint.pt").is_file())
            train(recipe_of(name, seed), out / "data", folder, start=start, reports=Reports())
            spent = time.process_time() - began
            (folder / "seconds.json").write_text(json.dumps(spent))
            print(name, seed, f"{spent:.0f} s of a processor", flush=True)


def measured(
    weights: Path, images: list[Xray], names: tuple[str, ...], *, resamples: int = 0, **how: Any
) -> list[ClassMeasure]:
    """The table of one training on the test pictures."""
    detector = FindingDetector(weights).use(**how)
    found, scores = [], []
    for n, image in enumerate(images):
        made = detector(image.path)
        for kind, box, score in zip(made.names, made.boxes, made.scores, strict=True):
            if kind in names:
                found.append((n, names.index(kind), list(box)))
                scores.append(score)
    true = [(n, kind, list(box)) for n, image in enumerate(images) for kind, box in image.boxes]
    patients = [image.patient for image in images]
    return measure_boxes(BoxTable.of(true), BoxTable.of(found, scores), names, patients, resamples=resamples)


def real(out: Path, data: Path, seeds: int) -> Iterator[str]:
    """The table of real x-rays: patients are the first eight letters of a file's name."""
    folder = out / "real"
    folder.mkdir(exist_ok=True)
    (folder / "images").unlink(missing_ok=True)
    (folder / "images").symlink_to((data / "images").absolute())
    images: dict[str, dict[str, Any]] = {}
    annotations = []
    with (data / "boxes.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            name = row["image_file"]
            size = {key: int(row[key]) for key in ("width", "height")}
            image = {"id": len(images) + 1, "file_name": name, "patient": name[:8], **size}
            number = images.setdefault(name, image)["id"]
            x, y, right, end = (float(row[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
            box = [x, y, right - x, end - y]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": box}
            )
    file = {
        "images": [*images.values()],
        "categories": [{"id": 1, "name": "mass"}],
        "annotations": annotations,
    }
    (folder / "findings.json").write_text(json.dumps(file))
    known = read_xrays(folder, regions=False)
    true = [(n, kind, box) for n, image in enumerate(known.images) for kind, box in image.boxes]
    patients = [image.patient for image in known.images]
    middle = [
        (n, 0, [0.25 * i.size[0], 0.25 * i.size[1], *(0.5 * v for v in i.size)])
        for n, i in enumerate(known.images)
    ]
    fixed = BoxTable.of(middle, [1.0] * len(middle))
    tables = {"the middle of every image": measure_boxes(BoxTable.of(true), fixed, ["mass"], patients)}
    for title, name in METHODS.items():
        for seed in range(1, seeds + 1):
            weights = out / f"{name}-{seed}" / f"{name}.safetensors"
            if weights.is_file():
                tables[f"{title}, seed {seed}"] = measured(
                    weights, list(known.images), ("mass",), resamples=1000, top=0
                )
    yield "| boxes | AP10 | AP30 | images met at IoU 0.1 |\n|---|---|---|---|"
    for title, rows in tables.items():
        cells = [rows[-1].numbers[name].text() for name in ("AP10", "AP30", "acc10")]
        yield f"| {title} | {' | '.join(cells)} |"


def lines(out: Path, seeds: int, *, fresh: bool) -> Iterator[str]:
    """Both tables."""
    if fresh:
        write_chests(out / "fresh", PARTS["test"], size=SIZE, seed=FRESH)
    data = read_xrays(out / ("fresh" if fresh else "data"), regions=False)
    images = list(data.images) if fresh else data.of_split("test")
    shown = ("mAP", "AP10", "AP30", "AP50", "acc30")
    yield f"| method | seeds | {' | '.join(shown)} |"
    yield "|---" * (len(shown) + 2) + "|"
    classes = []
    for title, name in METHODS.items():
        ways: dict[str, dict[str, Any]] = {title: {}}
        if name in ("adpd", "adpd-mil"):
            ways[f"{title}, all boxes"] = {"top": 0}
            ways[f"{title}, not fused"] = {"fuse": 1.0}
            ways[f"{title}, not fused, all boxes"] = {"fuse": 1.0, "top": 0}
        files = [out / f"{name}-{seed}" / f"{name}.safetensors" for seed in range(1, seeds + 1)]
        files = [file for file in files if file.is_file()]
        for way, how in ways.items():
            drawn = [0 if how or n else 1000 for n in range(len(files))]
            tables = [
                measured(file, images, data.findings, resamples=resamples, **how)
                for file, resamples in zip(files, drawn, strict=True)
            ]
            means = {key: np.array([t[-1].numbers[key].value for t in tables]) for key in shown}
            cells = [f"{x.mean():.3f} ({', '.join(f'{v:.3f}' for v in x)})" for x in means.values()]
            yield f"| {way} | {len(files)} | {' | '.join(cells)} |"
            if not how:
                classes += [f"| {title} | {row.name} | {row.numbers['AP30'].text()} |" for row in tables[0]]
    yield "\n| method | finding | AP30, seed 1 [95 % over patients] |\n|---|---|---|"
    yield from classes


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("data", "train", "report", "fresh", "real"))
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/chest"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    if given.stage == "data":
        draw(given.output)
    elif given.stage == "train":
        learn(given.output, given.seeds, given.only)
    else:
        told = real(given.output, given.data, given.seeds) if given.stage == "real" else None
        for line in told or lines(given.output, given.seeds, fresh=given.stage == "fresh"):
            print(line)


if __name__ == "__main__":
    main()
