"""Surfaces of structures by marching cubes, as GIFTI."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from nibabel.gifti.gifti import GiftiCoordSystem, GiftiDataArray, GiftiImage, GiftiMetaData
from skimage.measure import marching_cubes

from ....space.grid import Grid, apply_affine
from ....types import FloatArray

MOST_POINTS = 1_000_000
"""Of the grid that a surface is made on; it is coarser where a voxel's smallest edge would take more."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in the world.

    Parameters
    ----------
    vertices_mm : (V, 3) float32
        World positions.
    faces : (F, 3) int32
        Numbers of vertices, seen from outside against the clock.
    """

    vertices_mm: FloatArray
    faces: npt.NDArray[np.int32]


def fine_grid(grid: Grid) -> Grid:
    """Grid of the same axes, with cubic voxels as long as the shortest edge, and one voxel more at each end.

    Parameters
    ----------
    grid : Grid
        Whose box it has.
    """
    spacing, size = grid.spacing_mm, grid.spacing_mm * np.asarray(grid.shape)
    edge = max(float(spacing.min()), float(np.prod(size) / MOST_POINTS) ** (1 / 3))
    shape = np.maximum(np.round(size / edge), 1).astype(int)
    step = size / shape / spacing
    affine = grid.affine @ np.diag([*step, 1.0])
    affine[:3, 3] = apply_affine(grid.affine, step / 2 - 0.5 - step)
    return Grid((int(shape[0]) + 2, int(shape[1]) + 2, int(shape[2]) + 2), affine)


def surface_of(probabilities: FloatArray, structure: int, grid: Grid) -> Mesh:
    """Where a structure is the most probable class; without triangles if it is nowhere.

    Parameters
    ----------
    probabilities : (X, Y, Z, classes) float32
        On the grid.
    structure : int
        Class.
    grid : Grid
        Of the voxels.
    """
    others = np.delete(probabilities, structure, axis=-1).max(-1)
    margin = np.pad(probabilities[..., structure] - others, 1, constant_values=-1)
    if margin.max() <= 0:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    vertices, faces, *_ = marching_cubes(margin, 0.0)
    if np.linalg.det(grid.affine[:3, :3]) < 0:
        faces = faces[:, ::-1]
    placed = apply_affine(grid.affine, vertices - 1)
    return Mesh(placed.astype(np.float32), np.ascontiguousarray(faces[:, ::-1], dtype=np.int32))


def gifti(mesh: Mesh, name: str) -> bytes:
    """A GIFTI file of a mesh.

    Parameters
    ----------
    mesh : Mesh
        In world millimetres.
    name : str
        Of the structure.
    """
    meta = GiftiMetaData({"Name": name})
    arrays = [
        GiftiDataArray(
            mesh.vertices_mm,
            intent="NIFTI_INTENT_POINTSET",
            datatype="NIFTI_TYPE_FLOAT32",
            meta=meta,
            coordsys=GiftiCoordSystem(1, 1, np.eye(4)),
        ),
        GiftiDataArray(mesh.faces, intent="NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32"),
    ]
    content: bytes = GiftiImage(darrays=arrays).to_bytes()
    return content
