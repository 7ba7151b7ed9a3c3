"""How much a place of a picture differs from its mirror image: heads, faces and chests are nearly symmetric.

What is normal but rare is far from the patches of other people on both sides; a lesion is on one of them.
"""

import torch
import torch.nn.functional as F

REACH = 1
"""Places to each side that are tried: heads are turned and moved a little."""

LEAST = 1e-3
"""Asymmetry of what is symmetric: below it there is rounding of the network that made the patches."""


def asymmetry(rows: torch.Tensor, mirrored: torch.Tensor, reach: int = REACH) -> torch.Tensor:
    """Distance (B, G, G) of each patch from the nearest about the same place of the mirror image.

    Parameters
    ----------
    rows : (B, G, G, D) float
        Patches of pictures, of length 1.
    mirrored : (B, G, G, D) float
        Those of the pictures turned over, left for right.
    reach : int
        Places to each side.
    """
    side = 2 * reach + 1
    # by differences: 2 - 2 cos is rounding alone where both are alike, and its root is then not small
    beside = F.pad(mirrored, (0, 0, reach, reach, reach, reach))
    lacks, lacks_beside = _lacks(rows), _lacks(beside)
    rows_, columns = rows.shape[1], rows.shape[2]
    apart = [
        (rows - beside[:, y : y + rows_, x : x + columns]).square().sum(3)
        + lacks_beside[:, y : y + rows_, x : x + columns]
        for y in range(side)
        for x in range(side)
    ]
    return (torch.stack(apart).amin(0) + lacks).sqrt()


def _lacks(rows: torch.Tensor) -> torch.Tensor:
    """1 where a patch has length 0, which is as far from all as what has nothing in common; else 0."""
    return (rows.square().sum(3) < 0.5).to(rows.dtype)


def uneven(far: torch.Tensor, rows: torch.Tensor, mirrored: torch.Tensor, power: float) -> torch.Tensor:
    """Distances (B, G, G) times a power of the asymmetry of their places.

    Parameters
    ----------
    far : (B, G, G) float
        From the patches of normals.
    rows, mirrored : (B, G, G, D) float
        As of `asymmetry`.
    power : float
        0: nothing changes.
    """
    return far * asymmetry(rows, mirrored).clamp_min(LEAST) ** power
