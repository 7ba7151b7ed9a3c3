"""Trees of tubes in 3-D, made here: one very small U-Net with Dice, soft clDice and the exact loss.

    python bench/tubes.py train|report -o OUT [--start-steps 2000 --losses dice soft exact]

A tree is 48³, of 9 branches with radii of 1.2 to 3 voxels. Its image is blurred, in places dark, and noisy.
Ten trees to learn from, eight to test with; three seeds. Nothing is chosen: α is ½, the soft skeleton has as
many iterations as the largest radius, the exact one a draw. A stopped run goes on with the loss and the seed
at which it was.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from skeleton import tree
from topology import Case, Loss, Plan, differences, found_by, run, scores, seconds_of, table

PLAN = Plan(patch=(32, 32, 32), batch=2, start_steps=400, steps=300, widths=(8, 16, 32))
SIZE, TRAIN, TEST, SEEDS, TILE = 48, 10, 8, (0, 1, 2), 16
LOSSES = [
    Loss("dice"),
    Loss("soft", 0.5, 3),
    Loss("published", 0.5),
    Loss("outwards", 0.5),
    Loss("exact", 0.5),
]


def made(number: int) -> Case:
    """A tree and its image: 1 in tubes, in places ¼, and noise of about 0.7, of which a part is smooth."""
    rng = np.random.default_rng([7, number])
    truth = tree(rng, SIZE, 9, (1.2, 3.0))
    waves = ndimage.gaussian_filter(rng.normal(size=truth.shape), 4)
    bright = np.where(waves > 0.8 * waves.std(), 0.25, 1.0)
    smooth = ndimage.gaussian_filter(rng.normal(size=truth.shape), 1)
    noise = 0.5 * rng.normal(size=truth.shape) + 0.3 * smooth / smooth.std()
    image = ndimage.gaussian_filter(truth * bright, 0.7) + noise
    return Case(f"tree-{number}", image.astype(np.float32), truth, np.ones_like(truth))


def smoothed(train: list[Case], test: list[Case]) -> list[np.ndarray]:
    """Masks by a Gaussian of one voxel, with the threshold of the largest mean Dice of the training trees."""
    blurred = [ndimage.gaussian_filter(c.image, 1) for c in train]

    def dice(t: float) -> float:
        pairs = [(b > t, c.truth) for b, c in zip(blurred, train, strict=True)]
        return float(np.mean([2 * (a & y).sum() / (a.sum() + y.sum()) for a, y in pairs]))

    best = max(np.linspace(0.2, 0.8, 31), key=dice)
    return [ndimage.gaussian_filter(c.image, 1) > best for c in test]


def report(train: list[Case], test: list[Case], losses: list[Loss], out: Path) -> None:
    """Tables of the test trees."""
    folders = [out / f"tubes-{n}" for n in SEEDS]
    names = {"Dice, start only": "start"} | {str(x): x.file for x in losses}
    masks = {k: [[found_by(f, file, c) for c in test] for f in folders] for k, file in names.items()}
    masks["threshold"] = [smoothed(train, test)]
    rows = {
        k: [[scores(m, c, TILE) for m, c in zip(s, test, strict=True)] for s in v] for k, v in masks.items()
    }
    *others, exact = map(str, losses)
    print(f"{table(rows, seconds_of(folders, losses))}\n\n{differences(rows, exact, others)}")


def main() -> None:
    """Read the words, do the stage."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("stage", choices=("train", "report"))
    words.add_argument("-o", "--output", type=Path, required=True)
    words.add_argument("--start-steps", type=int, default=PLAN.start_steps, help="of Dice, before each loss")
    words.add_argument("--losses", nargs="*", default=[x.kind for x in LOSSES], help="default: all")
    given = words.parse_args()
    losses = [x for x in LOSSES if x.kind in given.losses]
    plan = replace(PLAN, start_steps=given.start_steps)
    torch.set_num_threads(1)
    cases = [made(n) for n in range(TRAIN + TEST)]
    train, test = cases[:TRAIN], cases[TRAIN:]
    if given.stage == "report":
        report(train, test, losses, given.output)
        return
    for seed in SEEDS:
        run(given.output / f"tubes-{seed}", train, test, losses, seed, plan)


if __name__ == "__main__":
    main()
