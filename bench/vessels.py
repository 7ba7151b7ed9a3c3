"""Vessels of the eye (DRIVE's training half): one small U-Net with Dice, soft clDice and the exact loss.

    python bench/vessels.py choose|train|report --data DATA/vessels -o OUT

15 images to learn from, 5 to test with: 24, 28, 32, 36, 40. `choose` learns from 12 and takes, of each loss,
the candidate with the fewest Betti errors on the other three, among those whose Dice is at most .01 below
that of Dice alone. `train` learns from all 15, for three seeds. `report` makes the tables. A stopped run
goes on with the loss and the seed at which it was. OUT holds maps of the test images, which are for local
use only.

Images are whole and of full resolution: the green channel, less its local mean, over its local deviation.
What is outside of the field of view is in no loss and in no number. The threshold is ½.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from skimage.filters import sato
from skimage.measure import label

from topology import (
    Array,
    Case,
    Loss,
    Plan,
    differences,
    found_by,
    run,
    scores,
    seconds_of,
    table,
    write_json,
)

PLAN = Plan(patch=(128, 128), batch=4, start_steps=1000, steps=600, widths=(16, 32, 64, 128))
TEST, VALIDATION = slice(3, None, 4), (1, 6, 12)
SEEDS, SEED_OF_CHOICE = (0, 1, 2), 100
DICE = Loss("dice")
SOFT = [Loss("soft", 0.25, 5), Loss("soft", 0.5, 5), Loss("soft", 0.75, 5), Loss("soft", 0.5, 3)]
EXACT = [Loss("exact", 0.5), Loss("exact", 0.75)]
OUTWARDS = [Loss("outwards", a, n) for a, n in ((0.25, 1), (0.5, 1), (0.75, 1), (0.5, 4))]
PUBLISHED = [Loss("published", x.alpha, x.number) for x in OUTWARDS]
TILE, ISLAND = 64, 30  # pixels of a side; of the smallest part that is not dropped
WIDTH = 20.0  # pixels, of the Gaussian that is "local"


def eyes(folder: Path) -> list[Case]:
    """All images, in the order of their numbers."""
    cases = []
    for file in sorted((folder / "images").glob("*.png")):
        number = file.name.split("_")[0]
        inside = np.asarray(Image.open(folder / "mask" / f"{number}_training_mask.png")) > 0
        truth = (np.asarray(Image.open(folder / "1st_manual" / f"{number}_manual1.png")) > 0) & inside
        green = np.asarray(Image.open(file).convert("RGB"), dtype=np.float32)[..., 1]
        cases.append(Case(number, even(green, inside), truth, inside))
    if len(cases) != 20:
        raise SystemExit(f"{folder} has {len(cases)} images, where DRIVE's training half has 20.")
    return cases


def even(green: Array, inside: Array) -> Array:
    """Local mean 0, local deviation 1, of what is inside; 0 outside."""

    def local(a: Array) -> Array:
        return ndimage.gaussian_filter(np.where(inside, a, 0), WIDTH) / weight

    weight = np.maximum(ndimage.gaussian_filter(inside.astype(np.float32), WIDTH), 1e-3)
    rest = green - local(green)
    return np.where(inside, rest / np.sqrt(local(rest**2) + 1), 0).astype(np.float32)


def parted(cases: list[Case]) -> tuple[list[Case], list[Case]]:
    """To learn from; to test with."""
    test = cases[TEST]
    return [c for c in cases if c not in test], test


def vesselness(case: Case) -> Array:
    """Second derivative across a dark line, largest of five widths (Sato); 0 at the edge of what counts."""
    answer = sato(case.image, sigmas=(1.5, 2, 2.5, 3, 4), black_ridges=True)
    return np.where(ndimage.binary_erosion(case.inside, iterations=6), answer, 0)


def classical(train: list[Case], test: list[Case]) -> list[Array]:
    """Masks by Sato's filter, with the threshold of the largest mean Dice of the training images."""
    answers = [vesselness(c) for c in train]

    def dice(t: float) -> float:
        pairs = [((a > t), c.truth) for a, c in zip(answers, train, strict=True)]
        return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs]))

    some = np.concatenate([a[c.inside] for a, c in zip(answers, train, strict=True)])
    best = max(np.quantile(some, np.linspace(0.7, 0.98, 57)), key=dice)
    return [vesselness(c) > best for c in test]


def choose(cases: list[Case], out: Path) -> None:
    """The candidates on three training images, and the one that is taken of each loss."""
    train, _ = parted(cases)
    held = [train[n] for n in VALIDATION]
    folder, candidates = out / "choice", [DICE, *SOFT, *EXACT, *OUTWARDS, *PUBLISHED]
    run(folder, [c for c in train if c not in held], held, candidates, SEED_OF_CHOICE, PLAN)
    rows = {loss: [scores(found_by(folder, loss.file, c), c, TILE) for c in held] for loss in candidates}
    print(table({str(k): [v] for k, v in rows.items()}, seconds_of([folder], list(rows))))

    def mean(loss: Loss, *keys: str) -> float:
        return float(np.mean([sum(row[k] for k in keys) for row in rows[loss]]))

    taken = {}
    for kind, some in (("soft", SOFT), ("exact", EXACT), ("outwards", OUTWARDS)):
        fair = [x for x in some if mean(x, "Dice") >= mean(DICE, "Dice") - 0.01] or some
        taken[kind] = some.index(min(fair, key=lambda x: mean(x, "Betti-0", "Betti-1")))
        print(f"taken: {some[taken[kind]]}")
    write_json(out / "choice.json", taken)


def taken(out: Path) -> list[Loss]:
    """Dice, and what was chosen."""
    choice = json.loads((out / "choice.json").read_text(encoding="utf-8"))
    return [DICE, SOFT[choice["soft"]], EXACT[choice["exact"]], OUTWARDS[choice["outwards"]]]


def report(cases: list[Case], out: Path) -> None:
    """Tables of the test images: as they come, without small islands, and the differences."""
    (train, test), losses = parted(cases), taken(out)
    folders = [out / f"seed-{n}" for n in SEEDS]
    names = {"Dice, start only": "start"} | {str(x): x.file for x in losses}
    masks = {k: [[found_by(f, file, c) for c in test] for f in folders] for k, file in names.items()}
    masks["Sato's filter"] = [classical(train, test)]
    dice, soft, *ours = map(str, losses)
    for title, least in (("as they come", 0), (f"without islands of fewer than {ISLAND} pixels", ISLAND)):
        rows = {
            k: [[scores(whole(m, least), c, TILE) for m, c in zip(s, test, strict=True)] for s in seeds]
            for k, seeds in masks.items()
        }
        print(f"\n{title}\n\n{table(rows, seconds_of(folders, losses))}")
        for our in ours:
            print(f"\n{differences(rows, our, [dice, soft])}")


def whole(mask: Array, least: int) -> Array:
    """Without parts of fewer than `least` pixels."""
    parts = label(mask, connectivity=2)
    return mask & (np.bincount(parts.ravel()) >= least)[parts]


def main() -> None:
    """Read the words, do the stage."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("stage", choices=("choose", "train", "report"))
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("-o", "--output", type=Path, required=True)
    given = words.parse_args()
    torch.set_num_threads(1)
    cases = eyes(given.data)
    if given.stage == "choose":
        choose(cases, given.output)
    elif given.stage == "train":
        train, test = parted(cases)
        for seed in SEEDS:
            run(given.output / f"seed-{seed}", train, test, taken(given.output), seed, PLAN)
    else:
        report(cases, given.output)


if __name__ == "__main__":
    main()
