"""One training sample: healthy anatomy → anomaly → modality → pose → acquisition → mirrored pair."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..fluid.flow import distance_within
from ..scan.conform import scale_intensity
from ..space.grid import Grid
from ..space.mirror import mirror
from ..types import FloatArray, Mask
from .ageing import caps_profile, with_wide_sulci
from .anatomy import ATLAS_GRID, FAR_MM, Anatomy
from .anomaly import LESION_FRACTION, NothingInside, ShapeParams, draw_shape, grow
from .box import DEFAULT_BOX, DEFAULT_GRID
from .contrast import (
    DARKER,
    ContrastParams,
    Preset,
    apply_contrast,
    draw_contrast,
    draw_preset,
    own_contrast,
    typical_flair,
    white_share,
    with_iron,
)
from .corrupt import CorruptionParams, Level, apply_corruption, draw_corruption, field_of_view
from .geometry import (
    AlignmentError,
    GeometryParams,
    alignment,
    draw_alignment_error,
    draw_geometry,
    mirror_in_model,
    pose_map,
    to_subject,
)
from .kernels import UNMOVED, pose
from .labels import SCHEMES, Labels
from .look import LookParams, apply_look, draw_look
from .shading import shade, vessels
from .world import WorldParams, displacement, draw_anomalies, draw_world

Skull = Literal["on", "off", "partly"]


@dataclass(frozen=True)
class SampleParams:
    """Everything random about one sample, as plain numbers.

    Parameters
    ----------
    contrast : ContrastParams
        Modality.
    geometry : GeometryParams
        Pose.
    corruption : CorruptionParams
        Acquisition.
    skull : "on", "off" or "partly"
        Whole head, brain, or brain with a rim.
    skull_mm : float
        Rim that a partial stripping leaves, in mm.
    skull_erosion : int
        Voxels of fluid that a tight stripping takes.
    shapes : tuple of ShapeParams
        Of each anomaly.
    looks : tuple of LookParams
        Of each anomaly.
    misaligned : AlignmentError
        Error of the registration to the atlas.
    world : WorldParams
        What is beyond the published draws.
    """

    contrast: ContrastParams
    geometry: GeometryParams
    corruption: CorruptionParams
    skull: Skull
    skull_mm: float
    skull_erosion: int
    shapes: tuple[ShapeParams, ...]
    looks: tuple[LookParams, ...]
    misaligned: AlignmentError
    world: WorldParams = WorldParams()


@dataclass(frozen=True)
class ViewParams:
    """Another scan of a sample's head, with the same anomaly: its modality and its acquisition.

    Its field of view is that of the sample.

    Parameters
    ----------
    contrast : ContrastParams
        Modality.
    corruption : CorruptionParams
        Acquisition; its field of view is not used.
    """

    contrast: ContrastParams
    corruption: CorruptionParams


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
    published_geometry: bool = False,
    world: bool = False,
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
    published_geometry : bool
        As of `draw_geometry`.
    world : bool
        Also what is beyond the published draws: see `world.py`.
    spacing_mm : float
        Voxels of the finest acquisition, in mm.
    """
    preset = preset or draw_preset(rng)
    level = level or ("mild", "medium", "severe")[int(rng.choice(3, p=[0.6, 0.3, 0.1]))]
    count = 0 if rng.random() < healthy else int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
    drawn = SampleParams(
        contrast=draw_contrast(rng, preset, anatomy.tissue_means, world=world),
        geometry=draw_geometry(rng, published=published_geometry),
        corruption=draw_corruption(rng, level, spacing_mm),
        skull=("on", "off", "partly")[int(rng.choice(3, p=[0.6, 0.3, 0.1]))],
        skull_mm=float(rng.uniform(2, 12)),
        skull_erosion=int(rng.choice(3, p=[0.4, 0.4, 0.2])),
        shapes=tuple(draw_shape(rng, bank) for _ in range(count)),
        looks=tuple(draw_look(rng) for _ in range(count)),
        misaligned=draw_alignment_error(rng),
    )
    if not world:
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
    spacing = float(box.spacing_mm[0])
    (t1w, soft, *anomalies), labels = _posed(anatomy, params, box)
    scheme = SCHEMES[anatomy.scheme]
    groups = scheme.group_of(labels)
    visible = _visible(soft, params, spacing)
    in_view = field_of_view(box.shape, params.corruption, spacing)

    world = params.world
    rim = None
    if world.ageing.caps > 0:
        inside = np.isin(labels, list(scheme.ventricles))
        rim = caps_profile(distance_within(~inside, (spacing,) * 3, FAR_MM / 4, edge=False), world.ageing)
        rim *= white_share(t1w, anatomy.tissue_means) * soft
    pose_of_box = to_atlas(anatomy, params.geometry)
    middle_to_mni = pose_of_box.copy()
    middle_to_mni[:3, 3] += ATLAS_GRID.centre_mm

    def healthy(contrast: ContrastParams) -> FloatArray:
        aged = with_iron(contrast, world.ageing.iron)
        image = apply_contrast(t1w, soft, groups, anatomy.tissue_means, aged, spacing)
        if rim is not None:
            image += np.float32(contrast.tissue[2] * (-0.3 if is_darker(contrast) else 1.0)) * rim
        if world.shading.vessels and contrast.preset == "t1ce":
            image += np.float32(contrast.tissue[2]) * vessels(soft, world.shading, spacing)
        return image

    def sick(contrast: ContrastParams, looks: Sequence[LookParams] = params.looks) -> FloatArray:
        image, (_, grey, white) = healthy(contrast), contrast.tissue
        for p, look in zip(anomalies, looks, strict=True):
            image = apply_look(
                image,
                p,
                white,
                grey,
                look,
                ct=contrast.preset == "ct",
                darker=DARKER.get(contrast.preset) if world != WorldParams() else None,
                enhanced=contrast.preset == "t1ce",
                spacing_mm=spacing,
            )
        return image

    def acquired(image: FloatArray, view: ViewParams) -> FloatArray:
        shaded = shade(image, world.shading, middle_to_mni, box, in_view)
        shot = apply_corruption(shaded * visible, view.corruption, spacing) * in_view
        return np.clip(shot, 0, 1) if view.contrast.preset == "ct" else scale_intensity(shot)

    own = ViewParams(params.contrast, params.corruption)
    scaled, *others = (acquired(sick(v.contrast), v) for v in (own, *views))
    contrasts, looks = targets_with_anomaly(anatomy, params)
    across = mirror_in_model(params.geometry, anatomy.mirror, anatomy.centre_mm)
    brain = (soft > 0.5) & in_view & (visible > 0)  # what a tight stripping took away cannot be known
    lesions = [p > LESION_FRACTION * max(float(p.max()), 1e-3) for p in anomalies]
    lesion = np.any(lesions, axis=0) & brain if lesions else np.zeros(box.shape, bool)
    return Sample(
        image=np.stack([scaled, mirror(scaled, box, across)]),
        healthy_input=acquired(healthy(own.contrast), own) if with_healthy else None,
        t1w=(t1w * brain).astype(np.float32),
        p=np.max(anomalies, axis=0) * brain if anomalies else np.zeros(box.shape, np.float32),
        lesion=lesion,
        brain=brain,
        mirrored=mirror(lesion.astype(np.float32), box, across) > 0.5,
        labels=(scheme.swapped(labels) if params.geometry.flip else labels) * in_view,
        to_atlas=alignment(params.misaligned) @ pose_of_box,
        views=np.stack(others) if others else np.empty((0, *box.shape), np.float32),
        sick=np.stack([sick(c, looks) * brain for c in contrasts]) if with_sick else None,
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


def _posed(anatomy: Anatomy, params: SampleParams, box: Grid) -> tuple[FloatArray, Labels]:
    """T1w, brain and each anomaly (C, X, Y, Z), and the labels, in the box."""
    grown = [_grown(anatomy, s) for s in params.shapes]
    t1w = with_wide_sulci(anatomy, params.world.ageing.sulci)
    volumes = np.stack([t1w, anatomy.brain.astype(np.float32), *grown], axis=-1)
    pushing = [p for p, s in zip(grown, params.shapes, strict=True) if s.pushes]
    moved = displacement(anatomy, params.world, pushing[-1] if pushing else None)
    matrix, knots = pose_map(params.geometry, box, anatomy.grid, anatomy.centre_mm)
    out = np.empty((volumes.shape[-1], *box.shape), np.float32)
    labels = np.empty(box.shape, np.int16)
    pose(volumes, anatomy.labels, matrix, knots, UNMOVED if moved is None else moved, out, labels)
    return out, labels


def _grown(anatomy: Anatomy, shape: ShapeParams) -> FloatArray:
    try:
        return grow(anatomy, shape)
    except NothingInside:  # a mask that misses this head, or spots that miss its white matter: noise instead
        return grow(anatomy, replace(shape, mask=None, spots=None))


class Placed(Protocol):
    """A head whose way to MNI space is known."""

    @property
    def to_mni(self) -> npt.NDArray[np.float64]:
        """(4, 4) world map, subject mm → MNI mm."""
        ...

    @property
    def centre_mm(self) -> npt.NDArray[np.float64]:
        """World position of the middle of the brain."""
        ...


def to_atlas(anatomy: Placed, geometry: GeometryParams) -> npt.NDArray[np.float64]:
    """(4, 4): millimetres from the middle of the model's box → from the middle of the atlas's.

    Parameters
    ----------
    anatomy : Placed
        A head.
    geometry : GeometryParams
        Its pose in the box.
    """
    out: npt.NDArray[np.float64] = anatomy.to_mni @ to_subject(geometry, anatomy.centre_mm)
    out[:3, 3] -= ATLAS_GRID.centre_mm
    # the atlas is symmetric: a head drawn left-right flipped fits it without a reflection
    return np.diag([-1.0, 1, 1, 1]) @ out if geometry.flip else out


def is_darker(contrast: ContrastParams) -> bool:
    """Whether anomalies are darker in it, as a rule.

    Parameters
    ----------
    contrast : ContrastParams
        Of any modality; of a free one the sign rule decides.
    """
    return DARKER.get(contrast.preset, contrast.tissue[2] > contrast.tissue[1])


def _visible(soft: FloatArray, params: SampleParams, spacing_mm: float) -> FloatArray:
    """What of the head is left: all, the brain, or the brain with a rim."""
    if params.skull == "on":
        return np.ones_like(soft)
    brain = soft > 0.5
    if params.skull == "partly":
        reach = distance_within(~brain, (spacing_mm,) * 3, params.skull_mm, edge=False)
        rim: FloatArray = (reach < params.skull_mm).astype(np.float32)
        return rim
    if params.skull_erosion:
        times = max(1, round(params.skull_erosion * DEFAULT_BOX.spacing_mm / spacing_mm))
        brain = ndimage.binary_erosion(brain, iterations=times)
    return brain.astype(np.float32)
