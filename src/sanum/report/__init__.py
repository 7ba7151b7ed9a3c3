"""Pictures, numbers and one self-contained page from the results of a run.

Its names are imported when they are first used: matplotlib only where something is drawn.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["KeyNumbers", "ReportInputs", "key_numbers", "render"]

if TYPE_CHECKING:
    from .html import render
    from .inputs import ReportInputs
    from .numbers import KeyNumbers, key_numbers

_HOMES = {
    "KeyNumbers": "numbers",
    "ReportInputs": "inputs",
    "key_numbers": "numbers",
    "render": "html",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
