"""What translators make of scans that they never saw, beside a mean and a table of intensities.

    python bench/translation.py heads DATA -o runs/translation  # T1w to made-up T2w and CT, IXI
    python bench/translation.py spine DATA -o runs/translation  # T1w to T2w of one spine
    python bench/translation.py patients DATA -o runs/translation   # T1w to FLAIR, leave one out
    python bench/translation.py table -o runs/translation           # means with intervals of all that is done

DATA is the folder with `ixi`, `spine` and `patients`. Every case is a row of `translation.csv`; what is done
is not done again, but for another number of `--steps`. Sizes are reduced, so that a method learns in a few
minutes of one core. Misregistration of m turns the source by m degrees about a random axis and shifts it by m
mm in a random direction, in training alone; `--draws 3` draws it, and the errors of landmarks, three times,
with rows of their own. Intervals are over subjects, whose draws are averaged first; those of the spine are
over slices of one person. `sanum translate evaluate` measures a model file in the same way.
"""

import argparse
import csv
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

import sanum
from sanum.data.pairs import ScanPair
from sanum.evaluation.tasks.translation.baselines import BASELINES, LevelTally
from sanum.metrics.statistics import mean_over_subjects
from sanum.metrics.translation import translation_errors
from sanum.scan import Scan, read
from sanum.space.grid import Grid, apply_affine, at_spacing
from sanum.space.landmarks import rigid_of_points, turn_about_deg, vertebra_points
from sanum.space.register import resample_affine
from sanum.space.resample import resample
from sanum.synth.contrast import apply_contrast, draw_contrast
from sanum.synth.labels import SCHEMES, read_canonical
from sanum.synth.subjects import ixi_pairs

NUMBERS = ("psnr", "ssim", "mae", "dice", "dice_thin")
TRAINED, TESTED, SLICES = 10, 6, 40
SHARE = {"regression": 1.0, "pix2pix": 0.5, "cut": 0.5, "cut-paired": 0.5, "ddim": 1.0, "syndiff": 0.5}
"""Steps of a method in units of `--steps`: about the same CPU time for each."""


def scan_of(voxels, grid, contrast):
    return Scan(np.asarray(voxels, np.float32), grid.affine, contrast=contrast, contrast_by="user")


def heads(data, target):
    """Pairs of IXI subjects: their own T1w as scanned, and an image that our generator makes of it."""
    preset, unit = ("t2w", 1000.0) if target == "T2w" else ("ct", 80.0)
    pairs = []
    for n, (t1w, labels) in enumerate(ixi_pairs(data / "ixi")[: TRAINED + TESTED]):
        (values, affine), (parts, _) = read_canonical(t1w), read_canonical(labels)
        box = middle_of_brain(parts > 0)
        values, parts = values[box].astype(np.float32), parts[box]
        brain = ndimage.binary_closing(parts > 0, iterations=2)
        means = np.percentile(values[parts > 0], (3, 35, 80))  # fluid, grey and white matter, about
        image, means = values / means[2], means / means[2]
        rng = np.random.default_rng(11)  # one protocol for all; texture and noise are each subject's own
        params = replace(draw_contrast(rng, preset, means), seed=n, widths=(0.03,) * 4)
        groups = SCHEMES["dlmuse"].group_of(parts)
        made = apply_contrast(image, brain.astype(np.float32), groups, means, params, 2.0)
        made = unit * (made + np.random.default_rng(n).normal(0, 0.02, made.shape))
        name, grid = t1w.name.partition("_")[0], Grid(values.shape, affine)
        pair = ScanPair(name, name, scan_of(values, grid, "T1w"), scan_of(made, grid, target))
        pairs.append((pair, brain))
    between = unit * (params.tissue[0] + params.tissue[1]) / 2  # fluid and grey matter
    return pairs[:TRAINED], pairs[TRAINED:], between


def middle_of_brain(brain, margin=2):
    """Box of a mask, of its middle 40 slices."""
    ends = [np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {a})))[[0, -1]] for a in range(3)]
    box = [slice(max(0, low - margin), high + 1 + margin) for low, high in ends]
    middle = int(ends[2].mean())
    return box[0], box[1], slice(middle - SLICES // 2, middle + SLICES // 2)


def spine(data):
    """Sagittal slices of one person: two blocks of five are tested, their neighbours left out."""
    folder = data / "spine"
    t1w, t2w = (read(folder / f"{name}.nii.gz") for name in ("10_DzZ_T1", "11_DzZ_T2"))
    t1w, t2w = (scan_of(s.voxels, s.grid, c) for s, c in ((t1w, "T1w"), (t2w, "T2w")))
    depth = t1w.voxels.shape[2]
    tested = [*range(15, 20), *range(30, 35)]
    near = {n + k for n in tested for k in (-1, 0, 1)}
    return t1w, t2w, [n for n in range(depth) if n not in near], tested


def moved(scan, world):
    """The scan, moved by a rigid map of the world about the middle of its grid."""
    about = np.eye(4)
    about[:3, 3] = scan.grid.centre_mm
    there = about @ world @ np.linalg.inv(about)
    return scan.with_voxels(resample_affine(scan.voxels, scan.grid, scan.grid, np.linalg.inv(there)))


def drawn_rigid(rng, amount):
    """A turn of `amount` degrees about a random axis, and a shift of as many mm in a random direction."""
    axis, way = rng.normal(size=(2, 3))
    world = np.eye(4)
    world[:3, :3] = Rotation.from_rotvec(np.radians(amount) * axis / np.linalg.norm(axis)).as_matrix()
    world[:3, 3] = amount * way / np.linalg.norm(way)
    return world


def answers(method, train, tests, settings, folder):
    """Images for each test pair, and CPU seconds of learning and of one scan."""
    start = time.process_time()
    if method in BASELINES:
        tallies = [LevelTally.of(p.source, p.target, p.source.contrast) for p in train]
        tally = sum(tallies[1:], tallies[0])
        made = tally.mean_target if method == BASELINES[0] else tally.by_table
        for pair in tests:
            yield made(pair.source, pair.source.contrast), 0, 0
        return
    translator = sanum.load(method).with_settings(*settings)
    with tempfile.TemporaryDirectory(dir=folder) as run:
        translator.fit(train, folder=Path(run) / "run")
    learned = time.process_time() - start
    for pair in tests:
        start = time.process_time()
        made = translator.translate(pair.source, samples=1)
        yield made.image.voxels, learned, time.process_time() - start


def small(method):
    """Networks of half the recipes' width."""
    nets = {"regression": ("widths=8,8,16,32,32,8",), "cut": ("design=8,3,1", "judge=16,2", "head=32")}
    nets["pix2pix"] = (*nets["regression"], "judge=16,2")
    nets["ddim"] = ("widths=8,16,32", "sampler_steps=10")
    nets["syndiff"] = ("widths=8,16,32", "translator=8,8,16,32,32,8", "judge=16,2")
    return nets.get(method.partition("-")[0], ())


class Store:
    """Rows of a CSV file, written as they are made; rows of before lack the newer columns."""

    def __init__(self, path):
        self.path = path
        self.rows = list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []

    def has(self, about):
        """Whether a method was measured under these conditions."""
        return any(all(row.get(k, "") == str(v) for k, v in about.items()) for row in self.rows)

    def add(self, rows):
        """Keep rows."""
        self.rows += [{k: str(v) for k, v in row.items()} for row in rows]
        columns = list(dict.fromkeys(k for row in self.rows for k in row))
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)


def measured(store, about, train, tests, score, settings, folder):
    """Rows of one method under one condition."""
    if store.has(about):
        return
    rows = []
    for (pair, where), (image, learned, seconds) in zip(
        tests, answers(about["method"], train, [p for p, _ in tests], settings, folder), strict=True
    ):
        for case, numbers in score(pair, where, image):
            rows.append(
                {**about, "case": case, **numbers, "fit_s": round(learned, 1), "apply_s": round(seconds, 2)}
            )
    store.add(rows)
    mean = {k: np.nanmean([row[k] for row in rows]) for k in NUMBERS}
    print(about, {k: round(float(v), 3) for k, v in mean.items()}, rows[0]["fit_s"], flush=True)


def whole_score(threshold, side, data_range):
    def score(pair, where, image):
        errors = translation_errors(
            image, pair.target.voxels, where, data_range=data_range, threshold=threshold, side=side
        )
        yield pair.name, vars(errors)

    return score


def condition(args, of, method, *, moved=0, landmarks="", draw=0):
    """What tells rows apart, beside the case."""
    steps = steps_of(args, method)
    return {"set": of, "method": method, "moved": moved, "landmarks": landmarks, "steps": steps, "draw": draw}


def moved_pairs(pairs, amount, draw):
    """Pairs whose sources are moved by `amount` mm and degrees, each in its own direction."""
    rng, out = np.random.default_rng(5 + 1000 * draw), []
    for pair in pairs:
        world = drawn_rigid(rng, 1.0)
        turn = Rotation.from_matrix(world[:3, :3]).as_rotvec() * amount
        scaled = np.eye(4)
        scaled[:3, :3], scaled[:3, 3] = Rotation.from_rotvec(turn).as_matrix(), world[:3, 3] * amount
        out.append(replace(pair, source=moved(pair.source, scaled)))
    return out


def run_heads(args, store):
    for target, side, reach in (("T2w", "above", 1000.0), ("CT", "below", 80.0)):
        if target not in args.sets:
            continue
        train, tests, threshold = heads(args.data, target)
        plain, score = [p for p, _ in train], whole_score(threshold, side, reach)
        for amount in (0, 2, 4, 8) if target == "T2w" else (0,):
            for draw in range(args.draws if amount else 1):
                pairs = moved_pairs(plain, amount, draw) if amount else plain
                for method in args.both if amount else args.methods:
                    about = condition(args, f"heads T1w to {target}", method, moved=amount, draw=draw)
                    more = ["ct_range=-20,140"] if target == "CT" else []
                    settings = [*settings_of(args, method), *more]
                    measured(store, about, pairs, tests, score, settings, args.output)


def run_spine(args, store):
    t1w, t2w, kept, tested = spine(args.data)
    labels = read(args.data / "spine" / "10_DzZ_T1_vb.nii.gz").voxels
    body = ndimage.binary_fill_holes(t1w.voxels > 20)

    seen = [
        scan_of(s.voxels[..., tested], Grid((*s.voxels.shape[:2], len(tested)), s.affine), s.contrast)
        for s in (t1w, t2w)
    ]

    def score(pair, where, image):
        for k, n in enumerate(tested):
            one = tuple(x[..., k] for x in (image, pair.target.voxels, where))
            yield f"slice {n}", vars(translation_errors(*one, data_range=160.0, threshold=100.0))

    tests = [(ScanPair("spine", "one", *seen), body[..., tested])]
    for points, landmarks in enumerate(("", "one point", "two points")):
        for draw in range(args.draws if points else 1):
            source = t1w
            if points:
                source, note = misregistered(t1w, labels, points, draw)
                print(landmarks, draw, note, flush=True)
            parts = [
                ScanPair(
                    f"slice {n}",
                    "one",
                    *(scan_of(s.voxels[..., n : n + 1], s.grid, s.contrast) for s in (source, t2w)),
                )
                for n in kept
            ]
            for method in args.both if points else args.methods:
                about = condition(args, "spine T1w to T2w", method, landmarks=landmarks, draw=draw)
                settings = [*settings_of(args, method), "plane=sagittal"]
                measured(store, about, parts, tests, score, settings, args.output)


def misregistered(t1w, labels, points, draw):
    """The T1w as landmarks lay it: all points are set with an error of 1 mm, once in each scan."""
    rng = np.random.default_rng(2 + 1000 * draw)
    centres = np.concatenate(list(vertebra_points(labels, t1w.affine, per_vertebra=1).values()))
    behind = np.array([0, -45.0, 0])
    along = np.linalg.svd(centres - centres.mean(0))[2][0]
    # a straight column, as in the finding: the bodies of this one lie in an arc, which would help one point
    straight = centres.mean(0) + np.outer((centres - centres.mean(0)) @ along, along)
    both = straight if points == 1 else np.concatenate([straight, straight + behind])
    p, q = (both + rng.normal(0, 1, both.shape) for _ in range(2))
    fit = rigid_of_points(p, q, least_off_mm=0)
    note = (
        f"turned by {turn_about_deg(fit.world, along):.1f}° about the column, residual {fit.mean_mm:.2f} mm"
    )
    away = np.linalg.norm(apply_affine(fit.world, centres + behind) - (centres + behind), axis=1)
    values = resample_affine(t1w.voxels, t1w.grid, t1w.grid, np.linalg.inv(fit.world))
    return t1w.with_voxels(values), f"{note}, spinous processes {away.mean():.1f} mm away"


def run_patients(args, store):
    found = []
    for name, pattern in (
        ("sub-glioma1", "sub-glioma1_space-SRI24_desc-brain"),
        ("sub-glioma2", "sub-glioma2_desc-brain"),
        ("sub-ms1", "sub-ms1_desc-brain"),
        ("sub-stroke1", "sub-stroke1_desc-brain"),
    ):
        scans, box = [], None
        for contrast in ("T1w", "FLAIR"):
            scan = read(
                args.data / "patients" / name / "anat" / f"{pattern}_{contrast}.nii.gz", contrast=contrast
            )
            grid = at_spacing(scan.grid, 2.0)
            values = resample(np.clip(scan.voxels, 0, None), scan.grid, grid)
            box = box or middle_of_brain(values > 0.05 * values.max())
            values = values[box] / np.percentile(values[values > 0], 75)  # scanners have units of their own
            scans.append(scan_of(500 * values, grid.part(box), contrast))
        found.append((ScanPair(name, name, *scans), scans[0].voxels > 25))
    for method in args.methods:
        for out in range(len(found)):
            train = [p for n, (p, _) in enumerate(found) if n != out]
            about = condition(args, "patients T1w to FLAIR", method, landmarks=found[out][0].name)
            score = whole_score(250.0, "below", 1000.0)
            measured(store, about, train, [found[out]], score, settings_of(args, method), args.output)


def steps_of(args, method):
    """Steps of the training; of a baseline none."""
    if method in BASELINES:
        return 0
    share = SHARE.get(method.removesuffix("-3d"), 1.0)
    return round(args.steps * share * (0.35 if method.endswith("-3d") else 1))


def settings_of(args, method):
    if method in BASELINES:
        return []
    volumes, steps = method.endswith("-3d"), steps_of(args, method)
    size = [] if volumes else [f"batch_size={2 if method.startswith('cut') else 4}", "overlap=0.1"]
    return [
        f"loop.steps={steps}",
        "loop.warmup=20",
        "loop.save_every=100000",
        "samples=1",
        *size,
        *small(method),
    ]


def print_table(store):
    """Means with 95 % intervals over cases; the draws of a case are one to them."""
    print("intervals: over subjects; of the spine over slices of one person, which tell nothing of others")
    groups = {}
    for r in store.rows:
        landmarks = r["landmarks"] if "point" in r["landmarks"] else ""  # else who was left out
        key = r["set"], r["moved"], r["method"], landmarks, r.get("steps") or "steps not told"
        groups.setdefault(key, []).append(r)
    for key, rows in groups.items():
        cells = []
        for name, digits in (("psnr", 1), ("ssim", 3), ("mae", 1), ("dice", 2), ("dice_thin", 2)):
            mean = mean_over_subjects([float(r[name]) for r in rows], [r["case"] for r in rows])
            cells.append(mean.text(digits))
        times = [np.mean([float(r[k]) for r in rows]) for k in ("fit_s", "apply_s")]
        draws = len({r.get("draw") or "0" for r in rows})
        count = f"{len(rows)} rows, {draws} draw{'s' * (draws > 1)}"
        print(" | ".join([*key, *cells, f"{times[0]:.0f}", f"{times[1]:.1f}", count]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("heads", "spine", "patients", "table"))
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800, help="of regression; others take a share")
    parser.add_argument("--methods", default="mean target,intensity table,regression,pix2pix,cut,cut-paired")
    parser.add_argument("--misaligned", default="regression", help="methods that moved pairs are tried with")
    parser.add_argument("--draws", type=int, default=1, help="of misregistration and landmarks")
    parser.add_argument("--sets", default="T2w,CT", help="targets of heads")
    args = parser.parse_args()
    args.methods = args.methods.split(",")
    args.both = [method for method in args.methods if method in args.misaligned.split(",")]
    args.output.mkdir(parents=True, exist_ok=True)
    store = Store(args.output / "translation.csv")
    if args.what == "table":
        print_table(store)
    else:
        {"heads": run_heads, "spine": run_spine, "patients": run_patients}[args.what](args, store)


if __name__ == "__main__":
    main()
