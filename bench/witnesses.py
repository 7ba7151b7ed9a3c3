"""The two witnesses of the anomaly map, and their rule: learned for any weights, and measured on real scans.

`learn` fits `sanum.healthy.rule.Rule` to made scans of training heads with training lesions that the network
has been through, under seeds that no training has; the shift of each contrast is split conformal, of healthy
people (T1w) or of healthy made scans (T2w, FLAIR, CT) that the rule has not seen. No patient teaches it.
`--write` puts the rule into a copy of the weights. `table` measures the rule of given weights on patients, on
old people and on healthy people, who only measure. What the network says is kept in --cache.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from rule_fit import learn, with_promises
from sanum.data.split import split_subjects
from sanum.healthy.network import network
from sanum.healthy.rule import KEY, Rule, rule_of, to_header
from sanum.methods.anatomy.una.predict import UnaPredictor
from sanum.synth.contrast import Preset
from sanum.weights.file import load_weights, save_weights
from sanum.weights.store import resolve, write_digest
from witness_cases import Case, Kind, kept, made_scan, name_of, real_scan

PATIENTS = {  # scans, and where their lesions are
    "sub-ms1": ("patients/sub-ms1/anat/*_desc-brain_*.nii.gz", "*_desc-lesion_mask.nii.gz"),
    "sub-glioma1": ("patients/sub-glioma1/anat/*_desc-brain_*.nii.gz", "*_desc-tumour_dseg.nii.gz"),
    "sub-glioma2": ("patients/sub-glioma2/anat/*_desc-brain_*.nii.gz", "*_desc-tumour_dseg.nii.gz"),
    "sub-stroke2": ("patients/sub-stroke2/anat/*_T2w.nii.gz", "*_desc-lesion_mask.nii.gz"),
    "sub-old1": ("old/sub-old1/anat/*_FLAIR.nii.gz", "*_desc-lesion_dseg.nii.gz"),
    "sub-old2": ("old/sub-old2/anat/*_FLAIR.nii.gz", "*_desc-lesion_dseg.nii.gz"),
}
HEALTHY = ("normal/*_T1w.mgz", "heads-1mm/*_T1w.nii.gz", "old/*/anat/*_T1w.nii.gz")
CALIBRATION = slice(0, 50, 5)  # of the people that the networks were trained on: ten
MADE: tuple[Preset, ...] = (
    *("flair", "t2w", "t1w", "ct", "flair", "t2w", "t1w", "pd"),
    *("t2w", "flair", "t1w", "free", "flair", "t1w", "t2w", "dwi"),
)
MADE_HEALTHY: tuple[Preset, ...] = ("t2w", "flair", "ct")
COUNTS: dict[Kind, int] = {"made": 32, "healthy": 27, "unseen": 16}
THRESHOLDS = np.linspace(0.01, 0.99, 99)


def made(kind: Kind, data: Path, cache: Path, anatomies: Path, predictor: UnaPredictor) -> Iterator[Case]:
    """Made scans of a kind, see `made_scan`."""
    presets = MADE_HEALTHY if kind == "healthy" else MADE
    for n in range(COUNTS[kind]):
        preset = presets[n % len(presets)]
        make = partial(made_scan, n, kind, preset, data, anatomies, predictor)
        yield kept(cache, f"{kind}-{n:03d}", make)


def patients(data: Path, cache: Path, predictor: UnaPredictor) -> Iterator[Case]:
    """Scans with known lesions."""
    for group, (scans, lesions) in PATIENTS.items():
        for f in sorted(data.glob(scans)):
            if "_desc-lesion" not in f.name:
                lesion = next(f.parent.glob(lesions))
                yield kept(cache, f.name.split(".")[0], partial(real_scan, f, group, lesion, predictor))


def people(cache: Path, predictor: UnaPredictor, files: Sequence[Path]) -> Iterator[Case]:
    """Scans of healthy or old people."""
    for f in files:
        yield kept(cache, f.name.split(".")[0], partial(real_scan, f, "", None, predictor))


def row(case: Case, rule: Rule | None) -> str:
    """One line of the table of lesions: best Dice, and that of the mask in brackets."""
    sign = -1 if case.contrast == "T1w" else 1
    image, z = sign * case.image, case.z
    both = case.p if rule is None else case.both(rule)
    half, three = np.array([0.5]), np.array([3.0])
    cells = [
        f"{np.nanmax(case.dice(case.p, THRESHOLDS)):.2f} ({case.dice(case.p, half)[0]:.2f})",
        f"{np.nanmax(case.dice(z, np.linspace(0.25, 12, 48))):.2f} ({case.dice(z, three)[0]:.2f})",
        f"{np.nanmax(case.dice(both, THRESHOLDS)):.2f} ({case.dice(both, half)[0]:.2f})",
        f"{np.nanmax(case.dice(image, np.percentile(image, np.linspace(50, 99.9, 100)))):.2f}",
    ]
    ml = (int(case.lesion.sum()) + case.missed) * case.voxel_ml
    return f"| {case.name} {case.contrast or 'unknown'} | {ml:.1f} | {' | '.join(cells)} |"


def false_row(case: Case, rule: Rule | None) -> str:
    """One line of the table of people without known lesions."""
    both = case.p if rule is None else case.both(rule)
    volumes = case.ml(case.p, 0.5), case.ml(case.z, 3.0), case.ml(both, 0.5)
    return f"| {case.name} | {' | '.join(f'{v:.2f}' for v in volumes)} |"


def table(data: Path, cache: Path, anatomies: Path, predictor: UnaPredictor, rule: Rule | None) -> None:
    """Print both tables: patients and made scans of held-out heads; then people without known lesions."""
    print("| scan | mL | network | residual (z 3) | both | intensity |\n|---|---|---|---|---|---|")
    for case in patients(data, cache, predictor):
        print(row(case, rule), flush=True)
    for case in made("unseen", data, cache, anatomies, predictor):
        if case.lesion.any():
            print(row(case, rule), flush=True)
    files = [t1w for t1w, _ in split_subjects(data)[1]] + [f for g in HEALTHY for f in sorted(data.glob(g))]
    print("\n| healthy, or old | network mL | residual mL, z 3 | both mL |\n|---|---|---|---|")
    for case in people(cache, predictor, files):
        print(false_row(case, rule), flush=True)


def write(weights: str, out: Path, rule: Rule) -> None:
    """A copy of the weights with this rule."""
    state, description = load_weights(resolve(weights))
    kept_as = {k: v for k, v in description.items() if k not in ("format", KEY)}
    write_digest(out, save_weights(out, state, **kept_as, **{KEY: to_header(rule)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("learn", "table"))
    parser.add_argument("--weights", default="una-compact")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/witnesses"))
    parser.add_argument("--anatomies", type=Path, default=Path("runs/cache"), help="prepared heads")
    parser.add_argument("--write", type=Path, help="a copy of the weights with the rule (learn)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, predictor = options.data, network(weights=options.weights, device="cpu")
    cache = options.cache / name_of(predictor)
    if options.what == "table":
        table(data, cache, options.anatomies, predictor, rule_of(predictor))
        return
    taught = list(made("made", data, cache, options.anatomies, predictor))
    scans = [t1w for t1w, _ in split_subjects(data)[0][CALIBRATION]]
    healthy = list(made("healthy", data, cache, options.anatomies, predictor))
    rule = with_promises(learn(taught), taught, list(people(cache, predictor, scans)), healthy)
    print(rule)
    if options.write:
        write(options.weights, options.write, rule)


if __name__ == "__main__":
    main()
