"""How much of a movie comes back from few lines, and how much of a heartbeat: `kt` beside its rivals.

    python bench/recovery.py phantom -o runs/recovery [--count 8] [--size 64] [--networks FOLDER]
    python bench/recovery.py cine FILE... -o runs/recovery [--count 3]
    python bench/recovery.py time
    python bench/recovery.py variants -o FOLDER

`phantom`: made-up mothers and fetuses (`sanum.synth.fetal`), 6 coils, noise. `cine`: real cines of one
beat (`.npz` with `cine`, or `.mat` with `image0`, (Y, X, T)), made to beat six times in 32 frames, with
made-up coils and phase: retrospective, and of cropped images, so what is found is a bound from above.
Both write a table of means, with 95 % intervals over phantoms or cines (of five or more), and every
number to a CSV file. `variants` trains what is compared, each network in a folder of its own; `--networks`
measures all of such a folder in the place of those that ship.
"""

import argparse
import csv
import time
from collections import defaultdict
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat

from sanum.kspace.coils import combined, made_up
from sanum.kspace.encoding import CoilEncoding
from sanum.kspace.fourier import fft, ifft
from sanum.kspace.sampling import lattice, variable_density
from sanum.learn.devices import DeviceConfig
from sanum.methods import registry
from sanum.methods.common.training import Reports, Start, train
from sanum.methods.recovery.kt.classical import CLASSICAL, SliceProblem, training_image
from sanum.methods.recovery.kt.model import KtNetConfig
from sanum.methods.recovery.kt.network import load_network
from sanum.methods.recovery.kt.recipe import NETWORKS, RECIPES
from sanum.methods.recovery.kt.sampling import KtSamplingConfig
from sanum.metrics.motion import fast_movement, movie_errors
from sanum.metrics.statistics import mean_over_subjects
from sanum.synth.fetal import draw_fetal, fetal_movie, heart_region

FRAMES, FRAME_S, COILS, NOISE, TRAINED_LINES = 32, 0.072, 6, 0.02, 16
BEATS = 6
ON_RANDOM_LINES = ("zero-filled", "sense", "low-rank", *NETWORKS)
FREE = {"consistency": "none"}
VARIANTS = {
    **NETWORKS,
    "unet-xf, no consistency": KtNetConfig(**FREE),
    "unet-xt, no consistency": KtNetConfig(("xt",), **FREE),
    "unet-xf, one coil": KtNetConfig(),
    "unet-xf, with the mean": KtNetConfig(mean=False),
    "unet-xf, soft": KtNetConfig(consistency="soft"),
    "unet-xt, with the mean": KtNetConfig(("xt",), mean=False),
}
NUMBERS = {"nrmse": 3, "nrmse_moving": 3, "ssim": 3, "ssim_moving": 3, "harmonic": 2, "amplitude": 2}


def measured(movie, maps, rng):
    """k-space (C, T, Y, X), lines ky and pixels x, of all lines, with noise."""
    y = fft(maps[:, None] * torch.from_numpy(movie), -2)
    parts = (torch.from_numpy(rng.normal(size=y.shape).astype(np.float32)) for _ in range(2))
    return y + NOISE * torch.complex(*parts) / 2**0.5


def networks_of(folder):
    """Networks by name: those of a folder of runs, or those that ship."""
    if folder is None:
        kt = registry.load("kt")
        return {name: kt.network(name).recover for name in NETWORKS}
    return {
        path.parent.name: load_network(path).recover for path in sorted(folder.glob("*/kt-*.safetensors"))
    }


def variants(folder):
    """Train each variant that is not trained yet, in bfloat16, as long as the recipes say."""
    for name, model in VARIANTS.items():
        place = folder / name
        if list(place.glob("*.safetensors")):
            continue
        recipe = RECIPES.get(f"kt-{name}") or replace(RECIPES[f"kt-{name[:7]}"], model=model)
        if name.endswith("one coil"):
            recipe = replace(recipe, sampling=KtSamplingConfig(coils=(1, 1)))
        start = time.process_time()
        train(
            recipe,
            Path("phantoms"),
            place,
            start=Start(resume=(place / "checkpoint.pt").is_file()),
            devices=DeviceConfig("cpu", 1, "bf16"),
            reports=Reports(on_step=lambda now: now.step % 50 or print(now.step, now.values)),
        )
        print(f"{name}\t{time.process_time() - start:.0f} CPU s", flush=True)


def of_one_coil(image, mask):
    """Lines of a combined image, as if one coil had measured them."""
    encoding = CoilEncoding(torch.ones_like(image[:1]), mask)
    return SliceProblem(fft(image, -2)[None] * mask[:, :, None], encoding)


def answers(movie, acceleration, rng, solvers):
    """Movie and seconds by every method, of one slice."""
    maps = made_up(COILS, movie.shape[1:], rng=rng)
    full = measured(movie, maps, rng)
    frames, lines = full.shape[1:3]
    middle = slice(lines // 2 - TRAINED_LINES // 2, lines // 2 + TRAINED_LINES // 2)
    apart = measured(movie, maps, rng)  # noise of its own; the same beat, which a scan before would not have
    training = training_image(fft(apart, -1)[:, :, middle], maps)
    on_lattice = lattice(frames, lines, acceleration)
    at_random = variable_density(frames, lines, acceleration, rng=rng)
    whole = combined(ifft(full, -2), maps)
    yield "all lines", 0.0, whole
    alone = [name for name in solvers if name.endswith("one coil")]
    for name in alone:  # lines of the combined movie, which nobody can measure, and of the aliased one
        for what, image in (
            ("retrospective", whole),
            ("prospective", CoilEncoding(maps, on_lattice).adjoint(full)),
        ):
            start = time.process_time()
            found = solvers[name](of_one_coil(image, on_lattice))
            yield f"{name}, {what}", time.process_time() - start, found
    for mask, names in (
        (on_lattice, [name for name in solvers if name not in alone]),
        (at_random, [name for name in solvers if name in ON_RANDOM_LINES]),
    ):
        encoding = CoilEncoding(maps, mask)
        for name in names:
            of = SliceProblem(full * mask[:, :, None], encoding, None if "no training" in name else training)
            start = time.process_time()
            found = solvers[name](of)
            yield name + (", random lines" if mask is at_random else ""), time.process_time() - start, found


def rows_of(truth, movie, moving, about, draw):
    acceleration, beat_hz, rng, solvers = draw
    for name, seconds, found in answers(movie, acceleration, rng, solvers):
        got = movie_errors(found.abs().numpy(), truth, moving, frame_s=FRAME_S, beat_hz=beat_hz)
        yield {**about, "R": acceleration, "method": name, "seconds": seconds, **vars(got)}


def phantoms(count, size, solvers):
    for n in range(count):
        rng = np.random.default_rng([7, n])
        fetal = draw_fetal(rng)
        movie = fetal_movie(fetal, (size, size), FRAMES, frame_s=FRAME_S)
        moving = heart_region(fetal, (size, size))
        for acceleration in (4, 8):
            about = {"case": f"phantom {n}"}
            draw = acceleration, fetal.heart_hz, rng, solvers
            yield from rows_of(np.abs(movie), movie, moving, about, draw)


def cine(file, count, solvers, size=128):
    """The cine at the times that six beats in 32 frames have, by Fourier series of the one beat."""
    beat = loadmat(file)["image0"] if file.suffix == ".mat" else np.load(file)["cine"]
    beat = np.moveaxis(beat.astype(np.float64), -1, 0)
    fast = fast_movement(beat)
    row, column = (
        int(np.average(np.arange(n), weights=(fast**4).sum(1 - k))) for k, n in enumerate(fast.shape)
    )
    first = [min(max(c - size // 2, 0), n - size) for c, n in zip((row, column), fast.shape, strict=True)]
    beat = beat[:, first[0] : first[0] + size, first[1] : first[1] + size]
    beat /= np.percentile(beat, 99.5)
    series, phases = np.fft.rfft(beat, axis=0), BEATS * np.arange(FRAMES) / FRAMES
    weights = np.exp(2j * np.pi * phases[:, None] * np.arange(len(series))) / len(beat)
    weights[:, 1:] *= 2
    truth = np.clip(np.einsum("tf,fyx->tyx", weights, series).real, 0, None).astype(np.float32)
    y, x = (np.linspace(-1, 1, size),) * 2
    movie = (truth * np.exp(1j * (0.5 + 0.6 * y[:, None] - 0.4 * x + 0.5 * y[:, None] * x))).astype(
        np.complex64
    )
    speed = fast_movement(truth)
    moving = speed > 0.3 * np.percentile(speed, 99.5)
    for n, acceleration in product(range(count), (4, 8)):
        rng = np.random.default_rng([9, acceleration, n] if n else [9, acceleration])
        draw = acceleration, BEATS / FRAMES / FRAME_S, rng, solvers
        yield from rows_of(truth, movie, moving, {"case": file.stem, "draw": n}, draw)


def table(rows):
    by = defaultdict(list)
    for row in rows:
        by[row["R"], row["method"]].append(row)
    lines = ["| R | method | NRMSE | NRMSE, heart | SSIM | SSIM, heart | harmonic | amplitude | CPU s |"]
    lines.append("|---" * 9 + "|")
    for (acceleration, name), group in by.items():
        cases = [row["case"] for row in group]
        cells = [
            mean_over_subjects([row[number] for row in group], cases).text(digits)
            for number, digits in NUMBERS.items()
        ]
        cells.append(f"{np.mean([row['seconds'] for row in group]):.1f}")
        lines.append(f"| {acceleration} | `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def timing(solvers):
    rng = np.random.default_rng(0)
    movie = fetal_movie(draw_fetal(rng), (96, 96), FRAMES)
    for acceleration in (4, 8):
        for name, seconds, _ in answers(movie, acceleration, rng, solvers):
            print(f"R {acceleration}\t{name}\t{seconds:.1f} CPU s")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("phantom", "cine", "time", "variants"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/recovery"))
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--networks", type=Path)
    parser.add_argument("--only-networks", action="store_true")
    parser.add_argument("--size", type=int, default=64)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what == "variants":
        variants(asked.output)
        return
    solvers = {} if asked.only_networks else {**CLASSICAL, "kt-sense, no training": CLASSICAL["kt-sense"]}
    solvers |= networks_of(asked.networks)
    if asked.what == "time":
        timing(solvers)
        return
    made = (
        phantoms(asked.count, asked.size, solvers)
        if asked.what == "phantom"
        else (row for file in asked.files for row in cine(file, asked.count, solvers))
    )
    rows = list(made)
    asked.output.mkdir(parents=True, exist_ok=True)
    with (asked.output / f"{asked.what}.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print(table(rows))


if __name__ == "__main__":
    main()
