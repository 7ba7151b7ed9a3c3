"""Pictures of the generator: `python docs/make_generator_pictures.py LABELS LESIONS`.

LABELS: a whole head's FreeSurfer labels (nobody's face is shown); LESIONS: a folder of lesion masks in
MNI space. Writes `docs/img/generator-*.jpg`.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from sanum.space.box import Box
from sanum.synth.anatomy import Anatomy, prepare
from sanum.synth.anomaly import ShapeParams
from sanum.synth.contrast import draw_contrast, own_contrast
from sanum.synth.corrupt import draw_corruption
from sanum.synth.generator import SampleParams, apply_sample, draw_sample
from sanum.synth.geometry import identity_geometry
from sanum.synth.look import LookParams

IMAGES = Path(__file__).parent / "img"
BOX = Box((176, 216, 176), 1.0).grid((0, 0, 6))
INK = "0.15"
MODALITIES = (
    ("t1w",) * 4 + ("t2w",) * 4 + ("flair",) * 4 + ("pd",) * 2 + ("dwi",) * 3 + ("ct",) * 3 + ("free",) * 4
)


def plain(anatomy: Anatomy, seed: int) -> SampleParams:
    """A whole healthy head as it lies, without corruption."""
    params = draw_sample(np.random.default_rng(seed), anatomy, [], level="none", healthy=1.0, spacing_mm=1.0)
    return replace(params, geometry=identity_geometry(), skull="on")


def axial(volume: np.ndarray, k: int) -> np.ndarray:
    """Plane k as radiologists see it."""
    return np.rot90(volume[::-1, :, k])


def sheet(pictures: list[tuple[np.ndarray, str]], columns: int, name: str) -> None:
    """Write pictures with titles as one file."""
    rows = -(-len(pictures) // columns)
    height = 1.75 * rows
    figure, axes = plt.subplots(rows, columns, figsize=(1.3 * columns, height), layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (picture, title) in zip(axes.flat, pictures, strict=False):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1.1)
        ax.set_title(title, color=INK, fontsize=8)
    figure.savefig(IMAGES / name, dpi=110, pil_kwargs={"quality": 88})
    plt.close(figure)


def modalities(anatomy: Anatomy, k: int) -> None:
    """One subject, 24 modalities."""
    pictures = []
    for seed, preset in enumerate(MODALITIES):
        contrast = draw_contrast(np.random.default_rng(seed), preset, anatomy.tissue_means)
        sample = apply_sample(anatomy, replace(plain(anatomy, 0), contrast=contrast), box=BOX)
        pictures.append((axial(sample.image[0], k), preset))
    sheet(pictures, 8, "generator-modalities.jpg")


def appearances(anatomy: Anatomy, lesions: Path, k: int) -> None:
    """One lesion, six appearances."""
    mask = str(lesions / "stroke-014_mask.nii.gz")
    shape = ShapeParams(mask, False, 95.0, 4.0, 0.5, 11.0, 2.0, seed=3)
    look = LookParams(0.55, False, 0.2, 2.5, seed=5)
    flair, t2w, ct = (
        draw_contrast(np.random.default_rng(s), p, anatomy.tissue_means)
        for s, p in ((9, "flair"), (5, "t2w"), (17, "ct"))
    )  # type: ignore[arg-type]
    t1w = own_contrast(anatomy.tissue_means)
    pictures = []
    for title, contrast, one in (
        ("T1w, darker", t1w, look),
        ("T1w, against the rule", t1w, replace(look, against_rule=True, shift=0.3)),
        ("the paper's, voxelwise", t1w, replace(look, kind="voxelwise")),
        ("T2w", t2w, look),
        ("FLAIR, rough", flair, replace(look, texture=0.6, shift=0.7)),
        ("CT, ischaemia", ct, replace(look, shift=0.9)),
    ):
        params = replace(plain(anatomy, 0), contrast=contrast, shapes=(shape,), looks=(one,))
        sample = apply_sample(anatomy, params, box=BOX)
        k = int(np.argmax(sample.p.sum((0, 1))))
        pictures.append((axial(sample.image[0], k), title))
    sheet(pictures, 6, "generator-appearances.jpg")


def corruptions(anatomy: Anatomy, k: int) -> None:
    """Eight draws of each level; then one kind each."""
    rng, levels = np.random.default_rng, ("mild", "medium", "severe")
    drawn = [(level, draw_corruption(rng(seed), level, 1.0)) for level in levels for seed in range(8)]
    none = draw_corruption(rng(0), "none", 1.0)
    kinds = {
        "5 mm slices": replace(none, voxel_mm=(1.0, 1.0, 5.0)),
        "5 mm, sagittal": replace(none, voxel_mm=(5.0, 1.0, 1.0)),
        "low field": replace(none, voxel_mm=(1.3, 5.0, 1.3), noise_sigma=0.04, rician=True),
        "bias field": replace(none, bias_sigma=0.4),
        "near coils": replace(none, bias_rim=0.5, bias_slope=(0.2, 0.0, 0.0)),
        "Rician noise": replace(none, noise_sigma=0.06, rician=True),
        "ghosts": replace(none, ghost_axis=1, ghost_count=3, ghost_strength=0.5),
        "spike": replace(none, spike_mm=(9.0, 14.0, 30.0), spike_strength=0.1),
    }
    pictures = []
    for title, corruption in (*drawn, *kinds.items()):
        params = replace(
            plain(anatomy, 0),
            contrast=own_contrast(anatomy.tissue_means),
            corruption=replace(corruption, cut_low_mm=0.0, cut_high_mm=0.0),
        )
        pictures.append((axial(apply_sample(anatomy, params, box=BOX).image[0], k), title))
    sheet(pictures, 8, "generator-corruptions.jpg")


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("lesions", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    options = parser.parse_args()
    anatomy = prepare(None, options.labels, options.cache)
    k = BOX.shape[2] // 2 + 4
    modalities(anatomy, k)
    appearances(anatomy, options.lesions, k)
    corruptions(anatomy, k)


if __name__ == "__main__":
    main()
