"""A head that can be looked at from anywhere: a function of world position."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from sanum.space.grid import Grid, apply_affine


def head_at(points: npt.NDArray, *, lesion: bool = True) -> npt.NDArray[np.float32]:
    """Intensity at head coordinates (…, 3) in mm; symmetrical about x = 0 but for the lesion."""

    def inside(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> npt.NDArray:
        r = np.sqrt((((points - centre) / radii) ** 2).sum(-1))
        return 1 / (1 + np.exp(np.clip((r - 1) * min(radii) / 1.5, -50, 50)))  # border of some mm

    x = 0.7 * inside((0, 0, 0), (70, 85, 75)) - 0.55 * inside((0, 0, 5), (64, 79, 66))
    x += 0.75 * inside((0, -3, 8), (58, 72, 58))
    for side in (-1, 1):
        x += 0.4 * inside((side * 28, 12, 18), (22, 40, 30)) - 0.7 * inside((side * 10, 5, 14), (5, 22, 8))
        x += 0.6 * inside((side * 30, 72, -20), (11, 11, 11)) - 0.3 * inside(
            (side * 24, -45, -24), (16, 16, 10)
        )
    if lesion:
        x -= 0.6 * inside((35, -25, 20), (17, 20, 15))
    return np.maximum(x, 0).astype(np.float32)


@pytest.fixture
def head() -> Callable[..., npt.NDArray[np.float32]]:
    """head(grid, to_head): the head seen on `grid`, `to_head` (4, 4) from world mm to head mm."""

    def see(grid: Grid, to_head: npt.NDArray, *, lesion: bool = True) -> npt.NDArray[np.float32]:
        voxels = np.moveaxis(np.indices(grid.shape), 0, -1)
        return head_at(apply_affine(to_head @ grid.affine, voxels), lesion=lesion)

    return see
