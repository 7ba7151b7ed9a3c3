"""Views of a 2-D image as a camera or a head might have been held otherwise: draw, then apply."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class AugmentConfig:
    """What views are drawn from; the defaults leave every image as it is.

    Parameters
    ----------
    flip : float
        Probability that left and right change places.
    rotate_deg : float
        Largest turn either way.
    shift : float
        Largest shift, as a share of the side.
    zoom : float
        Largest relative change of size either way.
    shear_deg : float
        Largest shear either way, along both axes.
    brightness : float
        Largest relative change.
    contrast : float
        Largest relative change, about the mean of the image.
    """

    flip: float = 0.0
    rotate_deg: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    shear_deg: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"augment.{name} must be at least 0, got {value}")
        if self.flip > 1 or self.zoom >= 1 or self.shear_deg >= 90:
            raise ValueError("augment.flip is at most 1, augment.zoom below 1, augment.shear_deg below 90")


@dataclass(frozen=True)
class PictureViewParams:
    """One view: plain numbers.

    Parameters
    ----------
    flip : bool
        Left and right change places.
    rotate_deg : float
        Counter-clockwise.
    shift : (float, float)
        To the right and down, as shares of the side.
    zoom : float
        Factor; above 1 things get larger.
    shear_deg : (float, float)
        Along the rows and along the columns.
    brightness, contrast : float
        Factors.
    """

    flip: bool = False
    rotate_deg: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    shear_deg: tuple[float, float] = (0.0, 0.0)
    brightness: float = 1.0
    contrast: float = 1.0

    @property
    def matrix(self) -> list[list[float]]:
        """(2, 3): from a place in the view to the place in the image that is seen there, in half sides."""
        turn = math.radians(self.rotate_deg)
        forward = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        forward = forward @ [[1, math.tan(math.radians(self.shear_deg[0]))], [0, 1]]
        forward = forward @ [[1, 0], [math.tan(math.radians(self.shear_deg[1])), 1]]
        forward = self.zoom * forward @ np.diag([-1.0 if self.flip else 1.0, 1.0])
        back = np.linalg.inv(forward)
        moved = back @ (-2 * np.array(self.shift))
        rows: list[list[float]] = np.column_stack([back, moved]).tolist()
        return rows


def draw_view(rng: np.random.Generator, config: AugmentConfig) -> PictureViewParams:
    """A view; each number is drawn whatever the config, so that one switch does not change the others.

    Parameters
    ----------
    rng : Generator
        Of NumPy.
    config : AugmentConfig
        What to draw from.
    """
    coin = float(rng.random())
    either = rng.uniform(-1, 1, 8)
    a, b, c, d, e, f, g, h = (float(x) for x in either)
    return PictureViewParams(
        flip=coin < config.flip,
        rotate_deg=a * config.rotate_deg,
        shift=(b * config.shift, c * config.shift),
        zoom=1 + d * config.zoom,
        shear_deg=(e * config.shear_deg, f * config.shear_deg),
        brightness=1 + g * config.brightness,
        contrast=1 + h * config.contrast,
    )


def apply_views(
    pixels: torch.Tensor, valid: torch.Tensor, views: Sequence[PictureViewParams]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images seen as the views say, by linear interpolation; what comes from outside is 0 and not valid.

    Parameters
    ----------
    pixels : (B, C, S, S) float
        In [0, 1].
    valid : (B, 1, S, S) float
        1 where an image is.
    views : sequence of PictureViewParams
        One for each image.
    """
    if all(view == PictureViewParams() for view in views):
        return pixels, valid
    theta = torch.tensor([view.matrix for view in views], dtype=pixels.dtype, device=pixels.device)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    seen = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    inside = F.grid_sample(valid, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=pixels.dtype, device=pixels.device)[:, None, None, None]

    seen = (seen * column([view.brightness for view in views])).clamp(0, 1)
    mean = seen.mean((1, 2, 3), keepdim=True)
    seen = (mean + (seen - mean) * column([view.contrast for view in views])).clamp(0, 1)
    return seen, (inside >= 0.5).to(valid.dtype)
