"""Where a point is: the one definition of the network's coordinates, for training and for every query.

A stack has a frame, which is a grid: its own, or another one that it is a part of. Along each axis the middle
of voxel i of n is at (2 i + 1)/n − 1, so that the outer edges of the frame are at −1 and 1, whatever its
spacing, and what is beyond them has coordinates too. Time is a place on a circle, since a cycle closes;
without time it is the circle's middle.
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


def middles_of(voxels: int) -> npt.NDArray[np.float64]:
    """Coordinate of the middle of each voxel along an axis of a stack that is its own frame, (voxels,).

    Parameters
    ----------
    voxels : int
        Along the axis.
    """
    return (2 * np.arange(voxels) + 1) / voxels - 1


def times_of(frames: int) -> npt.NDArray[np.float64]:
    """Time coordinates of each frame of a cycle, (frames, 2); 0 and 0 where there is one frame.

    Parameters
    ----------
    frames : int
        Of the whole cycle.
    """
    if frames == 1:
        return np.zeros((1, 2))
    return np.stack([time_at((n + 0.5) / frames) for n in range(frames)])


def time_at(phase: float | None) -> npt.NDArray[np.float64]:
    """Time coordinates of a phase, (2,): its place on a circle, so that a cycle closes.

    Parameters
    ----------
    phase : float or None
        In [0, 1), where frame n of N has (n + ½)/N; None: there is no time.
    """
    angle = 0.0 if phase is None else 2 * np.pi * phase
    return (phase is not None) * np.array([np.cos(angle), np.sin(angle)])


def points_at(indices: npt.ArrayLike, matrix: npt.NDArray[np.float64], time: npt.ArrayLike) -> torch.Tensor:
    """Coordinates (N, 5), float32, of points in any space: x, y, z and two of time.

    Parameters
    ----------
    indices : (N, 3) number
        Points: voxel indices, or millimetres.
    matrix : (4, 4) float64
        From there to coordinates: `to_unit`, of voxels with the affine before it.
    time : (2,) or (N, 2) float
        Time coordinates.
    """
    places = np.asarray(indices, dtype=np.float64)
    points = np.empty((len(places), 5), np.float32)
    points[:, :3] = places @ matrix[:3, :3].T + matrix[:3, 3]
    points[:, 3:] = time
    return torch.from_numpy(points)
