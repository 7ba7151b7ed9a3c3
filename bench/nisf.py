"""NISF on short-axis heart stacks: 12 patients to learn from, 3 to choose the latent steps by, 5 to test.

    python bench/nisf.py train|refit|test|cine|report --data DATA/heart -o OUT [--shard I/N] [--set k=v]

Each stage goes on where it was stopped: training from its checkpoint, the test from its finished stacks. The
files hold no images. Labels of the test patients are read for Dice alone, after a latent is fitted.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sanum.files import whole_file
from sanum.methods.segmentation.nisf.picture import curve_png
from sanum.methods.segmentation.nisf.predict import load
from sanum.methods.segmentation.nisf.segmenter import NisfSegmenter
from sanum.methods.segmentation.nisf.stacks import SliceStack
from sanum.space.grid import Grid

LABELS = "labels=1=rv,2=myocardium,3=lv"
SPACING_MM = (1.5, 1.5, 8.0)  # not stored with the data; these are about right
TEST, VALIDATION = slice(3, None, 4), (2, 10, 18)  # a patient of each disease group; three groups
FOLDED = 3  # structures


def stacks_of(folder: Path) -> tuple[list[SliceStack], list[SliceStack], list[SliceStack]]:
    """Stacks to learn from, to validate with and to test with: both phases of each patient."""
    files = sorted((folder / "acdc").glob("*.npz"))
    test = files[TEST]
    held = [files[n] for n in VALIDATION]
    parts = [f for f in files if f not in test and f not in held], held, test
    return tuple([s for f in part for s in _both(f)] for part in parts)  # type: ignore[return-value]


def _both(file: Path) -> Iterator[SliceStack]:
    arrays = np.load(file)
    for phase in ("ed", "es"):
        voxels, labels = (arrays[name].transpose(2, 1, 0) for name in (phase, f"{phase}_label"))
        grid = Grid(voxels.shape, np.diag([*SPACING_MM, 1.0]))
        yield SliceStack(
            f"{file.stem}_{phase}",
            voxels[..., None].astype(np.float32),
            grid,
            labels[..., None].astype(np.int16),
        )


def dices(found: npt.NDArray[Any], true: npt.NDArray[Any]) -> list[float]:
    """Dice of each structure; nan where it is in neither."""
    pairs = [((found == k), (true == k)) for k in range(1, FOLDED + 1)]
    return [float(2 * (a & b).sum() / n) if (n := a.sum() + b.sum()) else float("nan") for a, b in pairs]


def mean_shape(stacks: list[SliceStack], grid: Grid) -> npt.NDArray[np.int64]:
    """The most frequent label of the training stacks at each place of a grid, by relative position."""
    votes = np.zeros((*grid.shape, FOLDED + 1))
    for stack in stacks:
        places = [
            ((2 * np.arange(n) + 1) / n * m / 2).astype(int)
            for n, m in zip(grid.shape, stack.grid.shape, strict=True)
        ]
        votes += np.eye(FOLDED + 1)[stack.labels[..., 0][np.ix_(*places)]]  # type: ignore[index]
    return votes.argmax(-1)


def train(data: Path, out: Path, settings: list[str], *, every: bool = False) -> None:
    """Learn, and note the processor time; `every`: also from those that have chosen the number of steps."""
    fit, held, _ = stacks_of(data)
    if every:
        fit, held = [*fit, *held], []
    began, spent = time.monotonic(), time.process_time()
    segmenter = load().with_settings(LABELS, *settings)
    said = {"steps": 0}

    def say(now: Any) -> None:
        if now.step % 250 == 0:
            said["steps"] = now.step
            values = {name: round(value, 3) for name, value in now.values.items()}
            print(now.step, values, f"{now.seconds_left / 60:.0f} min left", flush=True)

    segmenter.fit(fit, held=held, folder=out / "training", on_step=say)
    segmenter.save(out / "model.safetensors")
    told = {
        "wall_s": time.monotonic() - began,
        "processor_s": time.process_time() - spent,
        "curves": [*segmenter.curves.values()],
    }
    write_json(out / "train.json", told)


def measured(segmenter: NisfSegmenter, stack: SliceStack, learned: list[SliceStack]) -> dict[str, Any]:
    """Every number of one test stack."""
    true = stack.labels[..., 0]  # type: ignore[index]
    depth = true.shape[2]
    seen = list(range(0, depth, 2))
    unseen = [k for k in range(depth) if k not in seen]
    row: dict[str, Any] = {"stack": stack.name}
    for name, how in {
        "all": {},
        "half": {"slices": seen},
        "step 0": {"steps": 0},
        "weights too": {"weights_too": True},
        "half, weights too": {"slices": seen, "weights_too": True},
    }.items():
        began, spent = time.monotonic(), time.process_time()
        made = segmenter.segment(stack, **how)  # type: ignore[arg-type]
        row[f"{name}: wall_s"] = time.monotonic() - began
        row[f"{name}: processor_s"] = time.process_time() - spent
        labels, _ = made.on(stack.grid)
        row[name] = dices(labels, true)
        row[f"{name}: unseen"] = dices(labels[..., unseen], true[..., unseen])
    nearest = true[..., [k if k in seen else k - 1 for k in range(depth)]]
    shape = mean_shape(learned, stack.grid)
    row["nearest slice: unseen"] = dices(nearest[..., unseen], true[..., unseen])
    row["mean shape"] = dices(shape, true)
    row["mean shape: unseen"] = dices(shape[..., unseen], true[..., unseen])
    return row


def test(data: Path, out: Path, shard: tuple[int, int]) -> None:
    """Measure each stack of this shard that is not finished."""
    learned, _, stacks = stacks_of(data)
    segmenter = load(weights=out / "model.safetensors")
    for stack in stacks[shard[0] - 1 :: shard[1]]:
        path = out / "test" / f"{stack.name}.json"
        if not path.exists():
            row = measured(segmenter, stack, learned)
            write_json(path, row)
            print(stack.name, np.nanmean(row["all"]), np.nanmean(row["half: unseen"]), flush=True)


def cine(data: Path, out: Path, settings: list[str]) -> None:
    """One slice, 30 frames: learn from all images and the labels of two, or of one; ask at all times."""
    arrays = np.load(data / "acdc_patient012_slice3_cine.npz")
    voxels = arrays["cine"].astype(np.float32)[:, :, None]
    grid = Grid(voxels.shape[:3], np.diag([*SPACING_MM, 1.0]))
    true = {0: arrays["label_t00"], 12: arrays["label_t12"]}
    told: dict[str, Any] = {}
    for name, known in {"both": (0, 12), "first": (0,)}.items():
        labels = np.full(voxels.shape, -1, np.int16)
        for t in known:
            labels[:, :, 0, t] = true[t]
        stack = SliceStack("cine", voxels, grid, labels)
        segmenter = load().with_settings(LABELS, "poses.copies=1", "batch_size=1", "points=4096", *settings)
        segmenter.fit([stack], held=[], folder=out / f"cine-{name}")
        made = segmenter.of_training(0, stack)
        phases = np.arange(60) / 60
        volumes = [made.volumes_ml(grid, float(p)) for p in phases]
        curve = {key: [v[key] for v in volumes] for key in volumes[0]}
        own = {t: dices(made.on(grid, (t + 0.5) / voxels.shape[3])[0][..., 0], x) for t, x in true.items()}
        told[name] = {"dice": own, "curve_ml": curve}
        with whole_file(out / f"cine-{name}.png") as partial:
            partial.write_bytes(curve_png(phases, curve))
    write_json(out / "cine.json", told)


def report(out: Path) -> None:
    """Table of all finished stacks, mean ± standard deviation over them."""
    rows = [json.loads(p.read_text()) for p in sorted((out / "test").glob("*.json"))]
    print(f"{len(rows)} stacks")
    for key in rows[0]:
        if key == "stack":
            continue
        values = np.array([row[key] for row in rows], dtype=float)
        if key.endswith("_s"):
            print(f"{key}: {values.mean():.1f}, most {values.max():.1f}")
            continue
        each = np.nanmean(values, axis=1)
        parts = " ".join(f"{x:.3f}" for x in np.nanmean(values, axis=0))
        print(f"{key}: {each.mean():.3f} ± {each.std(ddof=1):.3f} (rv, myo, lv {parts})")


def write_json(path: Path, content: Any) -> None:
    """Write a file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")


def main() -> None:
    """Read the words, do the stage."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("stage", choices=("train", "refit", "test", "cine", "report"))
    words.add_argument("--data", type=Path)
    words.add_argument("-o", "--output", type=Path, required=True)
    words.add_argument("--shard", default="1/1")
    words.add_argument("--set", action="append", default=[])
    given = words.parse_args()
    torch.set_num_threads(1)
    if given.stage in ("train", "refit"):
        train(given.data, given.output, given.set, every=given.stage == "refit")
    elif given.stage == "test":
        first, parts = map(int, given.shard.split("/"))
        test(given.data, given.output, (first, parts))
    elif given.stage == "cine":
        cine(given.data, given.output, given.set)
    else:
        report(given.output)


if __name__ == "__main__":
    main()
