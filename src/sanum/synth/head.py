"""A head in the box of a sample: posed, aged, with its anomalies; and how scans of it come out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..fluid.flow import distance_within
from ..scan.conform import scale_intensity
from ..space.grid import Grid
from ..types import Affine, FloatArray, Mask
from .ageing import caps_profile, with_wide_sulci
from .anatomy import ATLAS_GRID, FAR_MM, Anatomy
from .anomaly import NothingInside, ShapeParams, grow
from .box import DEFAULT_BOX
from .contrast import ContrastParams, apply_contrast, is_darker, white_share, with_iron
from .corrupt import apply_corruption, field_of_view
from .geometry import GeometryParams, pose_map, to_subject
from .kernels import UNMOVED, pose
from .labels import SCHEMES, Labels
from .look import LookParams, apply_look
from .params import SampleParams, ViewParams
from .shading import shade, vessels
from .world import displacement

CAPS_IN_T1W = -0.3  # brightness of the ventricles' rim in a T1w, as a share of that in a T2w


@dataclass(frozen=True, eq=False)
class Head:
    """One head on a box.

    Parameters
    ----------
    anatomy : Anatomy
        That it is made of.
    params : SampleParams
        Of the sample.
    box : Grid
        Of all arrays.
    t1w, soft : (X, Y, Z) float32
        Healthy T1w, white matter 1; soft mask of the brain.
    labels : (X, Y, Z) int16
        In the numbers of the anatomy's scheme, left and right as in the anatomy.
    anomalies : tuple of (X, Y, Z) float32
        P of each.
    visible : (X, Y, Z) float32
        What a stripping left.
    in_view : (X, Y, Z) bool
        What the scan covers.
    caps : (X, Y, Z) float32 or None
        Brightness of the ventricles' rim, in units of the white matter.
    """

    anatomy: Anatomy
    params: SampleParams
    box: Grid
    t1w: FloatArray
    soft: FloatArray
    labels: Labels
    anomalies: tuple[FloatArray, ...]
    visible: FloatArray
    in_view: Mask
    caps: FloatArray | None

    @property
    def spacing_mm(self) -> float:
        """Edge of a voxel."""
        return float(self.box.spacing_mm[0])

    def healthy(self, contrast: ContrastParams) -> FloatArray:
        """Image (X, Y, Z) of a modality, without the anomalies, before it is acquired.

        Parameters
        ----------
        contrast : ContrastParams
            Modality.
        """
        world, white = self.params.world, np.float32(contrast.tissue[2])
        groups = SCHEMES[self.anatomy.scheme].group_of(self.labels)
        with_age = with_iron(contrast, world.ageing.iron)
        image = apply_contrast(
            self.t1w, self.soft, groups, self.anatomy.tissue_means, with_age, self.spacing_mm
        )
        if self.caps is not None:
            image += white * np.float32(CAPS_IN_T1W if is_darker(contrast) else 1) * self.caps
            np.maximum(image, 0, out=image)
        if world.shading.vessels and contrast.preset == "t1ce":
            image += white * vessels(self.soft, world.shading, self.spacing_mm)
        return image

    def sick(self, contrast: ContrastParams, looks: Sequence[LookParams]) -> FloatArray:
        """Image (X, Y, Z) of a modality with the anomalies, before it is acquired.

        Parameters
        ----------
        contrast : ContrastParams
            Modality.
        looks : sequence of LookParams
            Of each anomaly.
        """
        image, (_, grey, white) = self.healthy(contrast), contrast.tissue
        for p, look in zip(self.anomalies, looks, strict=True):
            image = apply_look(
                image,
                p,
                white,
                grey,
                look,
                preset=contrast.preset,
                spacing_mm=self.spacing_mm,
            )
        return image

    def acquired(self, image: FloatArray, view: ViewParams) -> FloatArray:
        """Scan (X, Y, Z) of an image, in [0, 1.5].

        Parameters
        ----------
        image : (X, Y, Z) float32
            Of `healthy` or `sick`.
        view : ViewParams
            Its modality and acquisition.
        """
        to_mni = to_atlas(self.anatomy, self.params.geometry)
        to_mni[:3, 3] += ATLAS_GRID.centre_mm
        shaded = shade(image, self.params.world.shading, to_mni, self.box, self.in_view)
        shot = apply_corruption(shaded * self.visible, view.corruption, self.spacing_mm) * self.in_view
        return np.clip(shot, 0, 1) if view.contrast.preset == "ct" else scale_intensity(shot)


def head_in(anatomy: Anatomy, params: SampleParams, box: Grid) -> Head:
    """The head of a sample in its box.

    Parameters
    ----------
    anatomy : Anatomy
        That it is made of.
    params : SampleParams
        Of `draw_sample`.
    box : Grid
        Isotropic RAS box, see `apply_sample`.
    """
    spacing = float(box.spacing_mm[0])
    grown = [_grown(anatomy, s) for s in params.shapes]
    ageing = params.world.ageing
    t1w = with_wide_sulci(anatomy, ageing.sulci)
    volumes = np.stack([t1w, anatomy.brain.astype(np.float32), *grown], axis=-1)
    pushing = [p for p, s in zip(grown, params.shapes, strict=True) if s.pushes]
    moved = displacement(anatomy, params.world, pushing[-1] if pushing else None)
    matrix, knots = pose_map(params.geometry, box, anatomy.grid, anatomy.centre_mm)
    out = np.empty((volumes.shape[-1], *box.shape), np.float32)
    labels = np.empty(box.shape, np.int16)
    pose(volumes, anatomy.labels, matrix, knots, UNMOVED if moved is None else moved, out, labels)
    posed, soft, *anomalies = out
    caps = None
    if ageing.caps > 0:
        inside = np.isin(labels, list(SCHEMES[anatomy.scheme].ventricles))
        caps = caps_profile(distance_within(~inside, (spacing,) * 3, FAR_MM / 4, edge=False), ageing)
        caps *= white_share(posed, anatomy.tissue_means) * soft
    return Head(
        anatomy=anatomy,
        params=params,
        box=box,
        t1w=posed,
        soft=soft,
        labels=labels,
        anomalies=tuple(anomalies),
        visible=_visible(soft, params, spacing),
        in_view=field_of_view(box.shape, params.corruption, spacing),
        caps=caps,
    )


def _grown(anatomy: Anatomy, shape: ShapeParams) -> FloatArray:
    try:
        return grow(anatomy, shape)
    except NothingInside:  # a mask that misses this head, or its white matter, gives way to noise
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


def to_atlas(anatomy: Placed, geometry: GeometryParams) -> Affine:
    """(4, 4): millimetres from the middle of the model's box → from the middle of the atlas's.

    Parameters
    ----------
    anatomy : Placed
        A head.
    geometry : GeometryParams
        Its pose in the box.
    """
    out: Affine = anatomy.to_mni @ to_subject(geometry, anatomy.centre_mm)
    out[:3, 3] -= ATLAS_GRID.centre_mm
    # the atlas is symmetric: a head drawn left-right flipped fits it without a reflection
    return np.diag([-1.0, 1, 1, 1]) @ out if geometry.flip else out


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
