"""The two witnesses of the anomaly map, and their rule: learned for any weights, and measured on real scans.

`learn` fits `sanum.healthy.witness.Rule` to voxels of made scans (held-out heads and lesions through the
network) and of the DEV patients, and prints it with a threshold of healthy people that it has not seen; each
patient's Dice is of the rule that was learned without that patient. `table` measures the rule that ships. Old
people are measured, never learned from. What the network says is kept in --cache, by weights and scan: only
the first run takes long.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import optimize

from sanum.data.split import split_masks, split_subjects
from sanum.healthy.grids import to_scan_grid
from sanum.healthy.localize import refuse
from sanum.healthy.network import network
from sanum.healthy.postprocess import postprocess
from sanum.healthy.reconstruction import predict
from sanum.healthy.residual import own_contrast_residual
from sanum.healthy.witness import RULE, THRESHOLD, Rule, evidence, fused
from sanum.methods.common.anatomy import Predictor
from sanum.metrics.overlap import dice_curve
from sanum.scan import read
from sanum.scan.conform import Conformed
from sanum.scan.intensity import with_background_at_zero
from sanum.scan.maps import read_map_on
from sanum.synth.anatomy import prepare
from sanum.synth.box import DEFAULT_GRID
from sanum.synth.generator import apply_sample, draw_sample

PATIENTS = {  # scans, and where their lesions are
    "sub-ms1": ("patients/sub-ms1/anat/*_desc-brain_*.nii.gz", "*_desc-lesion_mask.nii.gz"),
    "sub-glioma1": ("patients/sub-glioma1/anat/*_desc-brain_*.nii.gz", "*_desc-tumour_dseg.nii.gz"),
    "sub-glioma2": ("patients/sub-glioma2/anat/*_desc-brain_*.nii.gz", "*_desc-tumour_dseg.nii.gz"),
    "sub-stroke2": ("patients/sub-stroke2/anat/*_T2w.nii.gz", "*_desc-lesion_mask.nii.gz"),
    "sub-old1": ("old/sub-old1/anat/*_FLAIR.nii.gz", "*_desc-lesion_dseg.nii.gz"),
    "sub-old2": ("old/sub-old2/anat/*_FLAIR.nii.gz", "*_desc-lesion_dseg.nii.gz"),
}
HEALTHY = ("normal/*_T1w.mgz", "heads-1mm/*_T1w.nii.gz")
OLD_T1W = ("old/*/anat/*_T1w.nii.gz",)
CALIBRATION = slice(0, 48, 3)  # of the subjects that are not held out
PRESETS = ("t1w", "t2w", "flair", "ct", "flair", "t2w", "t1w", "pd", "flair", "t2w", "t1w", "dwi", "free")
CONTRASTS = {"t1w": "T1w", "t2w": "T2w", "flair": "FLAIR", "ct": "CT", "pd": "PD", "dwi": "DWI"}
VOXELS = 20_000  # of each case, to learn from
AT_Z = 3.0
FEW_ML = 1.0  # of false anomaly that a healthy scan may have
ALPHA = 0.1  # share of healthy scans that may have more


@dataclass(frozen=True, eq=False)
class Case:
    """What both witnesses say of the voxels of a brain; `lesion` is empty of a healthy person.

    `missed` are voxels of the lesion outside of the brain that was found.
    """

    name: str
    group: str
    contrast: str | None
    p: np.ndarray
    z: np.ndarray
    said: np.ndarray
    image: np.ndarray
    lesion: np.ndarray
    missed: int
    voxel_ml: float

    def odds(self, rule: Rule) -> np.ndarray:
        """The probability of both."""
        return fused(self.p, self.z, self.said, self.contrast, rule)

    def dice(self, score: np.ndarray, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
        """Dice at each threshold."""
        truth = np.concatenate([self.lesion, np.ones(self.missed, bool)])
        low = np.full(self.missed, -np.inf, score.dtype)
        return dice_curve(np.concatenate([score, low]), truth, thresholds)

    def ml(self, score: np.ndarray, threshold: float) -> float:
        """Volume above a threshold in mL."""
        return float((score > threshold).sum()) * self.voxel_ml


def kept(cache: Path, key: str, make: Callable[[], Case]) -> Case:
    """The case of a key, from the cache or made."""
    path = cache / f"{key}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **{k: v for k, v in vars(make()).items() if v is not None})
    with np.load(path) as data:
        found = {k: v.item() if v.ndim == 0 else v for k, v in data.items()}
    return Case(**({"contrast": None} | found))


def real_case(path: Path, group: str, lesion: Path | None, predictor: Predictor) -> Case:
    """A real scan on its own grid."""
    scan = read(path)
    conformed, maps, decided = predict(scan, predictor, lambda _: None, refuse)
    there = to_scan_grid(maps, conformed.grid, scan)
    contrast = decided.contrast
    brain = np.asarray(there.brain.voxels) > 0
    image = np.asarray(with_background_at_zero(scan).voxels)
    found = own_contrast_residual(
        image, np.asarray(there.anatomy.voxels), brain, scan.grid.spacing_mm, ct=contrast == "CT"
    )
    truth = np.zeros(brain.shape, bool)
    if lesion is not None:
        truth = np.asarray(read_map_on(lesion, scan.grid, scan=path.name).voxels) > 0
    return Case(
        name=path.name.removesuffix(".gz").rsplit(".", 1)[0],
        group=group,
        contrast=contrast,
        p=np.asarray(there.anomaly.voxels)[brain],
        z=found.z[brain],
        said=found.said[brain],
        image=image[brain].astype(np.float32),
        lesion=truth[brain] if truth.any() else np.zeros(0, bool),
        missed=int((truth & ~brain).sum()),
        voxel_ml=scan.grid.voxel_volume_ml,
    )


def made_case(number: int, data: Path, cache: Path, predictor: Predictor) -> Case:
    """A made scan of a held-out head, on the model grid; every fifth is healthy."""
    subjects = split_subjects(data)[1]
    anatomy = prepare(*subjects[number % len(subjects)], cache / "anatomies")
    preset = PRESETS[number % len(PRESETS)]
    rng = np.random.default_rng([16, number])
    params = draw_sample(
        rng, anatomy, split_masks(data)[1], preset=preset, healthy=1.0 if number % 5 == 4 else 0.0
    )
    sample = apply_sample(anatomy, params)
    conformed = Conformed(sample.image[0], np.ones(sample.brain.shape, bool), DEFAULT_GRID)
    maps = postprocess(predictor(sample.image), conformed)
    brain = maps.brain > 0
    image = sample.image[0] * np.float32(80 if preset == "ct" else 1)
    found = own_contrast_residual(image, maps.t1w, brain, DEFAULT_GRID.spacing_mm, ct=preset == "ct")
    return Case(
        name=f"made-{number:03d}-{preset}",
        group=f"made-{anatomy.name}",
        contrast=CONTRASTS.get(preset),
        p=maps.anomaly[brain],
        z=found.z[brain],
        said=found.said[brain],
        image=image[brain],
        lesion=sample.lesion[brain] if sample.lesion.any() else np.zeros(0, bool),
        missed=int((sample.lesion & ~brain).sum()),
        voxel_ml=DEFAULT_GRID.voxel_volume_ml,
    )


def unlabelled(cache: Path, predictor: Predictor, files: Sequence[Path]) -> list[Case]:
    """Scans of healthy people, or of people whose lesions are not known."""
    folder = cache / predictor.weights_sha256[:8]
    return [kept(folder, f.name.split(".")[0], partial(real_case, f, "", None, predictor)) for f in files]


def patients(data: Path, cache: Path, predictor: Predictor) -> Iterator[Case]:
    """Scans with known lesions."""
    key = predictor.weights_sha256[:8]
    for group, (scans, lesions) in PATIENTS.items():
        for f in sorted(data.glob(scans)):
            lesion = next(f.parent.glob(lesions))
            if "_desc-lesion" in f.name:
                continue
            yield kept(
                cache / key,
                f.name.split(".")[0],
                partial(real_case, f, group, lesion, predictor),
            )


def learn(cases: Sequence[Case]) -> Rule:
    """The rule of least log loss, each case counting alike; bounded, so that it is monotone."""
    rng = np.random.default_rng(0)
    parts = []
    for case in cases:
        lesion = case.lesion if case.lesion.size else np.zeros(case.p.size, bool)
        chosen = rng.choice(case.p.size, min(VOXELS, case.p.size), replace=False)
        parts.append((case, chosen, lesion[chosen]))

    def loss(x: np.ndarray) -> float:
        rule, total = Rule(*x), 0.0
        for case, chosen, lesion in parts:
            q = fused(case.p[chosen], case.z[chosen], case.said[chosen], case.contrast, rule)
            q = np.clip(q.astype(np.float64), 1e-6, 1 - 1e-6)
            total -= float(np.log(np.where(lesion, q, 1 - q)).mean())
        return total / len(parts)

    bounds = [(-8, 0), (0, 2), (0, 3), (0, 2), (0, 3)]
    found = optimize.minimize(loss, astuple(RULE), method="L-BFGS-B", bounds=bounds, options={"maxiter": 40})
    return Rule(*(round(float(v), 2) for v in found.x))


def conformal_threshold(healthy: Sequence[Case], rule: Rule) -> float:
    """The lowest threshold that keeps `FEW_ML` in a new healthy scan with probability 1 − `ALPHA`.

    Split conformal: of each scan the threshold that leaves `FEW_ML`, of those the ⌈(n + 1)(1 − α)⌉th.
    """
    each = []
    for case in healthy:
        most = np.sort(case.odds(rule))[::-1]
        each.append(float(most[min(int(FEW_ML / case.voxel_ml), most.size - 1)]))
    place = int(np.ceil((len(each) + 1) * (1 - ALPHA)))
    if place > len(each):
        raise ValueError(f"{len(each)} healthy scans are too few for alpha {ALPHA}")
    return sorted(each)[place - 1]


def row(case: Case, rule: Rule, threshold: float) -> str:
    """One line of the table of lesions."""
    z, both = evidence(case.z, case.contrast), case.odds(rule)
    sign = -1 if case.contrast == "T1w" else 1
    of_p, of_z = np.linspace(0.01, 0.99, 99), np.linspace(0.25, 12, 48)
    image = sign * case.image
    cells = [
        f"{np.nanmax(case.dice(case.p, of_p)):.2f} ({case.dice(case.p, [0.5])[0]:.2f})",
        f"{np.nanmax(case.dice(z, of_z)):.2f} ({case.dice(z, [AT_Z])[0]:.2f})",
        f"{np.nanmax(case.dice(both, of_p)):.2f} ({case.dice(both, [threshold])[0]:.2f})",
        f"{np.nanmax(case.dice(image, np.percentile(image, np.linspace(50, 99.9, 100)))):.2f}",
    ]
    ml = (int(case.lesion.sum()) + case.missed) * case.voxel_ml
    return f"| {case.name} | {ml:.1f} | {' | '.join(cells)} |"


def false_row(case: Case, rule: Rule, threshold: float) -> str:
    """One line of the table of healthy people."""
    z = evidence(case.z, case.contrast)
    volumes = case.ml(case.p, 0.5), case.ml(z, AT_Z), case.ml(case.odds(rule), threshold)
    return f"| {case.name} | {' | '.join(f'{v:.2f}' for v in volumes)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("learn", "table"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/witnesses"))
    parser.add_argument("--weights")
    parser.add_argument("--made", type=int, default=78)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, cache, predictor = options.data, options.cache, network(weights=options.weights)
    sick = list(patients(data, cache, predictor))
    scans = [t1w for t1w, _ in split_subjects(data)[0][CALIBRATION]]
    calibration = unlabelled(cache, predictor, scans)
    rules = {case.group: RULE for case in sick}
    rule, threshold = RULE, THRESHOLD
    if options.what == "learn":
        key = predictor.weights_sha256[:8]
        made = [
            kept(cache / key, f"made-{n:03d}", partial(made_case, n, data, cache, predictor))
            for n in range(options.made)
        ]
        dev = [case for case in sick if not case.group.startswith("sub-old")]
        rule = learn([*dev, *made])  # the threshold is of healthy people that the rule has not seen
        rules = {
            g: learn([*(c for c in dev if c.group != g), *made]) if g in {c.group for c in dev} else rule
            for g in rules
        }
        threshold = max(conformal_threshold(calibration, rule), 0.5)
        print(f"{rule}\nthreshold {threshold:.2f}: {FEW_ML:g} mL, alpha {ALPHA}, {len(calibration)} scans\n")
        for group, other in rules.items():
            print(f"* without {group}: {other}")
    print("\n| scan | mL | network | residual | both | intensity |\n|---|---|---|---|---|---|")
    for case in sick:
        print(row(case, rules[case.group], threshold), flush=True)
    files = [t1w for t1w, _ in split_subjects(data)[1]] + [f for g in HEALTHY for f in sorted(data.glob(g))]
    files += [f for g in OLD_T1W for f in sorted(data.glob(g))]
    print("\n| healthy, or old | network mL | residual mL | both mL |\n|---|---|---|---|")
    for case in unlabelled(cache, predictor, files):
        print(false_row(case, rule, threshold), flush=True)


if __name__ == "__main__":
    main()
