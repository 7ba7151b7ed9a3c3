"""One training sample: healthy anatomy → anomaly → modality → pose → acquisition → mirrored pair."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..space.grid import Grid
from ..space.mirror import mirror
from ..types import FloatArray, Mask
from .anatomy import Anatomy
from .anomaly import LESION_FRACTION, draw_shape
from .box import DEFAULT_BOX, DEFAULT_GRID
from .contrast import ContrastParams, Preset, draw_contrast, draw_preset, own_contrast, typical_flair
from .corrupt import Level, draw_corruption
from .geometry import alignment, draw_alignment_error, draw_geometry, mirror_in_model
from .head import head_in, to_atlas
from .labels import SCHEMES, Labels
from .look import LookParams, draw_look
from .params import Draws, SampleParams, ViewParams
from .world import draw_anomalies, draw_world


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample on a box around the brain.

    Parameters
    ----------
    image : (2, X, Y, Z) float32
        The scan and its mirror image.
    healthy_input : (X, Y, Z) float32
        The scan without the anomaly, same acquisition; None unless requested.
    t1w : (X, Y, Z) float32
        Target: healthy T1w inside the brain, white matter 1, elsewhere 0.
    p : (X, Y, Z) float32
        Anomaly P, peak 1.
    lesion, brain : (X, Y, Z) bool
    mirrored : (X, Y, Z) bool
        The lesion in the mirror image, i.e. at the mirrored place.
    labels : (X, Y, Z) int16
        In the numbers of the anatomy's scheme; left is where the patient's left is, flipped or not.
    to_atlas : (4, 4) float64
        Millimetres from the middle of the model's box → from the middle of the atlas's, as a registration
        would find it.
    views : (V, X, Y, Z) float32
        Other scans of the same head.
    sick : (2, X, Y, Z) float32
        T1w and FLAIR inside the brain with the anomaly, darker in one and brighter in the other; None unless
        asked for.
    """

    image: FloatArray
    healthy_input: FloatArray | None
    t1w: FloatArray
    p: FloatArray
    lesion: Mask
    brain: Mask
    mirrored: Mask
    labels: Labels
    to_atlas: npt.NDArray[np.float64]
    views: FloatArray
    sick: FloatArray | None


def draw_sample(
    rng: np.random.Generator,
    anatomy: Anatomy,
    bank: Sequence[Path],
    *,
    preset: Preset | None = None,
    level: Level | None = None,
    healthy: float = 0.15,
    draws: Draws = "usual",
    spacing_mm: float = DEFAULT_BOX.spacing_mm,
) -> SampleParams:
    """Parameters of a sample.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    anatomy : Anatomy
        That the sample is made of.
    bank : sequence of Path
        Lesion masks in MNI space; may be empty.
    preset, level : optional
        Modality and level of corruption; default drawn.
    healthy : float
        Share of samples without an anomaly.
    draws : Draws
        "published": poses in the ranges of Table B.1; "usual": in narrower ones; "world": in these, with what
        is beyond the published draws (world.py).
    spacing_mm : float
        Voxels of the finest acquisition, in mm.
    """
    preset = preset or draw_preset(rng)
    level = level or ("mild", "medium", "severe")[int(rng.choice(3, p=[0.6, 0.3, 0.1]))]
    count = 0 if rng.random() < healthy else int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
    drawn = SampleParams(
        contrast=draw_contrast(rng, preset, anatomy.tissue_means, world=draws == "world"),
        geometry=draw_geometry(rng, published=draws == "published"),
        corruption=draw_corruption(rng, level, spacing_mm),
        skull=("on", "off", "partly")[int(rng.choice(3, p=[0.6, 0.3, 0.1]))],
        skull_mm=float(rng.uniform(2, 12)),
        skull_erosion=int(rng.choice(3, p=[0.4, 0.4, 0.2])),
        shapes=tuple(draw_shape(rng, bank) for _ in range(count)),
        looks=tuple(draw_look(rng) for _ in range(count)),
        misaligned=draw_alignment_error(rng),
    )
    if draws != "world":
        return drawn
    shapes, looks = draw_anomalies(rng, bank, count)
    return replace(drawn, shapes=shapes, looks=looks, world=draw_world(rng, preset, shapes))


def apply_sample(
    anatomy: Anatomy,
    params: SampleParams,
    *,
    box: Grid = DEFAULT_GRID,
    with_healthy: bool = False,
    views: Sequence[ViewParams] = (),
    with_sick: bool = False,
) -> Sample:
    """Make the sample of these parameters; deterministic.

    Parameters
    ----------
    anatomy : Anatomy
        That the sample is made of.
    params : SampleParams
        Of `draw_sample`.
    box : Grid
        Isotropic RAS box (`Box.grid`) whose world origin is the middle of the posed brain; default
        80×96×80 voxels of 2 mm.
    with_healthy : bool
        Also make the scan without the anomaly.
    views : sequence of ViewParams
        Also make these scans of the same head.
    with_sick : bool
        Also make the T1w and the FLAIR with the anomaly.
    """
    head = head_in(anatomy, params, box)
    own = ViewParams(params.contrast, params.corruption)
    scaled, *others = (head.acquired(head.sick(v.contrast, params.looks), v) for v in (own, *views))
    contrasts, looks = targets_with_anomaly(anatomy, params)
    across = mirror_in_model(params.geometry, anatomy.mirror, anatomy.centre_mm)
    # what a tight stripping took away cannot be known
    brain = (head.soft > 0.5) & head.in_view & (head.visible > 0)
    lesions = [p > LESION_FRACTION * max(float(p.max()), 1e-3) for p in head.anomalies]
    lesion = np.any(lesions, axis=0) & brain if lesions else np.zeros(box.shape, bool)
    labels = SCHEMES[anatomy.scheme].swapped(head.labels) if params.geometry.flip else head.labels
    return Sample(
        image=np.stack([scaled, mirror(scaled, box, across)]),
        healthy_input=head.acquired(head.healthy(own.contrast), own) if with_healthy else None,
        t1w=(head.t1w * brain).astype(np.float32),
        p=np.max(head.anomalies, axis=0) * brain if lesions else np.zeros(box.shape, np.float32),
        lesion=lesion,
        brain=brain,
        mirrored=mirror(lesion.astype(np.float32), box, across) > 0.5,
        labels=labels * head.in_view,
        to_atlas=alignment(params.misaligned) @ to_atlas(anatomy, params.geometry),
        views=np.stack(others) if others else np.empty((0, *box.shape), np.float32),
        sick=np.stack([head.sick(c, looks) * brain for c in contrasts]) if with_sick else None,
    )


def targets_with_anomaly(
    anatomy: Anatomy, params: SampleParams
) -> tuple[tuple[ContrastParams, ContrastParams], tuple[LookParams, ...]]:
    """Contrasts of the T1w and the FLAIR that show the anomaly, and its looks: by the sign rule.

    Parameters
    ----------
    anatomy : Anatomy
        That the sample is made of.
    params : SampleParams
        Of the sample.
    """
    looks = tuple(replace(look, against_rule=False) for look in params.looks)
    return (own_contrast(anatomy.tissue_means), typical_flair()), looks
