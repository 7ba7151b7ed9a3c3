"""What a scan shows around each lesion, as cubes, and an autoencoder whose codes may be columns of lesions.

    patch (1, 12, 12, 12) → 6³ → 3³ → code → 3³ → 6³ → patch

It learns without outcomes. The paper has codes of a large self-supervised network in this place.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ....scan.scan import Scan
from ....space.grid import Grid, apply_affine
from ....space.resample import resample

SIZE = 12
"""Voxels of a patch along each axis."""


def patches_of(scan: Scan, centres_mm: npt.ArrayLike, edge_mm: float = 24.0) -> npt.NDArray[np.float32]:
    """Cubes (N, 12, 12, 12) around lesions, along the axes of the world; the scan's foreground is in [0, 1].

    0 and 1 are the 1st and 99th percentile of what is above 0; 0 is also what lies beyond the scan.

    Parameters
    ----------
    scan : Scan
        In whose world the centres are.
    centres_mm : (N, 3) float
        Of the lesions.
    edge_mm : float
        Of a cube.

    Raises
    ------
    ValueError
        A centre is outside of the scan; the scan has one value.
    """
    centres = np.asarray(centres_mm, dtype=np.float64).reshape(-1, 3)
    places = apply_affine(np.linalg.inv(scan.grid.affine), centres)
    outside = ((places < -0.5) | (places > np.array(scan.grid.shape) - 0.5)).any(1)
    if outside.any():
        raise ValueError(
            f"lesion {int(outside.argmax()) + 1} is outside of the scan: give centres in the scan's own world"
        )
    seen = scan.voxels[scan.voxels > 0]
    low, high = np.percentile(seen, (1, 99)) if len(seen) else (0.0, 0.0)
    if not high > low:
        raise ValueError("the scan has one value everywhere above 0: nothing is seen around lesions")
    voxels = np.clip((scan.voxels.astype(np.float32) - low) / (high - low), 0, 1).astype(np.float32)
    spacing = edge_mm / SIZE
    cubes = np.zeros((len(centres), SIZE, SIZE, SIZE), np.float32)
    for cube, centre in zip(cubes, centres, strict=True):
        affine = np.diag([spacing, spacing, spacing, 1.0])
        affine[:3, 3] = centre - spacing * (SIZE - 1) / 2
        cube[...] = resample(voxels, scan.grid, Grid((SIZE, SIZE, SIZE), affine))
    return cubes


class PatchNet(nn.Module):
    """Patches to codes and back.

    Parameters
    ----------
    codes : int
        Numbers of a code.
    width : int
        Channels after the first halving.
    """

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        inner = (2 * width, SIZE // 4, SIZE // 4, SIZE // 4)
        flat = int(np.prod(inner))
        self.encode = nn.Sequential(
            nn.Conv3d(1, width, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv3d(width, 2 * width, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(flat, codes),
        )
        self.decode = nn.Sequential(
            nn.Linear(codes, flat),
            nn.SiLU(),
            nn.Unflatten(1, inner),
            nn.ConvTranspose3d(2 * width, width, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose3d(width, 1, 4, stride=2, padding=1),
        )

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """What is left of patches after their codes, (B, 1, 12, 12, 12).

        Parameters
        ----------
        patches : (B, 1, 12, 12, 12) float
            In [0, 1].
        """
        made: torch.Tensor = self.decode(self.encode(patches))
        return made
