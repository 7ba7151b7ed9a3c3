"""Structures of a scan: which voxel, or which point between voxels, belongs to which."""
