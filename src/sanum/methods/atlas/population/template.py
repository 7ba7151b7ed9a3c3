"""What subjects are laid onto."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ....space.deform import Target
from ....space.grid import Grid
from ....space.velocity import Lattice
from ....types import FloatArray, Mask
from .config import AtlasConfig


@dataclass(frozen=True, eq=False)
class Template:
    """What subjects are laid onto.

    Parameters
    ----------
    image : (X, Y, Z) float32
        Near 1 where it is bright.
    grid : Grid
        Where it is.
    region : (X, Y, Z) bool
        Where it is compared.
    shares : (K, X, Y, Z) float32 or None
        Of the labels that are aligned.
    seen : (X, Y, Z) bool or None
        What enough subjects have in their fields of view; the image ends with it. None: all.
    """

    image: FloatArray
    grid: Grid
    region: Mask
    shares: FloatArray | None = None
    seen: Mask | None = None

    @cached_property
    def sha256(self) -> str:
        """Of all of it."""
        digest = hashlib.sha256(np.ascontiguousarray(self.image).tobytes())
        for part in (self.grid.affine, self.region, self.shares, self.seen):
            digest.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def target(self, config: AtlasConfig) -> Target:
        """For `space.deform`.

        Parameters
        ----------
        config : AtlasConfig
            What is descended.
        """
        moved = self.image[None] if self.shares is None else self.shares
        return Target(
            torch.from_numpy(np.ascontiguousarray(moved, np.float32))[None],
            torch.from_numpy(self.region.astype(np.float32))[None, None],
            Lattice(self.grid.shape, config.stride),
            config.distance,
            config.stiffness,
        )
