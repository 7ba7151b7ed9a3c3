"""sanum: one brain scan in; its healthy anatomy, an anomaly map and an uncertainty map out.

>>> import sanum
>>> result = sanum.reconstruct("scan.nii.gz")  # doctest: +SKIP
>>> result.save("out/")  # doctest: +SKIP
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Threads that wait for each other spin for some microseconds, then sleep. By default they spin for long,
# which on a busy machine takes the core from the thread that they wait for: a scan took three times the CPU.
# To sleep at once costs 15 % of the time on a quiet one. OpenMP reads this when it is loaded, by PyTorch or
# Numba; GNU's prefers the count, others know the policy only.
_WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"}
if "torch" not in sys.modules and not _WAITING & os.environ.keys():
    os.environ.update(OMP_WAIT_POLICY="passive", GOMP_SPINCOUNT="5000")

if TYPE_CHECKING:
    from . import (
        cohort,
        data,
        evaluation,
        fluid,
        healthy,
        integrations,
        learn,
        methods,
        metrics,
        nets,
        report,
        scan,
        space,
        synth,
        weights,
    )
    from .healthy.reconstruction import reconstruct
    from .healthy.result import Reconstruction
    from .methods.registry import load
    from .scan import Scan, ScanError, read, write

__all__ = [
    "Reconstruction",
    "Scan",
    "ScanError",
    "__version__",
    "cohort",
    "data",
    "evaluation",
    "fluid",
    "healthy",
    "integrations",
    "learn",
    "load",
    "methods",
    "metrics",
    "nets",
    "read",
    "reconstruct",
    "report",
    "scan",
    "space",
    "synth",
    "weights",
    "write",
]

# Imported when first used, so that `sanum info` and `--help` answer at once. Other names are rooms.
_HOMES = {
    "Reconstruction": "sanum.healthy.result",
    "Scan": "sanum.scan",
    "ScanError": "sanum.scan",
    "load": "sanum.methods.registry",
    "read": "sanum.scan",
    "reconstruct": "sanum.healthy.reconstruction",
    "write": "sanum.scan",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sanum' has no attribute '{name}'")
    if name not in _HOMES:
        return importlib.import_module(f"sanum.{name}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
