"""Accuracy, speed and memory of the shipped model on what it has never seen.

Subjects: the last 8 of IXI. Lesion masks: stroke-090 to stroke-099, and noise. Seeds are fixed, so that
anyone gets the same samples. The mirror image is found as at run time. Prints a Markdown table.

"As scanned" is the subject's own pose and, for T1w, its own image (bias-corrected, as the target is), in
which only the lesion is made; "drawn" adds the pose, warp, contrast and corruption of training, and draws
whether the skull is on. Samples lie in the model's box already; the rows "from the image" hand them to
`reconstruct` as a scan, which finds the brain and resamples there and back.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sanum.composition import Compose
from sanum.measure.metrics import dice, errors, match_intensity, mean_error_inside
from sanum.methods.registry import Maps, Predictor
from sanum.methods.split import split_masks, split_subjects
from sanum.methods.una.predict import UnaPredictor
from sanum.reconstruction import ANOMALY_THRESHOLD, on_grid, pair_with_mirror, reconstruct, tidy
from sanum.scan import Scan, read, write
from sanum.scan.conform import MODEL_SHAPE, MODEL_SPACING_MM, Conformed, conform
from sanum.space.grid import box_around, covering
from sanum.space.mirror import find_mirror
from sanum.synth.anatomy import Anatomy, prepare
from sanum.synth.contrast import PRESETS, Preset, own_contrast
from sanum.synth.corrupt import Level, field_of_view
from sanum.synth.generator import SampleParams, Skull, apply_sample, draw_sample
from sanum.synth.geometry import identity_geometry

Row = dict[str, float]
OTHERS: tuple[Preset, ...] = ("free", "t2w", "flair", "pd", "ct")
BOX = box_around((0, 0, 0), MODEL_SHAPE, MODEL_SPACING_MM)
MARGIN = 8  # voxels of 2 mm around the model's box: the volume measured is 192 × 224 × 192 mm, a head


@dataclass(frozen=True)
class Setting:
    """What the samples of a row are: `skull` given means as scanned, else everything is drawn."""

    title: str
    presets: tuple[Preset, ...]
    level: Level | None
    skull: Skull | None = None
    from_image: bool = False
    compose: Compose = "anatomy"


SETTINGS = (
    Setting("T1w as scanned, whole head", ("t1w",), "none", "on"),
    Setting("T1w as scanned, stripped", ("t1w",), "none", "off"),
    Setting("random modality, pose as scanned, whole head", OTHERS, "mild", "on"),
    Setting("random modality, pose as scanned, stripped", OTHERS, "mild", "off"),
    Setting("T1w as scanned, whole head, from the image", ("t1w",), "none", "on", True),
    Setting("the same, own healthy tissue kept", ("t1w",), "none", "on", True, "keep-healthy"),
    Setting("random modality, pose as scanned, whole head, from the image", OTHERS, "mild", "on", True),
    Setting("T1w, drawn, mild corruption", ("t1w",), "mild"),
    Setting("T1w, drawn, all corruptions", ("t1w",), None),
    Setting("random modality, drawn, mild corruption", OTHERS, "mild"),
    Setting("random modality, drawn, all corruptions", OTHERS, None),
    *(Setting(f"{name}-like, drawn, mild corruption", (name,), "mild") for name in OTHERS),
)


def as_scanned(params: SampleParams, anatomy: Anatomy, skull: Skull) -> SampleParams:
    """The same lesion in the subject's own pose; a T1w keeps its own contrast."""
    contrast = own_contrast(anatomy.tissue_means) if params.contrast.preset == "t1w" else params.contrast
    return replace(params, geometry=identity_geometry(), contrast=contrast, skull=skull, skull_erosion=0)


def measure(
    anatomies: list[Anatomy], bank: list[Path], predictor: Predictor, setting: Setting, per_subject: int
) -> Row:
    """Mean over samples of every number of a row."""
    rows: list[Row] = []
    weights = np.array([PRESETS[p] for p in setting.presets])
    for number, anatomy in enumerate(anatomies):
        for repeat in range(per_subject):
            rng = np.random.default_rng([11, number, repeat])
            preset = setting.presets[int(rng.choice(len(weights), p=weights / weights.sum()))]
            params = draw_sample(rng, anatomy, bank, preset=preset, level=setting.level, healthy=0.0)
            if setting.skull:
                params = as_scanned(params, anatomy, setting.skull)
            sample = apply_sample(anatomy, params)
            covered = field_of_view(MODEL_SHAPE, params.corruption) > 0
            maps = (
                from_image(sample.image[0], predictor, preset, setting.compose)
                if setting.from_image
                else in_the_box(sample.image[0], covered, predictor)
            )
            whole = errors(*(np.pad(x, MARGIN) for x in (maps.t1w, sample.t1w)))
            healthy_brain = sample.brain & ~sample.lesion
            matched = match_intensity(sample.image[0], sample.t1w, healthy_brain)
            rows.append({
                "psnr": whole.psnr, "ssim": whole.ssim, "l1": whole.l1,
                "dice": dice(maps.anomaly > ANOMALY_THRESHOLD, sample.lesion),
                "inside": mean_error_inside(maps.t1w, sample.t1w, sample.lesion),
                "inside_input": mean_error_inside(matched, sample.t1w, sample.lesion),
                "brain_dice": dice(maps.brain > 0.5, sample.brain),
            })  # fmt: skip
    return {k: float(np.nanmean([r[k] for r in rows])) for k in rows[0]}


def in_the_box(image: np.ndarray, covered: np.ndarray, predictor: Predictor) -> Maps:
    """What the method says of a sample: mirror, network, clean-up."""
    seen = Conformed(image, covered, BOX)
    pair = pair_with_mirror(seen, find_mirror(image, BOX))
    return tidy(predictor(pair, covered=covered), seen)[0]


def from_image(image: np.ndarray, predictor: Predictor, preset: Preset, compose: Compose) -> Maps:
    """What `reconstruct` says of a sample as a scan in memory."""
    ct = preset == "ct"
    contrast = "CT" if ct else "T1w" if compose != "anatomy" else None
    scan = Scan(80 * image if ct else image, BOX.affine, contrast)
    result = reconstruct(scan, predictor=predictor, compose=compose)
    found = (result.anatomy, result.anomaly, result.brain, result.uncertainty)
    return Maps(*(np.asarray(s.voxels, dtype=np.float32) for s in found))


def healthy_share(pairs: list[tuple[Path, Path]], predictor: Predictor) -> list[float]:
    """Share of the brain called anomalous in each real healthy scan, file in, results out."""
    shares = []
    for t1w, _ in pairs:
        result = reconstruct(t1w, predictor=predictor)
        shares.append(
            float(np.asarray(result.anomaly_mask.voxels).sum() / np.asarray(result.brain.voxels).sum())
        )
    return shares


PATIENTS = (  # all scans in the data folder that come with a mask of what is sick
    ("sub-ms1_desc-brain_T1w", "sub-ms1_desc-lesion_mask"),
    ("sub-ms1_desc-brain_T2w", "sub-ms1_desc-lesion_mask"),
    ("sub-ms1_desc-brain_FLAIR", "sub-ms1_desc-lesion_mask"),
    ("sub-stroke2_T2w", "sub-stroke2_desc-lesion_mask"),
    ("sub-glioma1_space-SRI24_desc-brain_T1w", "sub-glioma1_space-SRI24_desc-tumour_dseg"),
    ("sub-glioma1_space-SRI24_desc-brain_T2w", "sub-glioma1_space-SRI24_desc-tumour_dseg"),
    ("sub-glioma1_space-SRI24_desc-brain_FLAIR", "sub-glioma1_space-SRI24_desc-tumour_dseg"),
)


def patients(data: Path, predictor: Predictor) -> None:
    """Real lesions: examples and no statistics, for there is one patient of each kind."""
    print("\n| patient | true, mL | found, mL | Dice |")
    print("|---|---|---|---|")
    for name, mask in PATIENTS:
        folder = data / "patients" / name.split("_")[0] / "anat"
        result = reconstruct(folder / f"{name}.nii.gz", predictor=predictor)
        truth = on_grid(read(folder / f"{mask}.nii.gz"), result.scan.grid).voxels > 0.5
        found = np.asarray(result.anomaly_mask.voxels) > 0
        ml = result.scan.grid.voxel_volume_ml
        print(f"| {name} | {truth.sum() * ml:.1f} | {found.sum() * ml:.1f} | {dice(found, truth):.2f} |")


def whole_head(
    t1w: Path, weights: Path | None, repeats: int = 3
) -> tuple[list[float], list[float], tuple[int, ...]]:
    """Seconds and peak MB of the command on a 1 mm whole head (a 2 mm scan interpolated), file to files."""
    seconds, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        scan = read(t1w)
        fine = on_grid(scan, covering(scan.grid, 1.0))
        path = write(fine, Path(folder) / "head_T1w.nii.gz")
        for n in range(repeats):
            out = Path(folder) / f"out{n}"
            call = [
                sys.executable,
                "-m",
                "sanum",
                "reconstruct",
                str(path),
                "-o",
                str(out),
                "--threads",
                "2",
                "--quiet",
                *(["--weights", str(weights)] if weights else []),
            ]
            seconds.append(_timed(lambda call=call: subprocess.run(call, check=True, capture_output=True)))
            memory.append(json.loads((out / "run.json").read_text())["peak_memory_mb"])
    return seconds, memory, fine.voxels.shape


def _in_its_box(pair: tuple[Path, Path]) -> np.ndarray:
    scan = read(pair[0])
    return conform(scan, scan.grid.centre_mm).image


def _timed(job: Callable[[], object]) -> float:
    import time

    began = time.monotonic()
    job()
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--per-subject", type=int, default=2)
    parser.add_argument("--only", help="Rows whose title contains this, and nothing else.")
    options = parser.parse_args()
    predictor = UnaPredictor(weights=options.weights)
    pairs = split_subjects(options.data)[1]
    anatomies = [prepare(*pair, options.cache) for pair in pairs]
    bank = split_masks(options.data)[1]
    print("| input | PSNR dB | SSIM | L1 | Dice anomaly | error in lesion | input's own | Dice brain |")
    print("|---|---|---|---|---|---|---|---|")
    for setting in SETTINGS:
        if options.only and options.only not in setting.title:
            continue
        r = measure(anatomies, bank, predictor, setting, options.per_subject)
        print(
            f"| {setting.title} | {r['psnr']:.2f} | {r['ssim']:.3f} | {r['l1']:.4f} | {r['dice']:.3f} "
            f"| {r['inside']:.3f} | {r['inside_input']:.3f} | {r['brain_dice']:.3f} |",
            flush=True,
        )
    if options.only:
        return
    shares = healthy_share(pairs, predictor)
    print(
        f"\nhealthy scans called anomalous: mean {100 * np.mean(shares):.2f} %, "
        f"largest {100 * max(shares):.2f} % of the brain"
    )
    patients(options.data, predictor)
    mirrors = [_timed(lambda image=scan: find_mirror(image, BOX)) for scan in map(_in_its_box, pairs)]
    print(f"mirror of a scan: median {statistics.median(mirrors):.1f} s, longest {max(mirrors):.1f} s")
    seconds, memory, shape = whole_head(pairs[0][0], options.weights)
    print(
        f"whole head at 1 mm {shape}, file to files, 2 threads: "
        f"median {statistics.median(seconds):.1f} s ({', '.join(f'{s:.1f}' for s in seconds)}), "
        f"peak {max(memory):.0f} MB"
    )


if __name__ == "__main__":
    main()
