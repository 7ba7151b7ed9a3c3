"""The whole generator behind the transforms of MONAI and TorchIO: a seed in, a scan and its truth out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..space.box import Box
from ..synth.anatomy import Anatomy, at_spacing
from ..synth.box import DEFAULT_BOX
from ..synth.contrast import Preset
from ..synth.corrupt import Level
from ..synth.generator import apply_sample, draw_sample
from ..synth.params import Draws
from ..types import AnyArray


@dataclass(frozen=True)
class ScanOptions:
    """Settings that are the same for all scans.

    Parameters
    ----------
    bank : sequence of Path
        Lesion masks in MNI space from which half of the anomalies start.
    preset, level : optional
        A modality and a level of corruption; default drawn.
    healthy : float
        Share of scans without an anomaly.
    draws : Draws
        As of `draw_sample`.
    box : Box
        Of the scans, around the brain.
    mirrored : bool
        The image has the mirrored scan as its second channel.
    """

    bank: Sequence[Path] = ()
    preset: Preset | None = None
    level: Level | None = None
    healthy: float = 0.15
    draws: Draws = "usual"
    box: Box = DEFAULT_BOX
    mirrored: bool = False


LABELS = ("lesion", "brain", "labels")  # of what `make_scan` returns; the others are intensities


def make_scan(
    anatomy: object, seed: int, options: ScanOptions
) -> tuple[dict[str, AnyArray], npt.NDArray[np.float64]]:
    """Arrays (C, X, Y, Z) by name, and their affine: image, t1w (healthy), anomaly, lesion, brain, labels.

    Parameters
    ----------
    anatomy : Anatomy
        Of `synth.anatomy.prepare`.
    seed : int
        Decides the scan.
    options : ScanOptions
        What is the same for all scans.
    """
    if not isinstance(anatomy, Anatomy):
        raise TypeError(f"expected a sanum.synth.anatomy.Anatomy, got {type(anatomy).__name__}: see prepare")
    box = options.box.grid()
    params = draw_sample(
        np.random.default_rng(seed),
        anatomy,
        options.bank,
        preset=options.preset,
        level=options.level,
        healthy=options.healthy,
        draws=options.draws,
        spacing_mm=options.box.spacing_mm,
    )
    sample = apply_sample(_fitting(anatomy, options.box.spacing_mm), params, box=box)
    made: dict[str, AnyArray] = {
        "image": sample.image if options.mirrored else sample.image[:1],
        "t1w": sample.t1w[None],
        "anomaly": np.asarray(sample.p, np.float32)[None],
        "lesion": sample.lesion[None].astype(np.uint8),
        "brain": sample.brain[None].astype(np.uint8),
        "labels": sample.labels[None],
    }
    return made, np.array(box.affine)


@lru_cache(maxsize=8)
def _fitting(anatomy: Anatomy, spacing_mm: float) -> Anatomy:
    return at_spacing(anatomy, spacing_mm)
