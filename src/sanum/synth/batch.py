"""Batches of samples on a GPU: what `apply_sample` does, in plain PyTorch, on any device.

Only where anomalies start is found on the CPU. The samples equal those of `apply_sample` but for their random
textures and noise, which the device's own generator draws (from the same seeds).
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from ..fluid import transport
from ..fluid.on_device import draw_flow_on
from ..space.grid import Grid
from ..space.resample import affine_index, sample_affine, sample_at
from .anatomy import Anatomy
from .anomaly import (
    LESION_FRACTION,
    SMALLEST_MEAN,
    NothingInside,
    ShapeParams,
    start_of,
    starts_in,
    territory,
)
from .box import DEFAULT_BOX, DEFAULT_GRID
from .contrast import HEAD_KNOTS, ContrastParams, curves
from .corrupt import (
    CorruptionParams,
    acquired_shape,
    blur_sigmas,
    field_of_view,
    near_coils,
    wave,
    with_ghosts,
)
from .generator import targets_with_anomaly
from .geometry import alignment, mirror_in_model, pose_map
from .head import to_atlas
from .labels import SCHEMES
from .look import LookParams, shift_of
from .params import SampleParams, ViewParams

Device = torch.device | str


class OnDevice:
    """Anatomies on a device, each copied there once.

    Parameters
    ----------
    anatomies : sequence of Anatomy
        That samples are made of.
    device : torch.device or str
        Where they are made.
    """

    def __init__(self, anatomies: Sequence[Anatomy], device: Device) -> None:
        self.device = torch.device(device)
        self.anatomies = list(anatomies)
        self.volumes = [
            {
                "t1w": torch.from_numpy(a.t1w).to(device),
                "brain": torch.from_numpy(a.brain).to(device),
                "ramp": torch.from_numpy(np.ascontiguousarray(a.ramp, np.float32)).to(device),
                "labels": torch.from_numpy(a.labels.astype(np.float32)).to(device),
            }
            for a in anatomies
        ]

    def batch(
        self,
        numbers: Sequence[int],
        params: Sequence[SampleParams],
        *,
        box: Grid = DEFAULT_GRID,
        views: Sequence[Sequence[ViewParams]] | None = None,
        with_sick: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Samples of the anatomies `numbers`, one on top of the other; keys and shapes as of `Stream`.

        Parameters
        ----------
        numbers : sequence of int
            Which anatomy each sample is made of.
        params : sequence of SampleParams
            Of each sample.
        box : Grid
            As of `apply_sample`.
        views : sequence of sequences of ViewParams, optional
            Other scans of each sample's head.
        with_sick : bool
            As of `apply_sample`.
        """
        views = views or [()] * len(numbers)
        made = [
            self.sample(n, p, box=box, views=v, with_sick=with_sick)
            for n, p, v in zip(numbers, params, views, strict=True)
        ]
        return {name: torch.stack([m[name] for m in made]) for name in made[0]}

    def sample(
        self,
        number: int,
        params: SampleParams,
        *,
        box: Grid = DEFAULT_GRID,
        views: Sequence[ViewParams] = (),
        with_sick: bool = False,
    ) -> dict[str, torch.Tensor]:
        """One sample; see `apply_sample`.

        Parameters
        ----------
        number : int
            Of the anatomy.
        params : SampleParams
            Of the sample.
        box : Grid
            As of `apply_sample`.
        views : sequence of ViewParams
            Other scans of the head.
        with_sick : bool
            As of `apply_sample`.
        """
        anatomy, device, spacing = self.anatomies[number], self.device, float(box.spacing_mm[0])
        scheme = SCHEMES[anatomy.scheme]
        (t1w, soft, *anomalies), labels = self._posed(number, params, box)
        every = np.arange(1 + max(scheme.known), dtype=np.int16)
        groups = torch.from_numpy(scheme.group_of(every)).to(device)[labels]
        visible = _visible(soft, params, spacing)
        in_view = torch.from_numpy(field_of_view(box.shape, params.corruption, spacing)).to(device)

        def sick(contrast: ContrastParams, looks: Sequence[LookParams] = params.looks) -> torch.Tensor:
            image = _recoloured(t1w, soft, groups, anatomy.tissue_means, contrast, spacing)
            _, grey, white = contrast.tissue
            for p, look in zip(anomalies, looks, strict=True):
                image = _with_look(image, p, shift_of(white, grey, look, contrast.preset), look, spacing)
            return image

        def acquired(view: ViewParams) -> torch.Tensor:
            shot = _corrupted(sick(view.contrast) * visible, view.corruption, spacing) * in_view
            return shot.clamp(0, 1) if view.contrast.preset == "ct" else _scaled(shot)

        image, *others = (acquired(v) for v in (ViewParams(params.contrast, params.corruption), *views))
        across = mirror_in_model(params.geometry, anatomy.mirror, anatomy.centre_mm)
        to_voxel = np.linalg.inv(box.affine) @ across @ box.affine
        brain = (soft > 0.5) & in_view & (visible > 0)
        p, lesion = torch.zeros_like(t1w), torch.zeros_like(brain)
        for one in anomalies:
            p = torch.maximum(p, one)
            lesion |= one > LESION_FRACTION * one.max().clamp_min(1e-3)
        lesion &= brain
        if params.geometry.flip:
            labels = torch.from_numpy(scheme.swapped(every)).to(device)[labels]
        pose = alignment(params.misaligned) @ to_atlas(anatomy, params.geometry)
        more = {"views": torch.stack(others)} if others else {}
        if with_sick:
            contrasts, looks = targets_with_anomaly(anatomy, params)
            more["sick"] = torch.stack([sick(c, looks) * brain for c in contrasts])
        return more | {
            "image": torch.stack([image, sample_affine(image[None], to_voxel, box.shape)[0]]),
            "to_atlas": torch.from_numpy(pose.astype(np.float32)).to(device),
            "t1w": (t1w * brain)[None],
            "p": (p * brain)[None],
            "lesion": lesion[None].float(),
            "mirrored": (sample_affine(lesion[None].float(), to_voxel, box.shape) > 0.5).float(),
            "real": torch.zeros((), device=device),
            "brain": brain[None].float(),
            "labels": (labels * in_view)[None].to(torch.int16),
        }

    def _posed(self, number: int, params: SampleParams, box: Grid) -> tuple[torch.Tensor, torch.Tensor]:
        kept, anatomy = self.volumes[number], self.anatomies[number]
        grown = [self._grown(number, s) for s in params.shapes]
        matrix, knots = pose_map(params.geometry, box, anatomy.grid, anatomy.centre_mm)
        index = affine_index(matrix, box.shape, self.device)
        warp = torch.from_numpy(np.moveaxis(knots, -1, 0)[None].copy()).to(self.device)
        index += F.interpolate(warp, box.shape, mode="trilinear", align_corners=True)[0]
        volumes = sample_at(torch.stack([kept["t1w"], kept["brain"].float(), *grown]), index)
        labels = sample_at(kept["labels"][None], index, nearest=True)[0]
        return volumes, labels.round().long()

    def _grown(self, number: int, shape: ShapeParams) -> torch.Tensor:
        try:
            return self._grow(number, shape, start_of(self.anatomies[number], shape))
        except NothingInside:  # as in `apply_sample`
            return self._grow(number, shape, None)

    def _grow(self, number: int, shape: ShapeParams, start: np.ndarray | None) -> torch.Tensor:
        anatomy, kept = self.anatomies[number], self.volumes[number]
        if shape.tissue != "brain":
            raise ValueError(f'on a device anomalies grow in the brain, not in "{shape.tissue}" alone')
        domain = territory(anatomy, shape.tissue)
        spacing = tuple(float(s) for s in anatomy.grid.spacing_mm)
        for begun in starts_in(domain, spacing, shape, start=start):
            flow = draw_flow_on(
                kept["brain"][begun.box].contiguous(),
                kept["ramp"][begun.box].contiguous(),
                rng=begun.rng,
                spacing=spacing,
                peak_speed=shape.peak_speed,
                diffusion_length=shape.diffusion_length,
            )
            p0 = torch.from_numpy(begun.p0.astype(np.float32)).to(self.device)
            p = transport(p0, flow, duration=shape.duration, integrator="euler").p
            if float(p.sum()) >= SMALLEST_MEAN * domain.size:
                whole = torch.zeros(domain.shape, device=self.device)
                whole[begun.box] = p / p.max()
                return whole
        raise NothingInside("nothing of the anomaly falls inside its domain")


def _generator(device: torch.device, seed: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)


def _smooth(x: torch.Tensor, sigmas: Sequence[float], truncate: float) -> torch.Tensor:
    """`scipy.ndimage.gaussian_filter` with its reflection at the ends; x (X, Y, Z)."""
    for axis, sigma in enumerate(sigmas):
        radius = int(truncate * sigma + 0.5)
        if radius < 1:
            continue
        taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        taps /= taps.sum()
        n = x.shape[axis]
        place = np.arange(-radius, n + radius) % (2 * n)
        place = np.where(place < n, place, 2 * n - 1 - place)
        padded = x.index_select(axis, torch.from_numpy(place).to(x.device))
        x = sum(float(t) * padded.narrow(axis, m, n) for m, t in enumerate(taps))  # type: ignore[assignment]
    return x


def _between(x: torch.Tensor, knots: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """`numpy.interp`."""
    k, v = (torch.from_numpy(np.asarray(a, np.float32)).to(x.device) for a in (knots, values))
    x = x.clamp(k[0], k[-1])
    n = torch.searchsorted(k, x.contiguous()).clamp(1, len(k) - 1)
    return v[n - 1] + (x - k[n - 1]) / (k[n] - k[n - 1]) * (v[n] - v[n - 1])


def _recoloured(
    t1w: torch.Tensor,
    brain: torch.Tensor,
    groups: torch.Tensor,
    t1_means: np.ndarray,
    params: ContrastParams,
    spacing_mm: float,
) -> torch.Tensor:
    """`apply_contrast`."""
    knots, values, widths = curves(t1_means, params)
    inside = _between(t1w, knots, values) + _mean_of_neighbours(
        torch.tensor(params.groups, device=t1w.device)[groups.long()]
    )
    outside = _between(t1w, HEAD_KNOTS, np.array(params.head))
    if params.preset == "t1w":
        outside = torch.where(t1w > 0.02, outside, t1w)
    image = brain * inside + (1 - brain) * outside
    if any(params.widths):
        noise = _normal(t1w, _generator(t1w.device, params.seed))
        noise = _smooth(noise, [params.smoothness_mm / spacing_mm] * 3, 2)
        noise = noise / noise.std().clamp_min(1e-6)
        width = brain * _between(t1w, knots, widths) + (1 - brain) * params.widths[3]
        image = image + torch.where(image > 0.02, width * noise, torch.zeros_like(noise))
    return image.clamp_min(0)


def _mean_of_neighbours(x: torch.Tensor) -> torch.Tensor:
    """Mean over a voxel (twice) and its six neighbours; beyond the ends lies the end."""
    total = 2 * x
    for axis in range(3):
        n = x.shape[axis]
        for step in (-1, 1):
            place = torch.arange(n, device=x.device).add(step).clamp(0, n - 1)
            total = total + x.index_select(axis, place)
    return total / 8


def _with_look(
    image: torch.Tensor, p: torch.Tensor, shift: float, params: LookParams, spacing_mm: float
) -> torch.Tensor:
    """`apply_look`."""
    noise = _normal(p, _generator(p.device, params.seed))
    if params.kind == "voxelwise":
        noise = noise * abs(shift)
    else:
        noise = _smooth(noise, [params.smoothness_mm / spacing_mm] * 3, 2)
        noise = noise * (params.texture * abs(shift)) / noise.std().clamp_min(1e-6)
    changed = torch.maximum(image + (shift + noise) * p, image.clamp_max(0))
    return torch.where(p > 0, changed, image)


def _visible(soft: torch.Tensor, params: SampleParams, spacing_mm: float) -> torch.Tensor:
    """What of the head is left; see the generator's."""
    if params.skull == "on":
        return torch.ones_like(soft)
    brain = soft > 0.5
    if params.skull == "partly":
        squares = torch.where(brain, 0.0, float(params.skull_mm) ** 2)
        reach = int(params.skull_mm / spacing_mm)
        for axis in range(3):
            near = squares.clone()
            for step in range(1, min(reach, squares.shape[axis] - 1) + 1):
                n = squares.shape[axis] - step
                away = (step * spacing_mm) ** 2
                lower, upper = near.narrow(axis, 0, n), near.narrow(axis, step, n)
                lower.copy_(torch.minimum(lower, squares.narrow(axis, step, n) + away))
                upper.copy_(torch.minimum(upper, squares.narrow(axis, 0, n) + away))
            squares = near
        return (squares.sqrt() < params.skull_mm).float()
    times = (
        max(1, round(params.skull_erosion * DEFAULT_BOX.spacing_mm / spacing_mm))
        if params.skull_erosion
        else 0
    )
    for _ in range(times):
        outside = F.pad(~brain, [1] * 6, value=True)
        for axis in range(3):
            for side in (0, 2):
                corner = [side if a == axis else 1 for a in range(3)]
                window = tuple(slice(c, c + n) for c, n in zip(corner, brain.shape, strict=True))
                brain = brain & ~outside[window]
    return brain.float()


def _corrupted(out: torch.Tensor, params: CorruptionParams, spacing_mm: float) -> torch.Tensor:
    """`apply_corruption`."""
    shape, device = tuple(out.shape), out.device
    if params.gamma != 1:
        out = out**params.gamma
    if params.bias_sigma > 0:
        size = (1, 1, *(params.bias_cells,) * 3)
        knots = np.random.default_rng(params.seed).normal(0, params.bias_sigma, size).astype(np.float32)
        field = torch.from_numpy(knots).to(device)
        out = out * F.interpolate(field, shape, mode="trilinear", align_corners=True)[0, 0].exp()
    if params.bias_rim or any(params.bias_slope):
        out = out * torch.from_numpy(near_coils(shape, params)).to(device)
    if params.ghost_strength > 0:
        out = with_ghosts(out, params)
    if params.spike_strength > 0:
        out = (out + torch.from_numpy(wave(shape, params, spacing_mm)).to(device)).clamp_min(0)
    out = _smooth(out, blur_sigmas(params, spacing_mm), 2.5)
    small = acquired_shape(shape, params, spacing_mm)
    if small != shape:
        out = F.interpolate(out[None, None], small, mode="trilinear")[0, 0]
    if params.noise_sigma > 0:
        generator = _generator(device, params.seed)
        out = out + params.noise_sigma * _normal(out, generator)
        if params.rician:
            out = (out**2 + (params.noise_sigma * _normal(out, generator)) ** 2).sqrt()
        out = out.clamp_min(0)
    return F.interpolate(out[None, None], shape, mode="trilinear")[0, 0] if small != shape else out


def _scaled(image: torch.Tensor) -> torch.Tensor:
    """`scale_intensity`."""
    sample = image[::2, ::2, ::2].flatten()

    def percentile(x: torch.Tensor, q: float) -> torch.Tensor:
        place = q / 100 * (len(x) - 1)
        ordered = x.sort().values
        low, high = ordered[int(place)], ordered[min(int(place) + 1, len(x) - 1)]
        return low + (place - int(place)) * (high - low)

    low, top = percentile(sample, 1).clamp_min(0), percentile(sample, 99.9)
    foreground = sample[sample > low + 0.1 * (top - low)]
    high = percentile(foreground, 99) if len(foreground) else top
    return ((image - low) / (high - low).clamp_min(1e-6)).clamp(0, 1.5)
