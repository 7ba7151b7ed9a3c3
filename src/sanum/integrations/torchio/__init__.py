"""TorchIO (extra `sanum[torchio]`): `RandomFluidAnomaly`, `RandomGeneratedScan`, and both with a given seed.

TorchIO 2 has other base classes than the versions before it: `v1` and `v2` have the same transforms for each.
"""

from importlib.metadata import version

from ...extras import needs_extra

with needs_extra(__name__, "torchio"):
    if int(version("torchio").split(".")[0]) >= 2:
        from .v2 import FluidAnomaly, GeneratedScan, RandomFluidAnomaly, RandomGeneratedScan
    else:
        from .v1 import (  # type: ignore[assignment]
            FluidAnomaly,
            GeneratedScan,
            RandomFluidAnomaly,
            RandomGeneratedScan,
        )

__all__ = ["FluidAnomaly", "GeneratedScan", "RandomFluidAnomaly", "RandomGeneratedScan"]
