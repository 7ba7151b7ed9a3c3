"""Pairs of images that a known affine keeps apart, in two contrasts, each with a field of view of its own."""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ....space.affine import draw_affine, matrix_of
from .contrast import Contrast, apply_contrast, draw_contrast, percentiles

Numbers = npt.NDArray[np.float64]
SIZE, SPACING_MM = 32, 8.0
"""The cube that the network sees: 256 mm."""


@dataclass(frozen=True)
class PairConfig:
    """How far apart, and how seen.

    Parameters
    ----------
    shift_mm, turn_deg, scale, shear : float
        Largest map between the two; each is multiplied by one draw from U(0, 1), so that near pairs are seen
        as well.
    pose_mm, pose_deg : float
        Largest shift and turn of both together.
    cropped : float
        Share of images with a field of view of its own, which cuts the head.
    stripped : float
        Share of images without a skull.
    bent_mm : float
        Largest displacement along an axis by a smooth field that no affine explains.
    noise : float
        Largest standard deviation.
    shading : float
        Largest standard deviation of the logarithm of the coil's field.
    eased : int
        Samples at first, over which fields of view, stripping, bending, noise and shading rise from
        nothing: with all of them from the start, nothing is learned for long.
    """

    shift_mm: float = 75.0
    turn_deg: float = 75.0
    scale: float = 0.2
    shear: float = 0.15
    pose_mm: float = 25.0
    pose_deg: float = 25.0
    cropped: float = 0.6
    stripped: float = 0.25
    bent_mm: float = 6.0
    noise: float = 0.06
    shading: float = 0.3
    eased: int = 16_000

    def at(self, number: int) -> "PairConfig":
        """The same for one sample of a training.

        Parameters
        ----------
        number : int
            Of the sample.
        """
        share = min(1.0, number / self.eased) if self.eased else 1.0
        hiding = ("cropped", "stripped", "bent_mm", "noise", "shading")
        return replace(self, **{name: getattr(self, name) * share for name in hiding})

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            if not getattr(self, name) >= 0:
                raise ValueError(f"pairs.{name} must be at least 0, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Seeing:
    """How one of the two is seen.

    Parameters
    ----------
    contrast : Contrast
        Its modality.
    stripped : bool
        Whether the skull is gone.
    box : (3, 4) float array or None
        Rows (direction, offset): inside where all |row · (x, 1)| ≤ 1, x in mm from the cube's centre.
    seed : int
        Of noise and shading.
    noise, shading : float
        Standard deviations.
    """

    contrast: Contrast
    stripped: bool
    box: Numbers | None
    seed: int
    noise: float
    shading: float


@dataclass(frozen=True, eq=False)
class Pair:
    """What was drawn for one pair.

    Parameters
    ----------
    pose, apart : (12,) float array
        Numbers of `affine.matrix_of` about the cube's centre: cube → head of the first image, and
        second → first.
    views : (Seeing, Seeing)
        Of the first and the second.
    bent : (3, 4, 4, 4) float array
        Displacements of the second in mm, on a coarse grid.
    """

    pose: Numbers
    apart: Numbers
    views: tuple[Seeing, Seeing]
    bent: Numbers


def draw_pair(rng: np.random.Generator, config: PairConfig) -> Pair:
    """Map, contrasts and fields of view.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    config : PairConfig
        How far and how often.
    """
    pose = draw_affine(rng, shift_mm=config.pose_mm, turn_deg=config.pose_deg, scale=0.12, shear=0.05)
    far = rng.uniform()
    apart = draw_affine(
        rng,
        shift_mm=far * config.shift_mm,
        turn_deg=far * config.turn_deg,
        scale=far * config.scale,
        shear=far * config.shear,
    )
    bent = rng.uniform(-1, 1, (3, 4, 4, 4)) * rng.uniform(0, config.bent_mm)
    first = _matrix(pose)
    views = (_draw_view(rng, config, first), _draw_view(rng, config, first @ _matrix(apart)))
    return Pair(pose, apart, views, bent)


def make_pair(image: torch.Tensor, masks: torch.Tensor, spacing_mm: float, pair: Pair) -> torch.Tensor:
    """Both images (2, `SIZE`, `SIZE`, `SIZE`), in [0, 1] and 0 outside of their fields of view.

    Parameters
    ----------
    image : (X, Y, Z) float32
        A head in [0, 1]; its centre comes to the cube's.
    masks : (2, X, Y, Z) bool
        Head and brain.
    spacing_mm : float
        Of the head's voxels.
    pair : Pair
        What was drawn.
    """
    first = _matrix(pair.pose)
    bent = F.interpolate(
        torch.tensor(pair.bent, dtype=torch.float32)[None], size=(SIZE,) * 3, mode="trilinear"
    )
    maps = (first, first @ _matrix(pair.apart))
    made = []
    for n, (view, to_head) in enumerate(zip(pair.views, maps, strict=True)):
        shown = image * masks[1] if view.stripped else image
        contrast = apply_contrast(shown, masks[1] if view.stripped else masks[0], view.contrast)
        places = CUBE @ torch.tensor(to_head[:3, :3].T, dtype=torch.float32) + torch.tensor(
            to_head[:3, 3], dtype=torch.float32
        )
        if n:
            places = places + bent[0].permute(1, 2, 3, 0)
        made.append(_seen(_sampled(contrast, places, spacing_mm), view))
    return torch.stack(made)


def _cube() -> torch.Tensor:
    """Centres of the cube's voxels in mm from its own, (S, S, S, 3)."""
    line = (torch.arange(SIZE) - (SIZE - 1) / 2) * SPACING_MM
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1)


CUBE = _cube()


def _sampled(image: torch.Tensor, places_mm: torch.Tensor, spacing_mm: float) -> torch.Tensor:
    """Values at places in mm from the centre; the border's go on outside."""
    size = torch.tensor(image.shape, dtype=torch.float32)
    unit = (places_mm / (size * spacing_mm / 2)).flip(-1)
    return F.grid_sample(image[None, None], unit[None], padding_mode="border", align_corners=False)[0, 0]


def _seen(image: torch.Tensor, view: Seeing) -> torch.Tensor:
    """Shading, noise, the field of view, and the scale that `space.descend.volume_of` gives."""
    own = torch.Generator().manual_seed(view.seed)
    coil = F.interpolate(torch.randn(1, 1, 3, 3, 3, generator=own), size=image.shape, mode="trilinear")[0, 0]
    image = image * (coil * view.shading).exp() + torch.randn(image.shape, generator=own) * view.noise
    inside = torch.ones_like(image, dtype=torch.bool)
    if view.box is not None:
        rows = torch.tensor(view.box, dtype=torch.float32)
        inside = ((CUBE @ rows[:, :3].T + rows[:, 3]).abs() <= 1).all(-1)
    low, high = percentiles(image[inside]) if inside.any() else (image.min(), image.max())
    return ((image - low) / (high - low).clamp_min(1e-6)).clamp(0, 1) * inside


def _draw_view(rng: np.random.Generator, config: PairConfig, to_head: Numbers) -> Seeing:
    box = None
    if rng.uniform() < config.cropped:
        middle = np.linalg.solve(to_head[:3, :3], -to_head[:3, 3]) + rng.uniform(-35, 35, 3)
        turned = _matrix(draw_affine(rng, shift_mm=0, turn_deg=60))[:3, :3]
        rows = turned / rng.uniform(45, 130, (3, 1))
        box = np.concatenate([rows, -rows @ middle[:, None]], 1)
    return Seeing(
        draw_contrast(rng),
        bool(rng.uniform() < config.stripped),
        box,
        int(rng.integers(2**31)),
        float(rng.uniform(0, config.noise)),
        float(rng.uniform(0, config.shading)),
    )


def _matrix(numbers: Numbers) -> Numbers:
    return matrix_of(torch.tensor(numbers, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)).numpy()
