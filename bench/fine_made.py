"""What the second stage adds on made scans of 1 mm, by contrast; heads and lesions are of no training.

Both stages see the same scan, in a pose that is known. Errors are those of the anatomy inside the brain,
white matter at 1; Dice is that of the network alone at 0.5, without the second witness.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from sanum.data.split import split_masks
from sanum.healthy.network import network, second_stage
from sanum.learn.devices import native_bfloat16
from sanum.methods.anatomy.una.fine_data import first_maps, with_first_stage
from sanum.methods.anatomy.una.fine_predict import FinePredictor
from sanum.methods.anatomy.una.fine_recipe import BOX, HELD_OUT, MARGIN_MM, RENDERED
from sanum.methods.anatomy.una.predict import UnaPredictor
from sanum.metrics.overlap import soft_dice
from sanum.scan.contrast import CONTRASTS
from sanum.synth.anatomy import Anatomy, cropped, prepare
from sanum.synth.contrast import CALLED, Preset
from sanum.synth.generator import Sample, apply_sample, draw_sample

SEED = 81  # trainings have others
PRESETS: tuple[Preset, ...] = ("t1w", "t1ce", "t2w", "flair", "pd", "ct")


@torch.inference_mode()
def both(
    anatomy: Anatomy,
    masks: list[Path],
    preset: Preset,
    n: int,
    first: UnaPredictor,
    second: FinePredictor,
) -> list[tuple[float, float, float, float]]:
    """PSNR, L1, gradient over that of the truth, Dice: of the first stage, then of the second."""
    rng = np.random.default_rng([SEED, PRESETS.index(preset), n])
    params = draw_sample(rng, anatomy, masks, preset=preset, draws="world", spacing_mm=1.0)
    made = apply_sample(anatomy, params, box=BOX.grid())
    truth = {"t1w": made.t1w, "p": made.lesion, "lesion": made.lesion, "brain": made.brain}
    sample = {k: torch.from_numpy(np.ascontiguousarray(v, np.float32))[None] for k, v in truth.items()}
    sample["image"] = torch.from_numpy(np.stack(made.image))
    sample["to_atlas"] = torch.from_numpy(made.to_atlas.astype(np.float32))
    sample["contrast"] = torch.tensor(CONTRASTS.index(CALLED[preset]))
    coarse = F.avg_pool3d(sample["image"][None], 2)
    maps = first_maps(first.net, coarse, sample["to_atlas"][None], sample["contrast"][None])
    up = F.interpolate(maps, scale_factor=2.0, mode="trilinear")[0]
    inputs = with_first_stage(sample, first.net)["inputs"][None]
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16("cpu")):
        out = second.net(inputs, sample["contrast"][None])
    fine = out.t1w[0, 0].float(), out.anomaly[0, 0].float().sigmoid()
    return [scores(t1w.numpy(), p.numpy(), made) for t1w, p in ((up[0], up[1]), fine)]


def scores(t1w: np.ndarray, p: np.ndarray, made: Sample) -> tuple[float, float, float, float]:
    """See `both`."""
    inside = made.brain > 0.5
    error = (t1w - made.t1w)[inside]
    own, theirs = (np.linalg.norm(np.gradient(x), axis=0)[inside].mean() for x in (t1w, made.t1w))
    lesion = made.lesion > 0.5
    overlap = soft_dice((p > 0.5).astype(np.float32), lesion) if lesion.any() else np.nan
    return float(-10 * np.log10((error**2).mean())), float(np.abs(error).mean()), own / theirs, overlap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", help="of the first stage; the second is found as in the main job")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--anatomies", type=Path, default=Path("runs/cache"), help="prepared heads")
    parser.add_argument("--scans", type=int, default=4, help="of each contrast")
    options = parser.parse_args()
    torch.set_num_threads(1)
    first = network(weights=options.weights, device="cpu")
    if (second := second_stage(first)) is None:
        raise SystemExit("no second stage is there that goes with these weights")
    heads = sorted(options.data.glob(RENDERED))[-HELD_OUT:]
    anatomies = [cropped(prepare(None, head, options.anatomies), MARGIN_MM) for head in heads]
    masks = split_masks(options.data)[1]
    print("| contrast | stage | PSNR | L1 | gradient | Dice |\n|---|---|---|---|---|---|")
    for preset in PRESETS:
        rows = defaultdict(list)
        for n in range(options.scans):
            for stage, row in zip(
                ("2 mm", "1 mm"),
                both(anatomies[n % len(anatomies)], masks, preset, n, first, second),
                strict=True,
            ):
                rows[stage].append(row)
        for stage, values in rows.items():
            psnr, error, gradient, overlap = np.nanmean(values, axis=0)
            print(
                f"| {preset} | {stage} | {psnr:.2f} | {error:.4f} | {gradient:.2f} | {overlap:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
