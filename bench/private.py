"""SGD, DP-SGD, DP-SAT and BAM on small pictures: what clipping does to gradients, and what privacy costs.

`python bench/private.py digits -o runs/private` trains what is missing, and prints the table; a killed run
goes on. Sets are digits (scikit-learn), breastmnist and cifar (`--data`, folder small/). Every method has the
same people, steps and noise, so the same ε, and its own learning rate, of the best mean score on validation;
tests are of other seeds. `python bench/private.py time` measures a step of the autoencoder `cae`.
"""

import argparse
import csv
import resource
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import ttest_1samp
from torch import nn

from sanum.learn.account import Account
from sanum.learn.clipping import clipped_sum
from sanum.learn.per_sample import PerSample
from sanum.learn.poisson import Poisson
from sanum.learn.private_noise import noise_of
from sanum.learn.step_config import StepConfig
from sanum.learn.turns import Objective
from sanum.methods import registry
from sanum.metrics.gradients import cosine, relative_bias
from sanum.metrics.ranking import auc

PLAIN = "sgd"
BAM = {"bam": (0.8, 0.15), "bam-mild": (0.5, 0.1), "bam-near": (0.8, 0.05)}  # α and r
SAT_RADIUS = 0.15
METHODS = (PLAIN, "dp-sgd", "dp-sat", *BAM)
DELTA = 1e-4
TUNED = range(1000, 1002)  # seeds of the search for a learning rate
LOOKS = 8  # at the gradients of people, in a training
RESAMPLED = 4000
MARGIN = 0.01  # of a score, below which a difference is none
KEYS = ("set", "method", "rate", "seed")
COLUMNS = (*KEYS, "step", "loss", "cosine", "own_cosine", "bias", "norm", "validation", "test")


@dataclass(frozen=True, eq=False)
class Problem:
    """Pictures, network and budget.

    Parameters
    ----------
    x, y : dict of tensor
        Pictures (N, …) and classes of "train", "validation" and "test".
    net : function
        Makes the network.
    rate, noise, steps, bound : float, float, int, float
        q, σ, T and C.
    grid : tuple of float
        Learning rates.
    looked : int
        People at most, the first, whose gradients are looked at.
    twice : bool
        Train at twice the best rate, too.
    """

    x: dict
    y: dict
    net: object
    rate: float
    noise: float
    steps: int
    grid: tuple[float, ...]
    looked: int = 1000
    bound: float = 1.0
    twice: bool = True


def split(x: np.ndarray, y: np.ndarray, sizes: tuple[int, ...]) -> tuple[dict, dict]:
    order = np.random.default_rng(0).permutation(len(y))
    parts = np.split(order[: sum(sizes)], np.cumsum(sizes)[:-1])
    x, y = torch.from_numpy(np.ascontiguousarray(x, np.float32)), torch.from_numpy(np.asarray(y, np.int64))
    names = ("train", "validation", "test")
    return tuple({name: of[part] for name, part in zip(names, parts, strict=True)} for of in (x, y))


def small_cnn(channels: int, widths: tuple[int, ...], side: int, classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip((channels, *widths[:-1]), widths, strict=True):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after), nn.Tanh()]
        side = (side + 1) // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * side * side, classes))


def digits(_: Path) -> Problem:
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = split(found.data / 8 - 1, found.target, (1000, 297, 500))

    def net() -> nn.Module:
        return nn.Sequential(nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 10))

    return Problem(x, y, net, 0.2, 6.0, 120, (0.5, 1.0, 2.0))


def breastmnist(data: Path) -> Problem:
    d = np.load(data / "small/breastmnist.npz")
    names = {"train": "train", "validation": "val", "test": "test"}
    x = {
        n: torch.from_numpy(d[f"{k}_images"][:, None].astype(np.float32) / 127.5 - 1)
        for n, k in names.items()
    }
    y = {n: torch.from_numpy(d[f"{k}_labels"].ravel().astype(np.int64)) for n, k in names.items()}
    rates = (0.01, 0.03, 0.1)
    return Problem(x, y, lambda: small_cnn(1, (8, 16), 28, 2), 0.2, 3.0, 40, rates, bound=5.0, twice=False)


def cifar(data: Path) -> Problem:
    d = np.load(data / "small/cifar10_3000_1000.npz")
    x, y = split(
        d["train_images"].transpose(0, 3, 1, 2) / 127.5 - 1, d["train_labels"].ravel(), (2500, 500, 0)
    )
    x["test"] = torch.from_numpy((d["test_images"].transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32))
    y["test"] = torch.from_numpy(d["test_labels"].ravel().astype(np.int64))
    x = {name: nn.functional.avg_pool2d(pictures, 2) for name, pictures in x.items()}  # a quarter of the time
    rates = (0.1, 0.3, 1.0)
    return Problem(x, y, lambda: small_cnn(3, (8, 16, 16), 16, 10), 0.06, 1.0, 40, rates, 400, twice=False)


SETS = {"digits": digits, "breastmnist": breastmnist, "cifar": cifar}


def loss(net: nn.Module, batch: dict) -> tuple[torch.Tensor, dict]:
    return nn.functional.cross_entropy(net(batch["x"]), batch["y"]), {}


@torch.no_grad()
def score(net: nn.Module, problem: Problem, part: str) -> float:
    """Accuracy; of two classes the AUC."""
    logits = net(problem.x[part])
    if logits.shape[1] == 2:
        return float(auc((logits[:, 1] - logits[:, 0]).double().numpy(), problem.y[part].numpy()))
    return float((logits.argmax(1) == problem.y[part]).float().mean())


def looked_at(by: PerSample, weights: dict, problem: Problem, config: StepConfig) -> dict[str, float]:
    """Gradients of who is trained on: of the raw ones cut, and as the method cuts its own."""
    batch = {"x": problem.x["train"][: problem.looked], "y": problem.y["train"][: problem.looked]}
    plain = clipped_sum(by, weights, batch, replace(config, kind="dp-sgd"))
    own = clipped_sum(by, weights, batch, config) if config.kind == "bam" else plain
    return {
        "loss": float(plain.values["loss"].mean()),
        "cosine": float(cosine(plain.clipped, plain.raw)),
        "own_cosine": float(cosine(own.clipped, own.raw)),
        "bias": float(relative_bias(plain.clipped, plain.raw)),
        "norm": float(plain.norms.mean()),
    }


def config_of(method: str, bound: float) -> StepConfig:
    if method in BAM:
        alpha, radius = BAM[method]
        return StepConfig("bam", max_grad_norm=bound, alpha=alpha, radius=radius)
    return StepConfig("dp-sat" if method == "dp-sat" else "dp-sgd", max_grad_norm=bound, radius=SAT_RADIUS)


def train(problem: Problem, method: str, rate: float, seed: int, *, look: bool) -> list[dict[str, float]]:
    """One training; of the same seed all methods have the same weights, people and noise."""
    torch.manual_seed(seed)
    net = problem.net()
    objective = Objective(net, loss)
    config = config_of(method, problem.bound)
    weights = dict(objective.named_parameters())
    by = PerSample(objective, chunk=256)
    people = len(problem.y["train"])
    sampling, previous, rows = Poisson(people, problem.rate, seed), None, []
    for step in range(problem.steps):
        chosen = sampling.chosen(step)
        batch = {"x": problem.x["train"][chosen], "y": problem.y["train"][chosen]}
        expected = people * problem.rate
        if method == PLAIN:
            value, _ = objective(batch)
            found = torch.autograd.grad(value * len(chosen) / expected, list(weights.values()))
            gradient = dict(zip(weights, found, strict=True))
        else:
            cut = clipped_sum(by, weights, batch, config, previous).clipped
            noise = noise_of(seed, step, cut)
            gradient = {k: (x + problem.noise * problem.bound * noise[k]) / expected for k, x in cut.items()}
            previous = gradient
        with torch.no_grad():
            for name, w in weights.items():
                w -= rate * gradient[name]
        done = step + 1
        if look and (done % max(1, problem.steps // LOOKS) == 0):
            rows.append({"step": done, **looked_at(by, weights, problem, config)})
    last = rows.pop() if rows else {"step": problem.steps, "loss": float("nan")}
    return [*rows, last | {part: score(net, problem, part) for part in ("validation", "test")}]


def rows_of(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def measured(name: str, problem: Problem, path: Path, seeds: int) -> list[dict[str, str]]:
    """All trainings of a set: those of the file, and what is missing."""

    def ensure(method: str, rate: float, seed: int, *, look: bool) -> None:
        key = (name, method, f"{rate:g}", str(seed))
        done = {(r["set"], r["method"], r["rate"], r["seed"]) for r in rows_of(path) if r["test"]}
        if key in done:
            return
        new = not path.exists()
        found = train(problem, method, rate, seed, look=look)
        with path.open("a", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            if new:
                table.writeheader()
            for row in found:
                told = {k: v if isinstance(v, int) else f"{v:.6g}" for k, v in row.items()}
                table.writerow(dict(zip(KEYS, key, strict=True)) | told)

    for seed in TUNED:
        for method in METHODS:
            for rate in problem.grid:
                ensure(method, rate, seed, look=False)
    for seed in range(seeds):
        for method in METHODS:
            best = tuned(rows_of(path), name, method)
            ensure(method, best, seed, look=True)
            if problem.twice and method in ("dp-sgd", *BAM):
                ensure(method, 2 * best, seed, look=False)
    return rows_of(path)


def tuned(rows: list[dict[str, str]], name: str, method: str) -> float:
    """The learning rate of the best mean score on validation."""
    scores = defaultdict(list)
    for row in rows:
        if row["test"] and (row["set"], row["method"]) == (name, method) and int(row["seed"]) in TUNED:
            scores[float(row["rate"])].append(float(row["validation"]))
    return max(scores, key=lambda rate: np.mean(scores[rate]))


def interval(values: list[float]) -> str:
    """Mean and 95 % interval of the bootstrap over seeds; nothing of fewer than five that are known."""
    x = np.asarray(values)[np.isfinite(values)]
    if len(x) < 5:
        return ""
    drawn = np.random.default_rng(0).integers(len(x), size=(RESAMPLED, len(x)))
    low, high = np.percentile(x[drawn].mean(1), (2.5, 97.5))
    return f"{x.mean():.3f} [{low:.3f}, {high:.3f}]"


def equivalence(gained: list[float]) -> str:
    """Two one-sided t tests of paired differences: above −MARGIN, and below it."""
    worse = ttest_1samp(gained, -MARGIN, alternative="greater").pvalue
    better = ttest_1samp(gained, MARGIN, alternative="less").pvalue
    called = "is" if max(worse, better) < 0.05 else "is not shown to be"
    return (
        f"the score {called} equal to DP-SGD's within {MARGIN:g} (not lower by more: p = {worse:.2g}; "
        f"not higher by more: p = {better:.2g})"
    )


def at_loss(curve: list[dict[str, float]], wanted: float, key: str) -> float:
    """A value where the loss falls to `wanted`, on straight lines between looks; nan if it was below."""
    if curve[0]["loss"] < wanted:
        return float("nan")
    for before, after in zip([curve[0], *curve], curve, strict=False):
        if after["loss"] <= wanted:
            part = (before["loss"] - wanted) / ((before["loss"] - after["loss"]) or 1.0)
            return before[key] + min(max(part, 0.0), 1.0) * (after[key] - before[key])
    return float("nan")


def printed(name: str, problem: Problem, rows: list[dict[str, str]]) -> None:
    """The table, and the paired differences from DP-SGD."""
    there = {row["method"] for row in rows if row["set"] == name and int(row["seed"]) not in TUNED}
    methods = [method for method in METHODS if method in there]
    best = {method: tuned(rows, name, method) for method in methods}
    curves, scores = defaultdict(list), {}
    for row in rows:
        rate, seed = float(row["rate"]), int(row["seed"])
        if row["set"] != name or seed in TUNED:
            continue
        if row["test"]:
            scores[row["method"], rate, seed] = float(row["test"])
        if rate == best[row["method"]] and row["cosine"]:
            keys = ("loss", "cosine", "own_cosine", "bias", "norm")
            curves[row["method"], seed].append({k: float(row[k]) for k in keys})
    seeds = sorted({s for _, _, s in scores if all((m, best[m], s) in scores for m in methods)})
    people = len(problem.y["train"])
    epsilon = Account(problem.noise, problem.rate, DELTA).epsilon(problem.steps)
    print(
        f"{name}: {people} people, q {problem.rate}, σ {problem.noise}, C {problem.bound:g}, "
        f"{problem.steps} steps: ε {epsilon:.2f} at δ {DELTA:g}; {len(seeds)} seeds"
    )
    private = methods[1:]
    same = {s: max(min(r["loss"] for r in curves[m, s]) for m in private) for s in seeds}
    found = {
        (m, k): [at_loss(curves[m, s], same[s], k) for s in seeds]
        for m in private
        for k in ("cosine", "own_cosine", "bias", "norm")
    }
    print("| method | rate | score | at twice the rate | cosine | cosine of its own | relative bias | norm |")
    print("|---|---|---|---|---|---|---|---|")
    for m in methods:
        cells = [interval([scores[m, best[m], s] for s in seeds])]
        twice = [scores[m, 2 * best[m], s] for s in seeds if (m, 2 * best[m], s) in scores]
        cells.append(interval(twice) if len(twice) == len(seeds) else "")
        cells += [
            interval(found[m, k]) if (m, k) in found else "" for k in ("cosine", "own_cosine", "bias", "norm")
        ]
        print(f"| {m} | {best[m]:g} | {' | '.join(cells)} |")
    for m in private[1:]:
        cells = [interval([scores[m, best[m], s] - scores["dp-sgd", best["dp-sgd"], s] for s in seeds])]
        twice = [
            scores[m, 2 * best[m], s] - scores["dp-sgd", 2 * best["dp-sgd"], s]
            for s in seeds
            if (m, 2 * best[m], s) in scores and ("dp-sgd", 2 * best["dp-sgd"], s) in scores
        ]
        cells.append(interval(twice) if len(twice) == len(seeds) else "")
        cells += [
            interval([a - b for a, b in zip(found[m, k], found["dp-sgd", k], strict=True)])
            for k in ("cosine", "own_cosine", "bias", "norm")
        ]
        print(f"| {m} − dp-sgd | | {' | '.join(cells)} |")
    for m in private[1:]:
        gained = [scores[m, best[m], s] - scores["dp-sgd", best["dp-sgd"], s] for s in seeds]
        print(f"{m}: {equivalence(gained)}")


def timed() -> None:
    """CPU seconds of a gradient of the autoencoder `cae` at 64², 30 pictures, one thread."""
    torch.set_num_threads(1)
    recipe = registry.recipe("cae")
    recipe = replace(recipe, norm="group", picture=replace(recipe.picture, size=64))
    objective = Objective(recipe.build(1), recipe.loss)
    batch = {
        "image": torch.rand(30, 1, 64, 64) * 2 - 1,
        "valid": torch.ones(30, 1, 64, 64),
        "seed": torch.tensor([1]),
    }
    weights = dict(objective.named_parameters())

    def plain() -> None:
        objective(batch)[0].backward()
        objective.zero_grad()

    def seconds(call: object) -> float:
        taken = []
        for _ in range(5):
            began = time.process_time()
            call()
            taken.append(time.process_time() - began)
        return float(np.median(taken))

    usual = seconds(plain)
    print(f"plain {usual:.3f} s")
    for kind in ("dp-sgd", "bam"):
        for chunk in (5, 15, 30):
            by = PerSample(objective, ("seed",), chunk=chunk)
            one = seconds(lambda by=by, kind=kind: clipped_sum(by, weights, batch, StepConfig(kind)))
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{kind}, {chunk} at a time: {one:.3f} s, {one / usual:.1f} times; peak {most:.0f} MB so far"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*SETS, "time"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/private"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "time":
        timed()
        return
    options.output.mkdir(parents=True, exist_ok=True)
    problem = SETS[options.what](options.data)
    rows = measured(options.what, problem, options.output / f"{options.what}.csv", options.seeds)
    printed(options.what, problem, rows)


if __name__ == "__main__":
    main()
