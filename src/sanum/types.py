"""Names of the array types that the whole package shares (floor 0)."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
"""Intensities, probabilities, fields."""

Mask = npt.NDArray[np.bool_]
"""Yes or no for each voxel."""

Affine = npt.NDArray[np.float64]
"""(4, 4): voxel index to world millimetres, or millimetres to millimetres."""

Points = npt.NDArray[np.float64]
"""(…, 3) world positions in millimetres."""

AnyArray = npt.NDArray[np.generic]
"""Voxels of any type, as a file holds them."""

Shape = tuple[int, int, int]
"""Voxels along each axis."""

Slices = tuple[slice, slice, slice]
"""A box of voxels."""
