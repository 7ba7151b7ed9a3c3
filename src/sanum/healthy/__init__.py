"""The main job: one brain scan in; its healthy anatomy, an anomaly map and an uncertainty map out (floor 5).

Its names are imported when they are first used; figures and their libraries only where a page is made.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["OUTPUTS", "Reconstruction", "find_brain", "guess_contrast", "reconstruct", "release_networks"]

if TYPE_CHECKING:
    from .contrast import guess_contrast
    from .localize import find_brain
    from .network import release_networks
    from .outputs import OUTPUTS
    from .reconstruction import reconstruct
    from .result import Reconstruction

_HOMES = {
    "OUTPUTS": "outputs",
    "Reconstruction": "result",
    "find_brain": "localize",
    "guess_contrast": "contrast",
    "reconstruct": "reconstruction",
    "release_networks": "network",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
