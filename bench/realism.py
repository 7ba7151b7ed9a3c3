"""How well a classifier tells our images from real ones, by preset: the nearer to 0.5 its AUC, the better.

Patches of 8³ voxels of 2 mm inside the brain, described by local statistics; a random forest, cross-validated
over subjects (no subject's patches, real or made, are in both training and test). Real: the patients of the
data folder, as the network sees them. Ours: the held-out IXI subjects, drawn as in training. Needs the data
folder; prints a Markdown table.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
from scipy import ndimage, stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from sanum.data.split import split_masks, split_subjects
from sanum.healthy.reconstruction import predict
from sanum.methods import registry
from sanum.methods.common.anatomy import Predictor
from sanum.scan import read
from sanum.synth.anatomy import prepare
from sanum.synth.generator import apply_sample, draw_sample
from sanum.synth.params import Draws

SIDE = 8
FEATURES = (
    "mean",
    "deviation",
    "skewness",
    "kurtosis",
    "gradient x",
    "gradient y",
    "gradient z",
    "Laplacian",
    "fine share",
    "lag x",
    "lag y",
    "lag z",
)
Image = tuple[str, np.ndarray, np.ndarray]


def real_images(data: Path, suffix: str, predictor: Predictor) -> Iterator[Image]:
    """Subject, image on the model grid, brain, of each patient's scan of this contrast."""
    for path in sorted((data / "patients").rglob(f"*_{suffix}.nii.gz")):
        look = predict(read(path), predictor, on_step=lambda _: None)
        yield path.name.split("_")[0], look.conformed.image, look.maps.brain > 0


def made_images(data: Path, cache: Path, preset: str, per_subject: int, draws: Draws) -> Iterator[Image]:
    """The same of the generator."""
    bank = split_masks(data)[1]
    for number, pair in enumerate(split_subjects(data)[1]):
        anatomy = prepare(*pair, cache)
        for n in range(per_subject):
            rng = np.random.default_rng([number, n])
            params = draw_sample(rng, anatomy, bank, preset=preset, draws=draws)  # type: ignore[arg-type]
            sample = apply_sample(anatomy, params)
            yield anatomy.name, sample.image[0], sample.brain


def patches(image: np.ndarray, brain: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Features (N, F) of random patches that lie inside the brain."""
    inside = ndimage.minimum_filter(brain, SIDE, origin=-(SIDE // 2), mode="constant")
    corners = np.argwhere(inside)
    chosen = corners[rng.choice(len(corners), min(count, len(corners)), replace=False)]
    return np.array([describe(image[tuple(slice(c, c + SIDE) for c in corner)]) for corner in chosen])


def describe(x: np.ndarray) -> list[float]:
    """Local statistics of one patch; what tells fine texture is relative to its deviation."""
    x = x.astype(np.float64)
    deviation = x.std() + 1e-6
    centred = (x - x.mean()) / deviation
    gradients = [np.abs(np.diff(centred, axis=a)).mean() for a in range(3)]
    fine = centred - ndimage.gaussian_filter(centred, 1.0)
    lags = [
        (np.take(centred, range(SIDE - 2), a) * np.take(centred, range(2, SIDE), a)).mean() for a in range(3)
    ]
    return [
        x.mean(),
        deviation,
        float(stats.skew(centred, axis=None)),
        float(stats.kurtosis(centred, axis=None)),
        *gradients,
        float(ndimage.laplace(centred).std()),
        float(fine.std()),
        *lags,
    ]


def table(images: Iterator[Image], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of all patches, and whose they are."""
    rows, names = [], []
    for number, (name, image, brain) in enumerate(images):
        found = patches(image, brain, count, np.random.default_rng(number))
        rows.append(found)
        names += [name] * len(found)
    return np.concatenate(rows), np.array(names)


def judged(
    real: tuple[np.ndarray, np.ndarray], made: tuple[np.ndarray, np.ndarray]
) -> tuple[list[float], list[str]]:
    """AUC of each fold, and the three features that tell most."""
    x = np.concatenate([real[0], made[0]])
    y = np.repeat([1, 0], [len(real[0]), len(made[0])])
    groups = np.concatenate([real[1], made[1]])
    folds = StratifiedGroupKFold(min(4, len(set(real[1]))), shuffle=True, random_state=0)
    areas, importance = [], np.zeros(x.shape[1])
    for train, test in folds.split(x, y, groups):
        forest = RandomForestClassifier(200, min_samples_leaf=5, class_weight="balanced", random_state=0)
        forest.fit(x[train], y[train])
        areas.append(float(roc_auc_score(y[test], forest.predict_proba(x[test])[:, 1])))
        importance += permutation_importance(
            forest, x[test], y[test], scoring="roc_auc", n_repeats=3, random_state=0
        ).importances_mean
    return areas, [FEATURES[n] for n in np.argsort(importance)[::-1][:3]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--per-subject", type=int, default=4)
    parser.add_argument("--patches", type=int, default=150)
    parser.add_argument("--draws", choices=get_args(Draws), nargs="+", default=["usual", "world"])
    options = parser.parse_args()
    predictor = registry.load()
    print(
        "| preset | draws | real scans (subjects) | AUC, mean (folds) | most telling features |\n"
        "|---|---|---|---|---|"
    )
    for preset, suffix in (("t1w", "T1w"), ("t2w", "T2w"), ("flair", "FLAIR")):
        scans = list(real_images(options.data, suffix, predictor))
        real = table(iter(scans), options.patches)
        for draws in options.draws:
            images = made_images(options.data, options.cache, preset, options.per_subject, draws)
            areas, features = judged(real, table(images, options.patches))
            folds = ", ".join(f"{a:.2f}" for a in areas)
            print(
                f"| {preset} | {draws} | {len(scans)} ({len(set(real[1]))}) | {np.mean(areas):.2f} ({folds}) "
                f"| {', '.join(features)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
