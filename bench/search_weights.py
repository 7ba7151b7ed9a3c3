"""The paper's search of the objective's weights, at a reduced size: λp and λc by validation PSNR.

Trains `una-small` once for each λp in {0, ½, 1, 1½, 2} and λc in {0, 1, 2, 3, 4}, for fewer steps each, and
measures what each predicts of validation subjects with lesions that were never trained on. The first half of
the eight held-out subjects chooses; the second half, which had no say, is what may be reported. The result
of each setting is kept in its folder: the same call goes on where it stopped. Prints a Markdown table, the
best by the first half at the top.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from sanum.data.split import split_masks, split_subjects
from sanum.healthy.localize import pair_with_mirror
from sanum.healthy.postprocess import postprocess
from sanum.methods.anatomy.una.predict import UnaPredictor
from sanum.methods.anatomy.una.recipe import RECIPES, UnaRecipe
from sanum.methods.common.training import Start, train
from sanum.metrics.errors import errors
from sanum.scan.conform import Conformed
from sanum.space.mirror import find_mirror
from sanum.synth.anatomy import Anatomy, at_spacing, prepare
from sanum.synth.corrupt import field_of_view
from sanum.synth.generator import apply_sample, draw_sample

LAMBDA_P = (0.0, 0.5, 1.0, 1.5, 2.0)
LAMBDA_C = (0.0, 1.0, 2.0, 3.0, 4.0)
SEED = 17


def settings(steps: int) -> list[UnaRecipe]:
    """Every pair of weights as a recipe of its own name."""
    small = RECIPES["una-small"]
    return [
        replace(
            small,
            name=f"search-p{p:g}-c{c:g}",
            weights=replace(small.weights, lambda_p=p, lambda_c=c),
            loop=replace(small.loop, steps=steps, warmup=min(small.loop.warmup, steps // 10)),
        )
        for p, c in product(LAMBDA_P, LAMBDA_C)
    ]


def psnr(anatomies: Sequence[Anatomy], bank: list[Path], weights: Path, repeats: int) -> list[float]:
    """Mean PSNR (dB, in the model's box) of each subject; every setting sees the same samples."""
    predictor = UnaPredictor(weights=weights)
    spacing = predictor.box.spacing_mm
    box = predictor.box.grid()
    found = []
    for number, anatomy in enumerate(at_spacing(a, spacing) for a in anatomies):
        of_subject = []
        for repeat in range(repeats):
            rng = np.random.default_rng([SEED, number, repeat])
            params = draw_sample(rng, anatomy, bank, level="mild", healthy=0.0, spacing_mm=spacing)
            sample = apply_sample(anatomy, params, box=box)
            covered = field_of_view(box.shape, params.corruption, spacing) > 0
            conformed = Conformed(sample.image[0], covered, box)
            pair = pair_with_mirror(conformed, find_mirror(conformed.image, box))
            t1w = postprocess(predictor(pair, covered=covered), conformed).t1w
            of_subject.append(errors(t1w, sample.t1w).psnr)
        found.append(float(np.mean(of_subject)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="Gets a folder for each setting.")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=4, help="Samples of each validation subject.")
    parser.add_argument("--only", type=int, help="The first so many settings.")
    options = parser.parse_args()
    held, bank = split_subjects(options.data)[1], split_masks(options.data)[1]
    rows = []
    for recipe in settings(options.steps)[: options.only]:
        folder = options.runs / f"{recipe.name}-{options.steps}"
        kept = folder / f"psnr-{options.repeats}.json"
        if not kept.exists():
            weights = folder / f"{recipe.name}.safetensors"
            if not weights.exists():
                resume = (folder / "checkpoint.pt").exists()
                train(recipe, options.data, folder, start=Start(resume=resume))
            anatomies = [prepare(*pair, options.runs / "cache") for pair in held]
            kept.write_text(json.dumps(psnr(anatomies, bank, weights, options.repeats)))
        subjects = json.loads(kept.read_text())
        half = len(subjects) // 2
        rows.append((np.mean(subjects[:half]), np.mean(subjects[half:]), recipe.weights))
    print("| λp | λc | PSNR, choosing | PSNR, reporting |")
    print("|---|---|---|---|")
    for choosing, reporting, w in sorted(rows, key=lambda row: -row[0]):
        print(f"| {w.lambda_p:g} | {w.lambda_c:g} | {choosing:.2f} | {reporting:.2f} |")


if __name__ == "__main__":
    main()
