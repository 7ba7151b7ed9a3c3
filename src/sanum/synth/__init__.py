"""How scans look: anatomy, contrast, anomaly appearance, geometry, corruption, the generator (floor 3)."""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["Stream", "TrainingSet"]

if TYPE_CHECKING:
    from .stream import Stream, TrainingSet


def __getattr__(name: str) -> Any:
    if name in __all__:  # when first used: it needs PyTorch
        return getattr(importlib.import_module("sanum.synth.stream"), name)
    raise AttributeError(f"module 'sanum.synth' has no attribute '{name}'")
