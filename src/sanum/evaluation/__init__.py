"""Methods measured on scans of which something is known; the tables and the figure that say so."""

from .cases import Case, Mismatch, chosen, find_cases
from .run import Outcome, measure, worth_measuring
from .write import write_results

__all__ = [
    "Case",
    "Mismatch",
    "Outcome",
    "chosen",
    "find_cases",
    "measure",
    "worth_measuring",
    "write_results",
]
