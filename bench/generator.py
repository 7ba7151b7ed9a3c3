"""Speed of the generator beside TorchIO's chain, in one run: whole samples by size, and where the time goes.

A sample has an anomaly, and its mirror image as a second channel. TorchIO makes an image from the same labels
and deforms and corrupts it: no anomaly, no mirror image, no target. Medians, as Markdown tables. Needs the
data folder. The published code is not run here: its 33 to 73 s at 160³ on two cores are the plan's figures.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sanum.space.box import Box
from sanum.synth import Stream, TrainingSet, generator, head
from sanum.synth.anatomy import Anatomy, at_spacing, prepare
from sanum.synth.subjects import ixi_pairs

STAGES = {
    "grow": "anomaly (fluid)",
    "pose": "pose",
    "apply_contrast": "contrast",
    "apply_look": "appearance",
    "_visible": "skull",
    "apply_corruption": "corruption",
    "scale_intensity": "scale",
    "mirror": "mirror image",
}
FIELD_MM = 160.0


def timed(stages: dict[str, float]) -> None:
    """Let the generator's parts add their times to `stages`."""
    for name in STAGES:
        where = head if hasattr(head, name) else generator
        part: Callable = getattr(where, name)

        def run(*arguments: object, part: Callable = part, name: str = name, **options: object) -> object:
            began = time.perf_counter()
            try:
                return part(*arguments, **options)
            finally:
                stages[name] += time.perf_counter() - began

        setattr(where, name, run)


def samples(anatomy: Anatomy, bank: list[Path], n: int, repeats: int) -> tuple[list[float], dict[str, float]]:
    """Seconds of each sample at n³, and of each stage in all of them."""
    spacing = FIELD_MM / n
    box, anatomy = Box((n, n, n), spacing).grid(), at_spacing(anatomy, spacing)
    stages: dict[str, float] = defaultdict(float)
    times = []
    for seed in range(-2, repeats):  # two to warm up
        rng = np.random.default_rng(abs(seed))
        params = generator.draw_sample(rng, anatomy, bank, healthy=0.0, spacing_mm=spacing)
        if seed == 0:
            timed(stages)
        began = time.perf_counter()
        generator.apply_sample(anatomy, params, box=box)
        if seed >= 0:
            times.append(time.perf_counter() - began)
    return times, stages


def torchio_chain(labels: Path, n: int, repeats: int) -> list[float]:
    """Seconds of each image that TorchIO makes from the same labels at n³."""
    import torchio as tio

    fit = tio.Compose([tio.ToCanonical(), tio.Resample(FIELD_MM / n), tio.CropOrPad(n)])
    subject = fit(tio.Subject(label=tio.LabelMap(labels)))
    chain = tio.Compose(
        [
            tio.RandomLabelsToImage(label_key="label", image_key="image"),
            tio.RandomFlip(axes=0, flip_probability=0.5),
            tio.RandomAffine(scales=0.2, degrees=15),
            tio.RandomElasticDeformation(max_displacement=4.0),
            tio.RandomBiasField(),
            tio.RandomBlur((0.0, 1.0)),
            tio.RandomAnisotropy(),
            tio.RandomNoise(std=(0, 0.05)),
            tio.RandomGamma(),
            tio.RescaleIntensity((0, 1)),
        ]
    )
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        chain(subject)
        times.append(time.perf_counter() - began)
    return times[1:]


def one(options: argparse.Namespace) -> None:
    """One source at one size, in a process of its own: prints JSON."""
    anatomy = prepare(*options.pair, options.cache)
    bank = sorted((options.data / "lesions").glob("*_mask.nii.gz"))
    times, stages = samples(anatomy, bank, options.size, options.repeats)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps({"times": times, "stages": stages, "gigabytes": gigabytes}))


def on_gpu(anatomy: Anatomy, bank: list[Path], repeats: int) -> None:
    """Samples per second at 160³ on an NVIDIA GPU, from drawing to the finished tensors."""
    if not torch.cuda.is_available():
        print("\nno NVIDIA GPU here: batches on a device were not timed")
        return
    stream = Stream(TrainingSet([anatomy], bank), seed=0, box=Box((160, 160, 160), 1.0).grid())
    batches = stream.batches(4, device="cuda")
    next(batches)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        next(batches)
    torch.cuda.synchronize()
    rate = 4 * repeats / (time.perf_counter() - began)
    memory = torch.cuda.max_memory_allocated() / 1024**3
    print(f"\non {torch.cuda.get_device_name()}: {rate:.1f} samples per second, {memory:.1f} GB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--size", type=int)
    parser.add_argument("--source", choices=("ixi", "labels"))
    options = parser.parse_args()
    labels = sorted((options.data / "labels").glob("*_dseg.nii.gz"))[0]
    pairs = {"ixi": ixi_pairs(options.data / "ixi")[0], "labels": (None, labels)}
    if options.source:
        options.pair = pairs[options.source]
        one(options)
        return
    print("| source | size | median, s | longest, s | peak memory, GB |\n|---|---|---|---|---|", flush=True)
    kept = {}
    for source in pairs:
        prepare(*pairs[source], options.cache)  # not in the memory that is measured
        for size in (96, 160, 192):
            command = [sys.executable, __file__, "--size", str(size), "--source", source]
            command += ["--data", str(options.data), "--cache", str(options.cache)]
            command += ["--repeats", str(options.repeats)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = kept[source, size] = json.loads(done.stdout)
            print(
                f"| {source} | {size}³ | {statistics.median(found['times']):.2f} | {max(found['times']):.2f} "
                f"| {found['gigabytes']:.1f} |",
                flush=True,
            )
    for size in (96, 160):
        theirs = statistics.median(torchio_chain(labels, size, max(3, options.repeats // 4)))
        ours = statistics.median(kept["labels", size]["times"])
        print(
            f"| TorchIO's chain, labels | {size}³ | {theirs:.2f} ({theirs / ours:.1f} × ours) | | |",
            flush=True,
        )
    bank = sorted((options.data / "lesions").glob("*_mask.nii.gz"))
    on_gpu(prepare(*pairs["ixi"], options.cache), bank, options.repeats)
    print("\n| stage, mean ms at 160³ | " + " | ".join(pairs) + " |\n|---|---|---|")
    for name, title in STAGES.items():
        cells = (1000 * kept[s, 160]["stages"].get(name, 0) / options.repeats for s in pairs)
        print(f"| {title} | " + " | ".join(f"{ms:.0f}" for ms in cells) + " |")


if __name__ == "__main__":
    main()
