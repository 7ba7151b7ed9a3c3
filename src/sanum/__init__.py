"""sanum: one brain scan in; its healthy anatomy, an anomaly map and an uncertainty map out.

>>> import sanum
>>> result = sanum.reconstruct("scan.nii.gz")  # doctest: +SKIP
>>> result.save("out/")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Reconstruction", "Scan", "ScanError", "__version__", "fluid", "read", "reconstruct", "write"]

if TYPE_CHECKING:
    from . import fluid
    from .healthy.reconstruction import Reconstruction, reconstruct
    from .scan import Scan, ScanError, read, write

# Heavy parts are imported when first used, so that `sanum info` and `--help` answer at once.
_HOMES = {
    "Reconstruction": "sanum.healthy.reconstruction", "reconstruct": "sanum.healthy.reconstruction",
    "Scan": "sanum.scan", "ScanError": "sanum.scan", "read": "sanum.scan", "write": "sanum.scan",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "fluid":
        return importlib.import_module("sanum.fluid")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'sanum' has no attribute '{name}'")
