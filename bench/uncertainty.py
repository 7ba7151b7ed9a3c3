"""How wide the network's error must be to mean what it says: learned for any weights, and measured.

`learn` fits `sanum.healthy.calibration.Calibration` so that 80 % of the voxels of healthy tissue lie within
the 80 % bound of the Laplace law, b·ln 5: on made scans of training heads, on T1w of people that the network
was trained on, and on the aligned contrasts of patients against their own T1w, outside of the lesion; each
contrast weighs made and real ones alike. `--write` puts it into a copy of the weights. `table` measures it on
held-out people, on made scans of held-out heads, and on each patient with what the others teach
(leave-one-out). The weights need their rule first (`bench/witnesses.py`). What the network
says is kept in --cache.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from scipy import optimize

from real_anatomy import own_t1w
from real_cases import real_cases
from sanum.data.split import split_masks, split_subjects
from sanum.evaluation import Case
from sanum.evaluation.tasks.anatomy.task import heads
from sanum.healthy.calibration import FARTHEST, KEY, Calibration, to_header
from sanum.healthy.network import network
from sanum.healthy.reconstruction import reconstruct
from sanum.healthy.residual import own_contrast_residual
from sanum.methods.anatomy.una.predict import UnaPredictor
from sanum.metrics.calibration import coverage
from sanum.scan.contrast import CT_WINDOW_HU
from sanum.synth.anatomy import prepare
from sanum.synth.bias import correct_bias
from sanum.synth.box import DEFAULT_BOX, DEFAULT_GRID
from sanum.synth.contrast import CALLED, Preset
from sanum.synth.generator import apply_sample, draw_sample
from sanum.weights.file import load_weights, save_weights
from sanum.weights.store import resolve, write_digest
from witness_cases import maps_in_pose, name_of

SEED = 80  # of made scans; trainings have others
LEVEL = 0.8
VOXELS = 10_000  # of each scan
PRESETS: tuple[Preset, ...] = ("t1w", "t2w", "flair", "ct", "pd", "dwi", "adc", "t1ce", "free")
TAUGHT, UNSEEN = 6, 4  # made scans of each preset
CALIBRATION = slice(0, 50, 5)  # of the people that the networks were trained on: ten
Kind = Literal["made", "unseen", "people", "held-out", "patients"]


@dataclass(frozen=True, eq=False)
class Errors:
    """Voxels of healthy tissue in one scan.

    Parameters
    ----------
    kind : str
        Where it is from.
    group : str
        The person.
    contrast : str
        What the network was told.
    scale, error : (N,) float32
        b as the network says it, and how far the anatomy is off.
    scatter : float
        Of the scan around its anatomy.
    """

    kind: Kind
    group: str
    contrast: str
    scale: np.ndarray
    error: np.ndarray
    scatter: float

    def covered(self, calibration: Calibration | None) -> float:
        """Share of voxels within the bound."""
        times = 1.0 if calibration is None else calibration.times(self.contrast, self.scatter)
        return coverage(self.error, self.scale * np.float32(times), (LEVEL,))[0]


def kept(path: Path, make: Iterator[Errors]) -> Errors:
    """From the cache, or made."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".part").open("wb") as file:
            np.savez_compressed(file, **vars(next(make)))
        path.with_suffix(".part").rename(path)
    with np.load(path) as data:
        return Errors(**{k: data[k].item() if data[k].ndim == 0 else data[k] for k in data.files})


def some(where: np.ndarray) -> np.ndarray:
    """Voxels of a mask by their flat index, at random."""
    rows = np.flatnonzero(where)
    return np.random.default_rng(0).choice(rows, min(VOXELS, rows.size), replace=False)


def made(
    kind: Kind, preset: Preset, n: int, options: argparse.Namespace, net: UnaPredictor
) -> Iterator[Errors]:
    """One made scan in a pose that is known."""
    held = kind == "unseen"
    people, masks = split_subjects(options.data)[held], split_masks(options.data)[held]
    rng = np.random.default_rng([SEED, held, PRESETS.index(preset), n])
    anatomy = prepare(*people[int(rng.integers(len(people)))], options.anatomies)
    params = draw_sample(rng, anatomy, masks, preset=preset, draws="world", spacing_mm=DEFAULT_BOX.spacing_mm)
    sample, told = apply_sample(anatomy, params, box=DEFAULT_BOX.grid()), CALLED[preset]
    maps = maps_in_pose(net, np.stack(sample.image), sample.to_atlas, told)
    image = sample.image[0] * np.float32(CT_WINDOW_HU[1] if preset == "ct" else 1)
    heard = own_contrast_residual(image, maps.t1w, sample.brain, DEFAULT_GRID.spacing_mm, ct=preset == "ct")
    rows = some(sample.brain & ~sample.lesion)
    error = (maps.t1w - sample.t1w).ravel()[rows]
    yield Errors(kind, anatomy.name, told, maps.uncertainty.ravel()[rows], error, heard.scatter)


def real(kind: Kind, case: Case, t1w: Case, net: UnaPredictor) -> Iterator[Errors]:
    """One real scan against the person's own T1w."""
    result = reconstruct(case.scan, predictor=net, contrast=case.contrast)
    there = result if case is t1w else reconstruct(t1w.scan, predictor=net, contrast="T1w")
    brain = np.asarray(there.brain.voxels) > 0
    own = own_t1w(t1w, brain, correct_bias(np.asarray(there.scan.voxels, np.float32), there.scan.grid, brain))
    rows = some(own.where & (np.asarray(result.brain.voxels) > 0))
    anatomy = np.asarray(result.anatomy.voxels)
    heard = result.witnesses and result.witnesses.heard
    if heard is None:
        raise SystemExit(f"{net.weights_name} has no rule of the two witnesses: learn it first")
    scale = np.asarray(result.uncertainty.voxels).ravel()[rows]
    error = (anatomy - own.t1w).ravel()[rows]
    yield Errors(kind, case.subject, case.contrast, scale, error, heard.residual.scatter)


def all_of(options: argparse.Namespace, net: UnaPredictor, kinds: Sequence[Kind]) -> Iterator[Errors]:
    """Every scan of these kinds."""
    cache = options.cache / name_of(net)
    for kind in kinds:
        if kind in ("made", "unseen"):
            for preset in PRESETS:
                for n in range(TAUGHT if kind == "made" else UNSEEN):
                    yield kept(cache / f"{kind}-{preset}-{n}.npz", made(kind, preset, n, options, net))
        elif kind == "people":
            for t1w, _ in split_subjects(options.data)[0][CALIBRATION]:
                name = t1w.name.split("_")[0]
                case = Case("ixi", name, name, "T1w", name, t1w, healthy=True)
                yield kept(cache / f"people-{name}.npz", real(kind, case, case, net))
        else:
            cases = [c for c in real_cases(options.data, options.cache / "masks") if c.data != "old"]
            for head in heads(cases):
                t1w_ = next((c for c in head if c.contrast == "T1w"), None)
                if t1w_ is None or (t1w_.healthy != (kind == "held-out")):
                    continue
                if not t1w_.healthy and t1w_.lesion is None:
                    continue
                for case in head:
                    yield kept(cache / f"{kind}-{case.name}.npz", real(kind, case, t1w_, net))


def learn(scans: Sequence[Errors]) -> Calibration:
    """Least pinball loss of log(|error| / (b ln 5)) at 0.8; made and real ones of a contrast weigh alike."""
    contrasts = sorted({s.contrast for s in scans} | {"unknown"})
    usual = {
        c: float(np.median([s.scatter for s in scans if s.contrast == c and s.kind == "made"]))
        for c in contrasts
    }
    neutral = Calibration(dict.fromkeys(contrasts, 1.0), usual, 0.0)
    y, x, which, weight = [], [], [], []
    for s in scans:
        alike = [t for t in scans if t.contrast == s.contrast and (t.kind == "made") == (s.kind == "made")]
        ok = s.scale > 0
        y.append(np.log(np.maximum(np.abs(s.error[ok]), 1e-4) / (s.scale[ok] * np.log(1 / (1 - LEVEL)))))
        beyond = float(np.clip(neutral.beyond(s.contrast, s.scatter), 1 / FARTHEST, FARTHEST))
        x.append(np.full(ok.sum(), np.log(beyond)))
        which.append(np.full(ok.sum(), contrasts.index(s.contrast)))
        weight.append(np.full(ok.sum(), 1 / (ok.sum() * len(alike))))
    yy, xx, ww, cc = (np.concatenate(v) for v in (y, x, weight, which))

    def factors(slope: float) -> np.ndarray:
        return np.array(
            [weighted_quantile((yy - slope * xx)[cc == i], ww[cc == i]) for i in range(len(contrasts))]
        )

    def loss(slope: float) -> float:
        rest = yy - slope * xx - factors(slope)[cc]
        return float(ww @ np.where(rest > 0, LEVEL * rest, (LEVEL - 1) * rest))

    slope = round(
        float(optimize.minimize_scalar(loss, bounds=(0, 2), method="bounded", options={"xatol": 0.02}).x), 2
    )
    found = {c: round(float(np.exp(a)), 2) for c, a in zip(contrasts, factors(slope), strict=True)}
    return replace(neutral, factor=found, usual={c: round(v, 3) for c, v in usual.items()}, slope=slope)


def weighted_quantile(values: np.ndarray, weights: np.ndarray) -> float:
    """Below which `LEVEL` of the weight lies."""
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(share, LEVEL * share[-1])])


def table(options: argparse.Namespace, net: UnaPredictor) -> None:
    """Print the share of voxels within the 80 % bound, by kind and contrast."""
    taught = list(all_of(options, net, ("made", "people", "patients")))
    print("| scans | contrast | n | scatter over usual | before | after |\n|---|---|---|---|---|---|")
    rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for s in (*all_of(options, net, ("unseen", "held-out")), *(t for t in taught if t.kind == "patients")):
        rule = learn([t for t in taught if t.kind != "patients" or t.group != s.group])
        key = s.kind, s.contrast
        rows.setdefault(key, []).append(
            (rule.beyond(s.contrast, s.scatter), s.covered(None), s.covered(rule))
        )
        if s.kind != "unseen":
            print(
                f"| {s.group} | {s.contrast} | 1 | {' | '.join(f'{v:.2f}' for v in rows[key][-1])} |",
                flush=True,
            )
    for (kind, contrast), values in rows.items():
        cells = " | ".join(f"{v:.2f}" for v in np.mean(values, axis=0))
        print(f"| {kind} | {contrast} | {len(values)} | {cells} |")


def write(weights: str, out: Path, calibration: Calibration) -> None:
    """A copy of the weights with this calibration."""
    state, description = load_weights(resolve(weights))
    kept_as = {k: v for k, v in description.items() if k not in ("format", KEY)}
    write_digest(out, save_weights(out, state, **kept_as, **{KEY: to_header(calibration)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("learn", "table"))
    parser.add_argument("--weights", default="una-compact")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/uncertainty"))
    parser.add_argument("--anatomies", type=Path, default=Path("runs/cache"), help="prepared heads")
    parser.add_argument("--write", type=Path, help="a copy of the weights with the calibration (learn)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    net = network(weights=options.weights, device="cpu")
    net.calibration = None  # what the network says by itself
    if options.what == "table":
        table(options, net)
        return
    calibration = learn(list(all_of(options, net, ("made", "people", "patients"))))
    print(calibration)
    if options.write:
        write(options.weights, options.write, calibration)


if __name__ == "__main__":
    main()
