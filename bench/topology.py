"""What the benches of thin objects share, in 2-D and 3-D: a small U-Net, its training, numbers of topology.

Each seed has one start, trained with Dice. From there each loss goes on for as many steps, over the same
patches, with a fresh optimizer. So two losses of one seed differ in nothing but the loss.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.losses import DiceLoss, SoftDiceclDiceLoss
from skimage.measure import euler_number, label
from torch import Tensor, nn
from torch.nn import functional as F

from sanum.files import whole_file
from sanum.metrics.centerline import TopologyLoss, centerline_dice
from sanum.nets.skeleton import binarise, skeletonize

Array = npt.NDArray[Any]
OUTSIDE = -20.0  # logit of what does not count, in all losses


@dataclass(frozen=True)
class Case:
    """An image, its true mask, and where both count; all of one shape, 2-D or 3-D."""

    name: str
    image: Array
    truth: Array
    inside: Array


@dataclass(frozen=True)
class Loss:
    """`kind` is dice, soft, exact or a `variant`; `number`: of soft iterations, or of draws of the noise."""

    kind: str
    alpha: float = 0.0
    number: int = 1

    def __str__(self) -> str:
        words = {"dice": "Dice", "soft": f"soft clDice, {self.number} iterations"}
        draws = f"{self.number} draw{'s' * (self.number > 1)}"
        names = {
            "exact": "exact",
            "published": "exact, gradient as published",
            "outwards": "exact, gradient outwards",
        }
        name = words.get(self.kind) or f"{names[self.kind]}, {draws}"
        return name + (f", α {self.alpha:g}" if self.alpha else "")

    @property
    def file(self) -> str:
        """Name of its files, without an ending."""
        return self.kind if self.kind == "dice" else f"{self.kind}-{self.alpha:g}-{self.number}"

    def made(self, seed: int) -> Callable[[Tensor, Tensor], Tensor]:
        """The function of logits and truth."""
        if self.kind == "dice":
            return DiceLoss(sigmoid=True, smooth_nr=1, smooth_dr=1)
        if self.kind == "soft":
            return SoftDiceclDiceLoss(iter_=self.number, alpha=self.alpha, sigmoid=True)
        noise = torch.Generator().manual_seed(seed)
        n = self.number
        if self.kind in ("published", "outwards"):
            exact = partial(variant, alpha=self.alpha, noise=noise, beside=self.kind == "published")
        else:
            exact = TopologyLoss(sigmoid=True, alpha=self.alpha, generator=noise)
        return lambda z, y: exact(torch.cat([z] * n), torch.cat([y] * n))


def variant(z: Tensor, y: Tensor, *, alpha: float, noise: torch.Generator, beside: bool) -> Tensor:
    """`TopologyLoss` with the gradient of `skeletonize`; `beside`: all of it, else not beside the object."""
    p = z.sigmoid()
    mask, line, axes = binarise(p, generator=noise), skeletonize(y), tuple(range(1, p.ndim))
    thin = skeletonize(mask)
    if not beside:
        solid, pool = mask.detach(), F.max_pool2d if p.ndim == 4 else F.max_pool3d
        thin = thin * (solid + 1 - pool(solid, 3, 1, 1))

    def share(a: Tensor, b: Tensor) -> Tensor:
        return (a.sum(axes) + 1e-5) / (b.sum(axes) + 1e-5)

    precision, sensitivity = share(thin * y, thin), share(line * p, line)
    cl_dice = 2 * precision * sensitivity / (precision + sensitivity)
    return 1 - ((1 - alpha) * share(2 * p * y, p + y) + alpha * cl_dice).mean()


@dataclass(frozen=True)
class Plan:
    """How long, how wide, how fast."""

    patch: tuple[int, ...]
    batch: int
    start_steps: int
    steps: int
    widths: tuple[int, ...]
    rate: float = 2e-3


class Net(nn.Module):
    """A U-Net of two convolutions a level, with batch norm."""

    def __init__(self, axes: int, widths: Sequence[int]) -> None:
        super().__init__()
        conv = nn.Conv2d if axes == 2 else nn.Conv3d
        norm = nn.BatchNorm2d if axes == 2 else nn.BatchNorm3d
        self.pool = F.max_pool2d if axes == 2 else F.max_pool3d

        def block(a: int, b: int) -> nn.Sequential:
            parts: list[nn.Module] = []
            for c in (a, b):
                parts += [conv(c, b, 3, padding=1, bias=False), norm(b), nn.LeakyReLU(0.1, inplace=True)]
            return nn.Sequential(*parts)

        self.down = nn.ModuleList(block(a, b) for a, b in pairwise((1, *widths)))
        self.up = nn.ModuleList(block(a + b, a) for a, b in pairwise(widths))
        self.out = conv(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits; axes of `x` are multiples of 2 for each level but the first."""
        kept: list[Tensor] = []
        for n, block in enumerate(self.down):
            x = block(self.pool(x, 2) if n else x)
            kept.append(x)
        kept.pop()
        for block in reversed(self.up):
            x = block(torch.cat([kept.pop(), F.interpolate(x, scale_factor=2.0)], 1))
        return self.out(x)


def patches(cases: Sequence[Case], plan: Plan, rng: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
    """Batches without end of image, truth, inside: around places that count, mirrored, turned, brighter."""
    places = [np.argwhere(c.inside) for c in cases]
    axes = len(plan.patch)
    while True:
        rows = []
        for _ in range(plan.batch):
            n = rng.integers(len(cases))
            middle = places[n][rng.integers(len(places[n]))]
            size = cases[n].image.shape
            low = [
                int(np.clip(m - p // 2, 0, s - p)) for m, p, s in zip(middle, plan.patch, size, strict=True)
            ]
            box = tuple(slice(a, a + p) for a, p in zip(low, plan.patch, strict=True))
            turn, flips = rng.permutation(axes), np.flatnonzero(rng.random(axes) < 0.5)
            gain, shift = rng.uniform(0.8, 1.25), rng.normal(0, 0.1)
            row = [a[box].astype(np.float32) for a in (cases[n].image, cases[n].truth, cases[n].inside)]
            row[0] = row[0] * gain + shift
            rows.append([np.flip(a.transpose(turn), flips) for a in row])
        yield tuple(torch.from_numpy(np.stack(part)[:, None]) for part in zip(*rows, strict=True))


def learn(
    net: Net, cases: Sequence[Case], loss: Loss, plan: Plan, seed: int, *, start: bool, tell: str
) -> float:
    """Train in place; seconds of the processor for a step. The start ends at a tenth of its rate."""
    steps, rate = (plan.start_steps, plan.rate) if start else (plan.steps, plan.rate / 2)
    torch.manual_seed(seed)
    value_of = loss.made(seed)
    batches = patches(cases, plan, np.random.default_rng([seed, start]))
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    form = torch.channels_last if len(plan.patch) == 2 else torch.channels_last_3d
    net.train().to(memory_format=form)
    began, spent = time.monotonic(), time.process_time()
    for step in range(steps):
        part = step / steps
        low = 0.1 if start else 0.0
        now = min(1.0, 20 * part + 0.05) * (low + (1 - low) * (1 + np.cos(np.pi * part)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate * now
        image, truth, inside = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            z = net(image.to(memory_format=form))
        value = value_of(torch.where(inside > 0, z.float(), OUTSIDE), truth)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if step % 100 == 99:
            left = (time.monotonic() - began) / (step + 1) * (steps - step - 1)
            print(
                f"{tell}: {step + 1} of {steps}, {value.item():.3f}, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
    return (time.process_time() - spent) / steps


@torch.no_grad()
def predict(net: Net, case: Case) -> Array:
    """Probabilities of the whole image, 0 where it does not count."""
    multiple = 2 ** (len(net.down) - 1)
    pad = [(0, -s % multiple) for s in case.image.shape]
    x = torch.from_numpy(np.pad(case.image, pad, mode="edge").astype(np.float32))[None, None]
    p = net.eval()(x).sigmoid()[0, 0].numpy()
    return p[tuple(slice(s) for s in case.image.shape)] * case.inside


def betti(mask: Array) -> Array:
    """Parts and holes; in 3-D parts, tunnels, cavities. Objects have 8 or 26 neighbours, the rest 4 or 6."""
    padded = np.pad(mask, 1)
    parts = label(padded, connectivity=mask.ndim).max()
    holes = label(~padded, connectivity=1).max() - 1
    if mask.ndim == 2:
        return np.array([parts, holes])
    return np.array([parts, parts + holes - euler_number(padded, connectivity=3), holes])


def tiles(shape: Sequence[int], size: int) -> Iterator[tuple[slice, ...]]:
    """Boxes of that size, side by side; what is left over at the far ends is in none."""
    for corner in np.ndindex(*(s // size for s in shape)):
        yield tuple(slice(size * c, size * (c + 1)) for c in corner)


def scores(found: Array, case: Case, tile: int) -> dict[str, float]:
    """Dice, clDice, and Betti errors: of the whole image, and mean over the tiles that count throughout."""
    truth = case.truth
    cl_dice = centerline_dice(found, truth) if found.any() else 0.0
    row = {"Dice": 2 * (found & truth).sum() / (found.sum() + truth.sum()), "clDice": cl_dice}
    row |= {f"Betti-{n}": e for n, e in enumerate(np.abs(betti(found) - betti(truth)))}
    inside = [t for t in tiles(truth.shape, tile) if case.inside[t].all()]
    local = np.mean([np.abs(betti(found[t]) - betti(truth[t])) for t in inside], axis=0)
    row |= {f"Betti-{n}, tiles": e for n, e in enumerate(local)}
    row["parts"] = betti(found)[0]
    return {k: float(v) for k, v in row.items()}


def run(
    folder: Path, train: Sequence[Case], test: Sequence[Case], losses: Sequence[Loss], seed: int, plan: Plan
) -> None:
    """The start of a seed, then each loss that is not finished: maps of test images, and time of a step."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"plan": asdict(plan), "train": [c.name for c in train], "test": [c.name for c in test]}
    settings, told = folder / "settings.json", json.loads(json.dumps(told))
    if settings.exists() and json.loads(settings.read_text(encoding="utf-8")) != told:
        raise SystemExit(f"{folder} holds results of other settings: choose another folder, or remove it.")
    write_json(settings, told)
    state = folder / "start.pt"
    if not state.exists():
        torch.manual_seed(seed)
        net = Net(len(plan.patch), plan.widths)
        learn(net, train, Loss("dice"), plan, seed, start=True, tell=f"{folder.name}, start")
        _keep(folder, "start", net, test)
        with whole_file(state) as unfinished:
            torch.save(net.state_dict(), unfinished)
    for loss in losses:
        done = folder / f"{loss.file}.json"
        if done.exists():
            continue
        net = Net(len(plan.patch), plan.widths)
        net.load_state_dict(torch.load(state, weights_only=True))
        seconds = learn(net, train, loss, plan, seed, start=False, tell=f"{folder.name}, {loss}")
        _keep(folder, loss.file, net, test)
        write_json(done, {"seconds": seconds})


def _keep(folder: Path, name: str, net: Net, test: Sequence[Case]) -> None:
    """Maps of the test images, in 255 steps."""
    maps = {c.name: np.round(predict(net, c) * 255).astype(np.uint8) for c in test}
    with whole_file(folder / f"{name}.npz") as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **maps)


def found_by(folder: Path, name: str, case: Case) -> Array:
    """The mask of probabilities above ½."""
    with np.load(folder / f"{name}.npz") as maps:
        return maps[case.name] > 127


def write_json(path: Path, content: Any) -> None:
    """Write a file whole."""
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1), encoding="utf-8")


def interval(difference: Array, rng: np.random.Generator, draws: int = 10_000) -> tuple[float, float]:
    """95 % of the means of (seeds, images) when both are drawn again with replacement (crossed bootstrap)."""
    seeds, images = difference.shape
    rows, columns = rng.integers(seeds, size=(draws, seeds, 1)), rng.integers(images, size=(draws, 1, images))
    low, high = np.quantile(difference[rows, columns].mean((1, 2)), (0.025, 0.975))
    return float(low), float(high)


def seconds_of(folders: Sequence[Path], losses: Sequence[Loss]) -> dict[str, str]:
    """Seconds of the processor for a step of each loss: the least of the runs, which others disturb."""
    return {
        str(x): f"{min(json.loads((f / f'{x.file}.json').read_text())['seconds'] for f in folders):.3f}"
        for x in losses
    }


def table(rows: dict[str, list[list[dict[str, float]]]], notes: dict[str, str]) -> str:
    """Mean over seeds of means over images, ± standard deviation of the seeds; of rows[name][seed][image]."""
    keys = list(next(iter(rows.values()))[0][0])
    lines = [f"| | {' | '.join(keys)} | step, s |", "|---" * (len(keys) + 2) + "|"]
    for name, seeds in rows.items():
        cells = []
        for key in keys:
            means = [np.mean([image[key] for image in seed]) for seed in seeds]
            digits = 3 if "ice" in key else 2 if "tiles" in key else 1
            spread = f" ± {np.std(means, ddof=1):.{digits}f}" if len(means) > 1 else ""
            cells.append(f"{np.mean(means):.{digits}f}{spread}")
        lines.append(f"| {name} | {' | '.join(cells)} | {notes.get(name, '–')} |")
    return "\n".join(lines)


def differences(rows: dict[str, list[list[dict[str, float]]]], ours: str, others: Sequence[str]) -> str:
    """Ours less each other, with the interval."""
    keys = [k for k in rows[ours][0][0] if k != "parts"]
    lines = [f"| {ours} less | {' | '.join(keys)} |", "|---" * (len(keys) + 1) + "|"]
    for other in others:
        cells = []
        for key in keys:
            d = np.array([[i[key] for i in s] for s in rows[ours]]) - [
                [i[key] for i in s] for s in rows[other]
            ]
            low, high = interval(d, np.random.default_rng(0))
            digits = 3 if "ice" in key else 2 if "tiles" in key else 1
            cells.append(f"{d.mean():+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]")
        lines.append(f"| {other} | {' | '.join(cells)} |")
    return "\n".join(lines)
