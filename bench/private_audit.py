"""What privacy costs an autoencoder, and whom: AUC and false alarms by group, for several budgets.

`python bench/private_audit.py --data ../shared/data -o runs/private-audit`: the recipe `cae` learns from the
399 ultrasound pictures of BreastMNIST without cancer, plainly and privately, as `sanum train` does. Those of
validation and test are scored and audited. MedMNIST tells nothing of the people, so the group is how bright a
picture is, in thirds: a stand-in for who took it. A run that was stopped goes on.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import sanum
from sanum.data.attributes import parse_by
from sanum.evaluation.audit import AuditSettings, ScoreTable, audit
from sanum.learn.schedule import LoopConfig
from sanum.learn.step_config import StepConfig
from sanum.methods import registry
from sanum.methods.common.training import Start, train
from sanum.metrics.ranking import auc
from sanum.weights.file import load_weights

SETTINGS = AuditSettings(alpha=0.1, resamples=200, permutations=499)
CAE = registry.recipe("cae")
RECIPE = replace(
    CAE,
    norm="group",
    widths=(8, 16, 32),
    code=16,
    dropout=0.0,
    batch_size=80,
    picture=replace(CAE.picture, size=32),
    loop=LoopConfig("adam", learning_rate=2e-3, warmup=0, steps=40, ema=0.9, sheet_every=0),
)
STEPS = {
    "plain": StepConfig(),
    "dp-sgd, ε 8": StepConfig("dp-sgd", epsilon=8.0),
    "bam, ε 8": StepConfig("bam", epsilon=8.0),
    "dp-sgd, ε 2": StepConfig("dp-sgd", epsilon=2.0),
    "bam, ε 2": StepConfig("bam", epsilon=2.0),
}
COLUMNS = ("model", "seed", "epsilon", "auc", "dark", "middle", "bright", "gap", "chance", "explained")


def pictures(data: Path, folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """Folder of normals to learn from; pictures and labels (1: cancer) of the others."""
    found = np.load(data / "small/breastmnist.npz")
    normals = folder / "normals"
    normals.mkdir(parents=True, exist_ok=True)
    benign = found["train_labels"].ravel() == 1
    for n, pixels in enumerate(found["train_images"][benign]):
        Image.fromarray(pixels).save(normals / f"{n:03d}.png")
    parts = ("val", "test")
    others = [np.concatenate([found[f"{part}_{what}"] for part in parts]) for what in ("images", "labels")]
    return normals, others[0], (others[1].ravel() == 0).astype(int)


def measure(weights: Path, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    scores = np.asarray(sanum.load("cae", weights=weights).score(images), float)
    names = tuple(f"{n:03d}" for n in range(len(labels)))
    bright = images.reshape(len(images), -1).mean(1)
    people = {name: {"brightness": f"{x:.3f}"} for name, x in zip(names, bright, strict=True)}
    found = audit(ScoreTable(names, scores, labels, people, ()), parse_by("brightness"), SETTINGS).attributes[
        0
    ]
    alarms = [row.numbers["fpr"] for row in found.rows]
    return {
        "auc": auc(scores, labels),
        **dict(zip(("dark", "middle", "bright"), alarms, strict=True)),
        "gap": found.gaps["fpr"],
        "chance": found.chance,
        "explained": found.explained,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/private-audit"))
    options = parser.parse_args()
    normals, images, labels = pictures(options.data, options.output)
    table = options.output / "audited.csv"
    rows = list(csv.DictReader(table.open(newline=""))) if table.exists() else []
    for seed in range(options.seeds):
        for name, step in STEPS.items():
            if any((row["model"], row["seed"]) == (name, str(seed)) for row in rows):
                continue
            run = options.output / f"{name.replace(', ε ', '-')}-{seed}"
            path = run / "cae.safetensors"
            if not path.exists():
                begun = Start(resume=(run / "checkpoint.pt").exists())
                train(replace(RECIPE, seed=seed, step=step), normals, run, start=begun)
            spent = load_weights(path)[1].get("privacy", {}).get("epsilon", float("inf"))
            row = {"model": name, "seed": str(seed), "epsilon": f"{spent:.3f}"}
            rows.append(row | {k: f"{v:.4f}" for k, v in measure(path, images, labels).items()})
            with table.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)
    print(f"| model | {' | '.join(COLUMNS[2:])} |\n|{'---|' * (len(COLUMNS) - 1)}")
    for name in STEPS:
        if not (mine := [row for row in rows if row["model"] == name]):
            continue
        cells = [mean_of([float(row[k]) for row in mine]) for k in COLUMNS[2:]]
        print(f"| {name} | {' | '.join(cells)} |")


def mean_of(values: list[float]) -> str:
    """Mean and standard deviation over seeds."""
    if len(values) < 2 or not np.isfinite(values).all():
        return f"{np.mean(values):.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


if __name__ == "__main__":
    main()
