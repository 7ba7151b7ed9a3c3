"""Where a point is: the one definition of the network's coordinates, for training and for every query.

A stack has a frame, which is a grid: its own, or another one that it is a part of. Along each axis the middle
of voxel i of n is at (2 i + 1)/n − 1, so that the outer edges of the frame are at −1 and 1, whatever its
spacing, and what is beyond them has coordinates too. Time is the same: the middle of frame i of n is at
(2 i + 1)/n − 1 in a cycle, and 0 where there is one frame.
"""

import numpy as np
import numpy.typing as npt
import torch

from ....space.grid import Grid


def to_unit(frame: Grid) -> npt.NDArray[np.float64]:
    """(4, 4) matrix from world millimetres to coordinates.

    Parameters
    ----------
    frame : Grid
        Whose outer edges are at −1 and 1.
    """
    size = np.asarray(frame.shape, dtype=np.float64)
    scale = np.eye(4)
    scale[:3, :3] = np.diag(2 / size)
    scale[:3, 3] = 1 / size - 1
    matrix: npt.NDArray[np.float64] = scale @ np.linalg.inv(frame.affine)
    return matrix


def times_of(frames: int) -> npt.NDArray[np.float64]:
    """Time coordinate of each frame of a cycle, (frames,).

    Parameters
    ----------
    frames : int
        Of the whole cycle; of one alone the time is 0.
    """
    return (2 * np.arange(frames) + 1) / frames - 1


def points_at(indices: npt.ArrayLike, matrix: npt.NDArray[np.float64], time: npt.ArrayLike) -> torch.Tensor:
    """Coordinates (N, 4), float32, of points in any space.

    Parameters
    ----------
    indices : (N, 3) number
        Points: voxel indices, or millimetres.
    matrix : (4, 4) float64
        From there to coordinates: `to_unit`, of voxels with the affine before it.
    time : float or (N,) float
        Time coordinate.
    """
    places = np.asarray(indices, dtype=np.float64)
    points = np.empty((len(places), 4), np.float32)
    points[:, :3] = places @ matrix[:3, :3].T + matrix[:3, 3]
    points[:, 3] = time
    return torch.from_numpy(points)
