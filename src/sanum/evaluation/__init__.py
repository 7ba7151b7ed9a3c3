"""Methods measured on scans of which something is known; the tables and the figure that say so."""

from .cases import Case, Mismatch, chosen, find_cases
from .oracle import ORACLES, Oracle
from .run import Outcome, measure, worth_measuring
from .write import write_results

__all__ = [
    "ORACLES",
    "Case",
    "Mismatch",
    "Oracle",
    "Outcome",
    "chosen",
    "find_cases",
    "measure",
    "worth_measuring",
    "write_results",
]
