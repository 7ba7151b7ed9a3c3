"""How many samples a second a recipe trains on, and the share of time that it waits for data.

    python bench/training.py --data ../shared/data                      # una-compact, on what there is
    python bench/training.py --data ../shared/data --recipe una-small --steps 200 --set workers=2

Steps of `sanum train` itself, in a folder that is thrown away; the first ones, which start processes and
compile, are left out. Prints one row of Markdown for each device.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from sanum.learn.devices import DeviceConfig
from sanum.learn.overrides import override
from sanum.learn.pace import TrainingProgress
from sanum.methods.common.training import Reports, train
from sanum.methods.registry import recipes

MOST_WAITING = 0.05


def measure(recipe, data: Path, folder: Path, device: str, skip: int) -> str:
    """One row: samples a second, seconds a step, share of waiting, peak memory of the device."""
    steps: list[tuple[float, TrainingProgress]] = []
    train(
        recipe,
        data,
        folder,
        devices=DeviceConfig(device),
        reports=Reports(on_step=lambda now: steps.append((time.monotonic(), now))),
    )
    (began, _), *timed = steps[skip - 1 :]
    seconds = (timed[-1][0] - began) / len(timed)
    waiting = timed[-1][1].waiting  # of the last 50 steps
    memory = f"{torch.cuda.max_memory_allocated() / 1e9:.1f}" if device.startswith("cuda") else "–"
    return (
        f"| {recipe.name} | {device} | {'×'.join(map(str, recipe.box.shape))} | {recipe.batch_size} | "
        f"{recipe.workers} | {recipe.batch_size / seconds:.2f} | {seconds:.3f} | {waiting:.1%} "
        f"({'at most' if waiting <= MOST_WAITING else 'MORE THAN'} {MOST_WAITING:.0%}) | {memory} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", default="una-compact")
    parser.add_argument("--steps", type=int, default=100, help="that are timed")
    parser.add_argument("--skip", type=int, default=20, help="before them")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--runs", type=Path, help="folder with a cache/ of prepared anatomies, such as runs")
    options = parser.parse_args()
    plan = override(recipes()[options.recipe], options.settings)
    loop = replace(plan.loop, steps=options.skip + options.steps, save_every=10**9, sheet_every=0)
    print("| recipe | device | box | batch | workers | samples/s | s/step | waiting for data | GB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        with tempfile.TemporaryDirectory(dir=options.runs) as folder:
            print(measure(replace(plan, loop=loop), options.data, Path(folder), device, options.skip))


if __name__ == "__main__":
    main()
