"""Pictures, numbers and one self-contained page from the results of a run."""

from .html import render
from .inputs import ReportInputs
from .numbers import KeyNumbers, key_numbers

__all__ = ["KeyNumbers", "ReportInputs", "key_numbers", "render"]
