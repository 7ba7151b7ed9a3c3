"""How much a place of a picture differs from its mirror image: heads, faces and chests are nearly symmetric.

What is normal but rare is far from the patches of other people on both sides; a lesion is on one of them.
"""

import torch
import torch.nn.functional as F

REACH = 1
"""Places to each side that are tried: heads are turned and moved a little."""


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
    beside = F.pad(
        mirrored, (0, 0, reach, reach, reach, reach)
    )  # length 0: as far as what has nothing in common
    rows_, columns = rows.shape[1], rows.shape[2]
    alike = [
        (rows * beside[:, y : y + rows_, x : x + columns]).sum(3) for y in range(side) for x in range(side)
    ]
    return (2 - 2 * torch.stack(alike).amax(0)).clamp_min(0).sqrt()


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
    return far * asymmetry(rows, mirrored).clamp_min(1e-6) ** power
