"""Skeletons on a CPU beside scikit-image's (Lee) and the soft skeleton: topology, voxels, time.

Objects are made here: torus, shell, trees of tubes and thresholded noise, 48³, as in the specification; and a
tree of vessels of 160³. Times are the smallest of three, of the processor, so that a busy machine changes
them little; all in one run, so that their ratios mean something.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from monai.losses.cldice import soft_skel
from scipy import ndimage
from skimage.measure import euler_number, label
from skimage.morphology import skeletonize as lee

from sanum.nets.skeleton import skeletonize

SIZE, LARGE, ITERATIONS = 48, 160, 12


def tree(rng: np.random.Generator, n: int, branches: int, radii: tuple[float, float]) -> np.ndarray:
    """Tubes between random knots, each from a knot that is there, thinner from branch to branch."""
    out, knots = np.zeros((n, n, n), bool), [rng.uniform(0.3 * n, 0.7 * n, 3)]
    margin = radii[1] + 2
    grid = np.indices(out.shape, dtype=np.float32)
    for branch in range(branches):
        a, b = knots[rng.integers(len(knots))], rng.uniform(margin, n - margin, 3)
        radius = radii[1] + (radii[0] - radii[1]) * branch / max(branches - 1, 1)
        along = b - a
        t = np.clip(np.tensordot(along, grid - a[:, None, None, None], 1) / (along @ along), 0, 1)
        out |= sum((g - p - t * d) ** 2 for g, p, d in zip(grid, a, along, strict=True)) <= radius**2
        knots += [b, (a + b) / 2]
    return out


def phantoms(seed: int) -> dict[str, np.ndarray]:
    """Fourteen objects of 48³."""
    rng, x = np.random.default_rng(seed), np.indices((SIZE,) * 3) - SIZE / 2
    r = np.sqrt((x**2).sum(0))
    found = {"torus": (np.hypot(x[0], x[1]) - 13) ** 2 + x[2] ** 2 <= 25, "shell": (r <= 17) & (r >= 10)}
    found |= {f"tree {n}": tree(rng, SIZE, 7, (1.5, 3.5)) for n in range(6)}
    for n in range(6):
        blurred = ndimage.gaussian_filter(rng.normal(size=(SIZE,) * 3), 1.5)
        found[f"noise {n}"] = blurred > 0.8 * blurred.std()
    return found


def betti(mask: np.ndarray) -> np.ndarray:
    """Parts, tunnels, cavities."""
    padded = np.pad(mask, 1)
    parts, cavities = label(padded, connectivity=3).max(), label(~padded, connectivity=1).max() - 1
    return np.array([parts, parts + cavities - euler_number(padded, connectivity=3), cavities])


def seconds(job: Callable[[], object], repeats: int = 3) -> float:
    """Least processor time of a job, after one call to warm up."""
    job()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        job()
        times.append(time.process_time() - began)
    return min(times)


def both_ways(
    skeleton: Callable[[torch.Tensor], torch.Tensor], mask: np.ndarray, repeats: int
) -> list[float]:
    """Seconds of the forward and of the backward pass of one volume."""
    x = torch.from_numpy(mask.astype(np.float32))[None, None].requires_grad_()
    total = skeleton(x).sum()
    back = seconds(lambda: torch.autograd.grad(total, x, retain_graph=True), repeats)
    return [seconds(lambda: skeleton(x), repeats), back]


SKELETONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "exact, numba": lambda x: skeletonize(x, num_iter=ITERATIONS, backend="numba"),
    "exact, torch": lambda x: skeletonize(x, num_iter=ITERATIONS, backend="torch"),
    "Euler, numba": lambda x: skeletonize(x, num_iter=ITERATIONS, test="euler", backend="numba"),
    "soft (MONAI)": lambda x: soft_skel(x, ITERATIONS),
}


def topology(objects: dict[str, np.ndarray]) -> None:
    """Errors and times over all objects; the oracle, which gives the same bits, is timed on three."""
    print(
        f"\n| {len(objects)} objects of {SIZE}³, {ITERATIONS} iterations | Betti-0 | Betti-1 | Betti-2 ",
        end="",
    )
    print("| voxels | forward, s | backward, s | forward / Lee's |\n|---|---|---|---|---|---|---|---|")
    lee_s = np.mean([seconds(lambda m=m: lee(m)) for m in objects.values()])
    for name, skeleton in SKELETONS.items():
        errors, voxels, times = np.zeros(3, int), 0, []
        some = list(objects.values())[:3] if name == "exact, torch" else list(objects.values())
        for mask in some:
            with torch.no_grad():
                found = skeleton(torch.from_numpy(mask.astype(np.float32))[None, None])[0, 0].numpy() > 0.5
            errors += np.abs(betti(found) - betti(mask))
            voxels += int(found.sum())
            times.append(both_ways(skeleton, mask, 1 if len(some) == 3 else 3))
        ahead, back = np.mean(times, 0)
        label_ = name + (" (3 objects)" if len(some) == 3 else "")
        print(f"| {label_} | {errors[0]} | {errors[1]} | {errors[2]} | {voxels / len(some):.0f}", end=" ")
        print(f"| {ahead:.4f} (most {max(t[0] for t in times):.4f}) | {back:.4f} | {ahead / lee_s:.1f} |")
    errors = sum(np.abs(betti(lee(mask) > 0) - betti(mask)) for mask in objects.values())
    voxels = np.mean([np.sum(lee(mask) > 0) for mask in objects.values()])
    print("| scikit-image (Lee) |", " | ".join(map(str, errors)), f"| {voxels:.0f} | {lee_s:.4f} | – | 1 |")


def large(mask: np.ndarray) -> None:
    """One large tree, thinned to the end."""
    print(
        f"\n| tree of vessels of {LARGE}³, {mask.sum():,} voxels | Betti errors | forward, s | backward, s |"
    )
    print("|---|---|---|---|")
    ahead, back = both_ways(skeletonize, mask, 3)
    found = skeletonize(torch.from_numpy(mask)[None, None])[0, 0].numpy()
    print(f"| exact, numba | {np.abs(betti(found) - betti(mask)).sum()} | {ahead:.3f} | {back:.3f} |")
    error = np.abs(betti(lee(mask) > 0) - betti(mask)).sum()
    print(f"| scikit-image (Lee) | {error} | {seconds(lambda: lee(mask)):.3f} | – |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    topology(phantoms(arguments.seed))
    large(tree(np.random.default_rng(arguments.seed), LARGE, 24, (2.0, 7.0)))


if __name__ == "__main__":
    main()
