"""Capture range of distances between two scans: from how far away each finds the way back.

    python bench/registration.py --data DATA -o OUT [--weights mad.safetensors] [--pairs 20] [--seeds 3]

Pairs that lie on each other (or that a registration from their headers has laid so, looked at) are moved
apart by known rigid maps. All descend on the same voxels of 8 mm, from one start, with the same optimizer and
steps; 6 numbers are free. A stopped run goes on.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binomtest

from sanum.files import whole_file
from sanum.methods.common.alignment import align
from sanum.methods.common.alignment_search import CT_WINDOW
from sanum.methods.registration.mad.predict import Mad
from sanum.methods.registration.mad.predict import load as load_mad
from sanum.scan import Scan, read
from sanum.scan.hounsfield import contrast_by_values
from sanum.space.affine import RIGID, matrix_of, mean_displacement_mm, numbers_of
from sanum.space.descend import Resolution, Volume, descend, volume_of
from sanum.space.grid import apply_affine
from sanum.space.similarity import Distance, MutualInformation, NormalizedGradients

LEVEL = Resolution(8.0, 1, 60, 3.0, RIGID)
FOUND_MM = 5.0
"""Mean displacement of the head's points below which the way back was found: less than a voxel."""
BINS = 5
FARTHEST_MM, FARTHEST_DEG = 60.0, 60.0
BATCH = 10
Map = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """Two scans, and the map between them: fixed mm → moving mm."""

    kind: str
    name: str
    fixed: Scan
    moving: Scan
    truth: Map


def cases(data: Path, kept: Path) -> Iterator[Case]:
    """Every pair of every kind; maps that must be found first are kept in a folder."""

    def found_once(name: str, one: Scan, two: Scan, *, rigid: bool) -> Map:
        file = kept / f"{name}.truth.txt"
        if not file.is_file():
            np.savetxt(file, align(one, two, rigid=rigid).world)
        return np.loadtxt(file)

    patients = data / "patients"
    stripped = [
        "sub-ms1/anat/sub-ms1_desc-brain_{}.nii.gz",
        "sub-stroke1/anat/sub-stroke1_desc-brain_{}.nii.gz",
        "sub-glioma1/anat/sub-glioma1_space-SRI24_desc-brain_{}.nii.gz",
        "sub-glioma2/anat/sub-glioma2_desc-brain_{}.nii.gz",
    ]
    raw = [
        "sub-ms2/ses-1/anat/sub-ms2_ses-1_{}.nii.gz",
        "sub-ms3/anat/sub-ms3_{}.nii.gz",
        "sub-glioma1/anat/sub-glioma1_{}.nii.gz",
    ]
    for other in ("T2w", "FLAIR"):
        for form in stripped:
            one, two = (read(patients / form.format(contrast)) for contrast in ("T1w", other))
            name = form.split("/")[0]
            yield Case(f"T1w-{other}, stripped", name, one, two, np.eye(4))
            yield Case("cropped inside the brain", f"{name} {other}", *_cropped(one, two), np.eye(4))
    for form in raw:
        for other in ("T2w", "FLAIR"):
            one, two = (read(patients / form.format(contrast)) for contrast in ("T1w", other))
            name = f"{form.split('/')[0]} {other}"
            yield Case("as scanned", name, one, two, found_once(name, one, two, rigid=True))
    for name in ("template-older", "atlas"):
        ct = contrast_by_values(read(data / f"ct/{name}_desc-brain_ct.nii.gz"))
        t1w = _template()
        yield Case("T1w-CT, templates", name, t1w, *_sized(ct, found_once(name, t1w, ct, rigid=False)))


def _sized(scan: Scan, world: Map) -> tuple[Scan, Map]:
    """A scan as large as the other one, and the turn and shift that are left: all methods move rigidly."""
    smaller = np.diag([*[np.linalg.det(world[:3, :3]) ** (-1 / 3)] * 3, 1.0])
    numbers = torch.tensor(numbers_of(smaller @ world, np.zeros(3), rigid=True))
    rigid = matrix_of(numbers, torch.zeros(3, dtype=torch.float64)).numpy()
    return replace(scan, affine=smaller @ scan.affine, forms=None), rigid


def _template() -> Scan:
    from nilearn.datasets import load_mni152_template

    image = load_mni152_template(resolution=2)
    return Scan(np.asarray(image.dataobj, np.float32), image.affine, contrast="T1w")


def _cropped(one: Scan, two: Scan) -> tuple[Scan, Scan]:
    """Boxes of 96 × 112 × 72 and 112 × 128 × 88 mm about the brain's middle: no outline is left."""
    places = apply_affine(one.affine, np.argwhere(one.voxels > np.percentile(one.voxels, 99) * 0.1)[::97])
    middle = places.mean(0)
    return _box(one, middle, np.array([48.0, 56, 36])), _box(two, middle, np.array([56.0, 64, 44]))


def _box(scan: Scan, middle_mm: Map, half_mm: Map) -> Scan:
    corners = middle_mm + half_mm * np.array([[-1.0], [1.0]])
    index = np.sort(apply_affine(np.linalg.inv(scan.affine), corners), axis=0).round().astype(int)
    index = np.clip(index, 0, np.array(scan.voxels.shape))
    affine = np.array(scan.affine)
    affine[:3, 3] = apply_affine(affine, index[0])
    cut = tuple(slice(a, b) for a, b in index.T)
    return Scan(np.ascontiguousarray(scan.voxels[cut]), affine, contrast=scan.contrast)


def coarse(scan: Scan) -> Volume:
    """On voxels of 8 mm."""
    voxels = np.clip(scan.voxels, *CT_WINDOW) if scan.contrast == "CT" else scan.voxels
    return volume_of(voxels, scan.grid, LEVEL.spacing_mm)


def away(rng: np.random.Generator, bin_: int, centre: Map) -> Map:
    """A rigid map whose shift and turn are both in this bin of mm and degrees."""
    ways = rng.standard_normal((2, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    turn, shift = (bin_ + rng.uniform(size=2)) / BINS * (np.deg2rad(FARTHEST_DEG), FARTHEST_MM)
    turn_mm = ways[0] * turn * 60.0  # `affine.REACH_MM`
    numbers = torch.tensor(np.concatenate([turn_mm, ways[1] * shift, np.zeros(6)]))
    return np.asarray(matrix_of(numbers, torch.tensor(centre)).numpy())


def found(method: str, mad: Mad | None, fixed: Volume, moving: Volume, starts: Map, centre: Map) -> Map:
    """Where a method ends, (B, 4, 4)."""
    middle = torch.tensor(centre, dtype=torch.float32)

    def down(worlds: Map, distance: Distance) -> Map:
        numbers = torch.tensor(
            np.stack([numbers_of(w, centre, rigid=True) for w in worlds]), dtype=torch.float32
        )
        ends, _ = descend(fixed, moving, numbers, middle, distance, LEVEL)
        return np.asarray(matrix_of(ends.double(), middle.double()).numpy())

    if method == "MI":
        return down(starts, MutualInformation())
    if method == "NGF":
        return down(starts, NormalizedGradients())
    assert mad is not None
    if method == "MAD, descended":
        return down(starts, mad)
    own = np.concatenate([mad.approach(fixed, moving, one[None])[0] for one in starts])
    if method == "MAD, own steps":
        return own
    return down(own, MutualInformation())


METHODS = ("MI", "NGF", "MAD, descended", "MAD, own steps", "MAD → MI")
WHOLE = ("register without MAD", "register")
"""`sanum register --rigid` as it is, from headers that are that wrong."""


def whole(case: Case, starts: Map, mad: Mad | None) -> Map:
    """Where `align` ends, (B, 4, 4), if the moving scan's header says what a start says."""
    ends = []
    for start in starts:
        shown = replace(case.moving, affine=np.linalg.inv(start) @ case.moving.affine, forms=None)
        ends.append(start @ align(case.fixed, shown, rigid=True, guide=mad).world)
    return np.stack(ends)


def main() -> None:
    """Measure what is not measured yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--pairs", type=int, default=20, help="starts of each bin, kind and seed")
    parser.add_argument("--kinds", nargs="*", help="default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="*", default=METHODS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    mad = load_mad(weights=given.weights) if given.weights else None
    given.output.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, list[Case]] = {}
    for case in cases(given.data, given.output):
        kinds.setdefault(case.kind, []).append(case)
    jobs = [
        (kind, seed, method)
        for seed in range(given.seeds)
        for kind in given.kinds or kinds
        for method in given.methods
        if mad is not None or method in ("MI", "NGF")
    ]
    begun = time.monotonic()
    for n, (kind, seed, method) in enumerate(jobs):
        file = given.output / f"{kind} {method} {seed}.json".replace(" ", "_").replace("→", "then")
        if not file.is_file():
            rows = measured(kinds[kind], method, mad, seed, given.pairs)
            with whole_file(file) as partial:
                partial.write_text(json.dumps({"kind": kind, "method": method, "seed": seed, "rows": rows}))
        left = (time.monotonic() - begun) / (n + 1) * (len(jobs) - n - 1)
        print(f"[{n + 1}/{len(jobs)}] {kind}, {method}: {left / 60:.0f} min left", flush=True)
    print(report(given.output))


def measured(
    members: list[Case], method: str, mad: Mad | None, seed: int, pairs: int
) -> list[dict[str, float | str]]:
    """Start and end of every pair: the starts are the same for all methods."""
    ready = []
    for case in members:
        fixed, moving = coarse(case.fixed), coarse(case.moving)
        seen = np.argwhere(fixed.image[0, 0].numpy() > 0.1)
        ready.append((case, fixed, moving, apply_affine(fixed.affine, seen)))
    rows: list[dict[str, float | str]] = []
    for bin_ in range(BINS):
        rng = np.random.default_rng([seed, bin_])
        for member in range(len(ready)):
            case, fixed, moving, points = ready[member]
            count = len(range(member, pairs, len(ready)))
            if not count:
                continue
            centre = points.mean(0)
            starts = np.stack([case.truth @ away(rng, bin_, centre) for _ in range(count)])
            begun = time.process_time()
            if method in WHOLE:
                ends = whole(case, starts, mad if method == "register" else None)
            else:
                ends = found(method, mad, fixed, moving, starts, centre)
            spent = (time.process_time() - begun) / count
            before = mean_displacement_mm(starts, case.truth, points)
            after = mean_displacement_mm(ends, case.truth, points)
            rows += [
                {"case": case.name, "bin": bin_, "before": b, "after": a, "seconds": spent}
                for b, a in zip(before.tolist(), after.tolist(), strict=True)
            ]
    return rows


def report(folder: Path) -> str:
    """Success with 95 % intervals (Wilson), and the median displacement at the end."""
    files = [json.loads(f.read_text()) for f in sorted(folder.glob("*.json"))]
    lines = []
    for kind in dict.fromkeys(f["kind"] for f in files):
        lines += ["", f"**{kind}**", "", "| method | " + " | ".join(_bin(b) for b in range(BINS)) + " | s |"]
        lines.append("|---" * (BINS + 2) + "|")
        for method in METHODS + WHOLE:
            rows = [r for f in files if f["kind"] == kind and f["method"] == method for r in f["rows"]]
            if not rows:
                continue
            cells = []
            for b in range(BINS):
                ends = np.array([r["after"] for r in rows if r["bin"] == b])
                hits = int((ends < FOUND_MM).sum())
                low, high = binomtest(hits, len(ends)).proportion_ci(method="wilson")
                cells.append(f"{hits / len(ends):.0%} [{low:.0%}, {high:.0%}], {np.median(ends):.1f} mm")
            spent = np.median([r["seconds"] for r in rows])
            lines.append(f"| {method} | " + " | ".join(cells) + f" | {spent:.1f} |")
    return "\n".join(lines)


def _bin(number: int) -> str:
    step = FARTHEST_MM / BINS
    return f"{number * step:.0f}–{(number + 1) * step:.0f} mm and °"


if __name__ == "__main__":
    main()
