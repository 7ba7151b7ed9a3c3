"""Healthy anatomy reconstructed from a scan: cases, numbers, oracles, layout of the tables."""

from .cases import Case, Mismatch, chosen, find_cases
from .oracle import ORACLES, Oracle
from .sliced import Sliced
from .task import HealthyAnatomy, worth_measuring

__all__ = [
    "ORACLES",
    "Case",
    "HealthyAnatomy",
    "Mismatch",
    "Oracle",
    "Sliced",
    "chosen",
    "find_cases",
    "worth_measuring",
]
